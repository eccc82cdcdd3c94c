"""A model as a file, a folder or a repository that says what it is: written, handed on, and read back in one call."""

from vitgraph.sharing.loading import load

__all__ = ["load"]
