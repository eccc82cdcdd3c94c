"""A model as a file, a folder or a repository that says what it is: written, handed on, and read back in one call."""

from vitgraph.sharing.folder import save_to_folder
from vitgraph.sharing.loading import load
from vitgraph.sharing.pushing import push_to_hub

__all__ = ["load", "push_to_hub", "save_to_folder"]
