"""From a file, a folder or a repository to the model in it."""

import importlib
import pathlib
import re
from typing import Any

import keras

from vitgraph import contract as c
from vitgraph.checkpoints.convert import load as load_into
from vitgraph.checkpoints.files import read_about
from vitgraph.checkpoints.hub import checkpoint
from vitgraph.from_hub import from_hub
from vitgraph.registry import BUILDERS

_FUNCTION = re.compile(r"(vitgraph\.(?:wiring|builders)\.\w+):(\w+)")
_REPOSITORY = re.compile(r"(?:hf-hub:)?([\w.-]+/[\w.-]+)")
_INSIDE = ("model.keras", "model.safetensors", "weights.safetensors")
"""What is looked for in a folder: a finished training has the first and the last, a repository the second."""


@c.public
def load(path: c.Path) -> keras.Model:
    """Reads a model back: the same graph, weights, and what is known of it (`model.about`).

    Args:
        path: a `.keras` file; a `.safetensors` file that `save_weights` wrote of a net that a builder or `create` made;
            a folder of `vitgraph train` or of `save_to_folder`; or a repository of the Hugging Face hub with such a
            file, such as "me/flowers" or "hf-hub:me/flowers". Other repositories are read as `from_hub` does.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; a file of weights alone, or a damaged one.
        OSError: there is no such file, or it can't be read or downloaded.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> vitgraph.load(vitgraph.save_weights(net, "vit.safetensors")).output_shape
        (None, 5)
    """
    repository = _repository(pathlib.Path(path), str(path))
    found = checkpoint(repository) if repository else _found(pathlib.Path(path))
    if found.suffix == ".keras":
        return _of_keras(found)
    if repository and not (found.suffix == ".safetensors" and "builder" in read_about(found)):
        return from_hub(repository)
    c.require(found.suffix == ".safetensors", "path", "a folder, or a file that ends in .keras or .safetensors")
    try:
        about = read_about(found)
    except ValueError as error:
        c.require(False, "path", f"a whole safetensors file: {error}")
    hint = "vitgraph.create(name, weights=path) loads weights alone"
    c.require("builder" in about, "path", f"a file whose header says how the net is built; {hint}")
    c.require(not about.pop("skip_head", False), "path", f"a file with a head; {hint} with skip_head=True")
    model = rebuilt(about)
    load_into(model, found, "path")
    model.about = {**about, **model.about}
    return model


def rebuilt(about: dict[str, Any]) -> Any:
    """The graph that `about` describes, with random weights."""
    builders = {build.__name__: build for build in BUILDERS}
    c.require(about["builder"] in builders, "path", f"a net of a builder that is known here, not {about['builder']!r}")
    arguments = {name: _function(value) for name, value in about["arguments"].items()}
    with c.errors_of("load"):
        return builders[about["builder"]](**arguments)


def _function(value: Any) -> Any:
    """A function of the package where a header names one, such as "vitgraph.wiring.transformer:pre_norm_block"."""
    named = _FUNCTION.fullmatch(value) if isinstance(value, str) else None
    return getattr(importlib.import_module(named[1]), named[2]) if named else value


def _repository(path: pathlib.Path, text: str) -> str | None:
    """The name of the repository that is meant, or None."""
    match = _REPOSITORY.fullmatch(text)
    return match[1] if match and not path.exists() and path.suffix not in (".keras", ".safetensors") else None


def _found(path: pathlib.Path) -> pathlib.Path:
    """The file that a path or a folder means."""
    if path.is_dir():
        inside = [path / name for name in _INSIDE if (path / name).is_file()]
        c.require(inside, "path", f"a folder with one of {', '.join(_INSIDE)} in it; a training writes them at its end")
        return inside[0]
    if not path.is_file():
        raise FileNotFoundError(f"load: there is no file, folder or repository {str(path)!r}")
    return path


def _of_keras(path: pathlib.Path) -> Any:
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras and what it reads with raise errors of every kind at damaged files
        c.require(False, "path", f"a whole .keras file of a model whose layers are known here: {c.shown(error)}")
