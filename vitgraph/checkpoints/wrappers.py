"""What training code puts around a net's tensors: dictionaries in a file, and prefixes of the names."""

import re
import warnings
from collections.abc import Mapping

_AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "ema", "teacher", "target_encoder")
_PLAIN = (
    "state_dict", "model_state_dict", "model_state", "model", "module", "student", "net", "network", "params",
    "encoder",
)  # fmt: skip
"""Keys under which files keep a net's tensors, the preferred first; averages of the weights over time come before."""

_WORDS = (
    "_orig_mod", "module", "model", "net", "network", "backbone", "visual", "trunk", "encoder", "teacher", "student",
    "ema", "target_encoder",
)  # fmt: skip
"""What prefixes of names are made of."""

_PREFIX = re.compile(rf"(?:(?:{'|'.join(_WORDS)})\.)*")


def unwrapped(content):
    """The innermost dictionary of a file's content; a warning says so where there were two nets to choose from."""
    while isinstance(content, Mapping):
        inside = [key for key in (*_AVERAGED, *_PLAIN) if isinstance(content.get(key), Mapping)]
        if not inside:
            break
        nets = [key for key in inside if key in (*_AVERAGED, "student", "encoder", "state_dict", "model")]
        if len(nets) > 1:
            warnings.warn(f"the checkpoint has several nets; {nets[0]!r} is read, not {nets[1]!r}", stacklevel=5)
        content = content[inside[0]]
    return content


def prefixes(names):
    """Prefixes that may stand before all names of a net, the likeliest first; "" is one of them.

    Names without the prefix, such as those of a loss or of a text tower beside the net, aren't the net's.
    """
    found = {""}
    for name in names:
        match = _PREFIX.match(name)
        parts = match.group().split(".")[:-1] if match else []
        found.update("".join(f"{part}." for part in parts[: i + 1]) for i in range(len(parts)))
    return sorted(found, key=lambda prefix: (bool(prefix), "student" in prefix, len(prefix)))


def without_prefix(tensors, prefix):
    """The tensors whose names have the prefix, by their names without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
