"""A model as a repository of the Hugging Face hub."""

import pathlib
import re
import tempfile
from typing import Annotated

from vitgraph import contract as c
from vitgraph.sharing import folder

Repository = Annotated[
    str, c.Rule('a repository of the hub, "owner/name"', lambda v: bool(re.fullmatch(r"[\w.-]{1,96}/[\w.-]{1,96}", v)))
]


@c.public
def push_to_hub(
    model: c.Graph,
    repository: Repository,
    *,
    license: str | None = None,
    description: str | None = None,
    private: bool = False,
    message: str = "Weights, configuration and model card",
) -> str:
    """Uploads a model to the Hugging Face hub, in one commit: `load(repository)` gives it back anywhere.

    Who you are `huggingface_hub` knows after `hf auth login`, or from the environment variable HF_TOKEN.

    Args:
        model: a graph that a builder, `create` or `load` made.
        repository: such as "me/flowers"; made if it doesn't exist.
        license: name of the licence of the weights, such as "apache-2.0"; None: that of the weights that training
            began with, if that is known.
        description: a few sentences for the model card.
        private: whether a new repository can be seen by its owner only.
        message: the message of the commit.

    Returns:
        The address of the commit.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; a model of which it isn't known how it was built.
        OSError: it couldn't be uploaded; the message says why.

    Example:
        >>> net = keras.Sequential([keras.layers.Dense(2)])
        >>> vitgraph.push_to_hub(net, "me/flowers")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: push_to_hub: model=...; allowed: a graph of this package
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = folder.write(model, pathlib.Path(scratch) / "model", license, description, repository)
        return _upload(path, repository, private, message)


def _upload(path, repository, private, message):
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        there = api.create_repo(repository, private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=there.repo_id, folder_path=path, commit_message=message)
    except Exception as error:  # the hub's client and its HTTP library each have errors of their own
        lines = [line.strip() for line in str(error).splitlines() if line.strip() and "more information" not in line]
        reason = ": ".join(dict.fromkeys([*lines[:1], *lines[-1:]])) or type(error).__name__
        hint = "; `hf auth login` says who you are" if "401" in reason or "oken" in reason else ""
        raise OSError(f"push_to_hub: could not upload to {repository!r}: {reason}{hint}") from error
    return str(commit.commit_url)
