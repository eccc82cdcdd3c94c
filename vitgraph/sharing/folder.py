"""A model as a folder: the files of a hub repository."""

import json
import pathlib

from vitgraph import contract as c
from vitgraph.checkpoints.files import save_weights
from vitgraph.scratch import written
from vitgraph.sharing.card import card

WEIGHTS, CONFIGURATION, CARD = "model.safetensors", "config.json", "README.md"


@c.public
def save_to_folder(
    model: c.Graph, folder: c.Path, *, license: str | None = None, description: str | None = None
) -> pathlib.Path:
    """Writes a model as the files of a hub repository: `load(folder)` gives it back.

    `model.safetensors` has the weights, `config.json` what `model.about` says, and `README.md` is a model card with the
    last figures of the training, where they are known.

    Args:
        model: a graph that a builder, `create` or `load` made.
        folder: the folder to write; made if it doesn't exist. Files of these names in it are replaced.
        license: name of the licence of the weights, such as "apache-2.0"; None: that of the weights that training
            began with, if that is known.
        description: a few sentences for the model card.

    Returns:
        The folder.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; a model of which it isn't known how it was built.
        OSError: a file can't be written.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> folder = vitgraph.save_to_folder(net, "mine", license="mit")
        >>> sorted(path.name for path in folder.iterdir())
        ['README.md', 'config.json', 'model.safetensors']
    """
    return write(model, folder, license, description)


def write(model, folder, license, description, repository=None):
    """As `save_to_folder`; the card says how to load from `repository`."""
    folder = pathlib.Path(folder)
    allowed = "a graph that a builder, create or load made; model.save writes others to .keras files"
    c.require("builder" in getattr(model, "about", {}), "model", allowed, value=model.name)
    about = {**model.about, **({"license": license} if license else {})}
    page = card(model, about, repository or folder.name, description)
    folder.mkdir(parents=True, exist_ok=True)
    before, model.about = model.about, about
    try:
        save_weights(model, folder / WEIGHTS)
    finally:
        model.about = before
    for name, text in ((CONFIGURATION, json.dumps({"library_name": "vitgraph", **about}, indent=2)), (CARD, page)):
        with written(folder / name) as path:
            path.write_text(text, encoding="utf-8")
    return folder
