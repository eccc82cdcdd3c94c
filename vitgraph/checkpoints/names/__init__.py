"""Names in published checkpoints: one table per family, in a file named after the family's builder.

`SOURCES` of a file is {kind: `Source`}, where the kind says who published such checkpoints: "timm", "official", ... A
`Source` is a list of entries (our name, their name), read from ours to theirs; see `checkpoints.source`. A family
whose checkpoints another family's table can read needs no file. Files with an underscore have what tables share.

A checkpoint doesn't say of which kind it is. `load_weights` takes the table that finds most of a graph's weights and
leaves least of the checkpoint over. If several do so equally well, the first in the order of `convert._KINDS` is taken.
"""

import importlib
import pkgutil

SOURCES = {
    f"{module.name}/{name}": source
    for module in pkgutil.iter_modules(__path__)
    if not module.name.startswith("_")
    for name, source in importlib.import_module(f"{__name__}.{module.name}").SOURCES.items()
}
"""Every kind of checkpoint that can be read: {"swin/timm": `Source`, ...}."""
