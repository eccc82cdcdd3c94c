"""One call from a repository, of timm or of the transformers library, to a model with its weights."""

import json
import os
import pathlib
import re
from typing import Any

import keras

from vitgraph import builders
from vitgraph import contract as c
from vitgraph.checkpoints import hub
from vitgraph.checkpoints.about import about_repository
from vitgraph.checkpoints.configurations import NoCounterpart, planned
from vitgraph.checkpoints.convert import load
from vitgraph.checkpoints.places import Place, is_repository, repository_of
from vitgraph.checkpoints.published import variant_of

_PREPARATION = "preprocessor_config.json"


@c.public
def from_hub(repository: Place, /, *, adapt: bool = False, **overrides: Any) -> keras.Model:
    """Builds the model of a repository on the Hugging Face hub, and loads its weights.

    Its `config.json`, timm's or the transformers library's, says which builder is called with which arguments. Without
    weights for a head the graph has no top; rates of dropout are 0 unless timm's file states them. What the files say
    of classes and of how images are prepared, `decode_predictions` and `preprocessing` know of the model.

    Args:
        repository: "owner/name" or "hf-hub:owner/name", both with @revision if need be; or a folder as such a
            repository is cloned.
        adapt: make a first convolution for other channels, or patches of another size, fit; see `load_weights`.
        **overrides: arguments of the builder that are to differ. With another `num_classes` the head is a new one;
            tables of another `input_shape` are resampled.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; a configuration of which a part has no counterpart here;
            weights that don't fit.
        OSError: a file that can't be read or downloaded.

    Example:
        >>> _ = vitgraph.save_weights(vitgraph.create("pvt_v2_b0", num_classes=5), "model.safetensors")
        >>> numpy.savetxt("config.json", ['{"architecture": "pvt_v2_b0", "num_classes": 5}'], fmt="%s")
        >>> vitgraph.from_hub("./").output_shape
        (None, 5)
    """
    folder = _folder(repository)
    owner_name, revision = (None, None) if folder else repository_of(str(repository), "repository")
    path = folder / "config.json" if folder else hub.download(owner_name, "config.json", revision)
    content = _content(path, repository)
    try:
        plan = planned(content, variant_of(owner_name))
    except NoCounterpart as error:
        c.require(False, "repository", f"one of an architecture of this package; {error}")
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
        c.require(False, "repository", f"one with a whole configuration; reading it gives {c.shown(error)}")
    arguments = {"name": _name(folder or pathlib.PurePosixPath(str(owner_name))), **plan.arguments, **overrides}
    skip_head = False
    if arguments.get("include_top", True):
        arguments.setdefault("num_classes", plan.head)
        skip_head = arguments["num_classes"] != plan.head
        arguments.setdefault("include_top", bool(arguments["num_classes"]))
    if not arguments["include_top"]:
        arguments.pop("num_classes", None)
    if arguments.get("input_tensor") is not None:
        arguments.pop("input_shape")
    model = getattr(builders, plan.builder)(**arguments)
    checkpoint = folder or hub.checkpoint(owner_name, revision)
    load(model, checkpoint, "repository", skip_head=skip_head, adapt=adapt, grid=_grid(plan))
    has_head = arguments["include_top"] and not skip_head
    preparation = {} if "architecture" in content else _preparation(folder, owner_name, revision)
    facts = about_repository(content, preparation, has_head=has_head)
    model.about = {**model.about, **facts}
    return model


def _folder(repository):
    """The folder that is meant, or None."""
    text = os.fspath(repository)
    folder = pathlib.Path(text)
    outside = isinstance(repository, os.PathLike) or text.startswith((".", "/", "~", "\\")) or folder.is_dir()
    return folder if outside and not is_repository(text) else None


def _content(path, repository):
    if path is None or not path.is_file():
        raise FileNotFoundError(f"from_hub: {str(repository)!r} has no config.json, which says what to build")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        c.require(False, "repository", f"one with a config.json that is JSON: {error}")


def _preparation(folder, owner_name, revision):
    """What the transformers library's file says of how images are prepared; {} if there is none or it can't be had."""
    try:
        path = folder / _PREPARATION if folder else hub.download(owner_name, _PREPARATION, revision)
        return json.loads(path.read_text()) if path and path.is_file() else {}
    except (OSError, ValueError):
        return {}  # as without a network, where the rest is in the cache


def _name(path):
    """A name for the model, that of its repository."""
    return re.sub(r"[^A-Za-z0-9_.>-]", "_", path.name).lstrip("_.>-")[:100] or "model"


def _grid(plan):
    """The checkpoint's grid, where it isn't a square and so has to be said."""
    shape, patch = plan.arguments["input_shape"], plan.arguments.get("patch_size")
    patch = (patch, patch) if isinstance(patch, int) else patch
    return None if shape[0] == shape[1] or not patch else (shape[0] // patch[0], shape[1] // patch[1])
