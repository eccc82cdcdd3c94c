"""Where a checkpoint may be: a file, a folder, a repository of the Hugging Face hub, a URL."""

import os
import pathlib
import re
from typing import Annotated, Any

from vitgraph import contract as c
from vitgraph.checkpoints import hub
from vitgraph.checkpoints.files import READABLE

_REPOSITORY = re.compile(r"(?:hf-hub:|hf_hub:|hf://)?([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


def _place(value: Any) -> Any:
    """A string as it is: "./mae" isn't "mae", and a URL has two slashes."""
    text = os.fspath(value)
    if not isinstance(text, str):
        raise TypeError
    if not text.strip() or "\0" in text:
        raise ValueError
    return text if isinstance(value, str) else pathlib.Path(text)


Place = Annotated[
    str | os.PathLike[str], c.Conversion("a path, a repository as hf-hub:owner/name, or the URL of a file", _place)
]
"""Where a checkpoint is."""


def located(place, argument):
    """The path of a checkpoint, which is downloaded if need be."""
    text = str(place)
    if is_url(text):
        return hub.fetch(text)
    if is_repository(text):
        return hub.checkpoint(*repository_of(text, argument))
    return pathlib.Path(place)


def repository_of(text, argument):
    """(owner/name, revision or None) of the name of a repository."""
    match = _REPOSITORY.fullmatch(text)
    allowed = "a repository as owner/name or hf-hub:owner/name, with @revision if need be; or a folder"
    c.require(match, argument, allowed, value=text)
    return match.groups() if match else ("", None)


def is_repository(text):
    return text.startswith(("hf-hub:", "hf_hub:", "hf://"))


def is_url(text):
    return text.startswith(("http://", "https://"))


def is_place(text):
    """Whether this says where a checkpoint is, and can't be a tag."""
    return is_url(text) or is_repository(text) or os.sep in text or "/" in text or text.endswith(READABLE)
