"""Files that PyTorch wrote. Nothing is unpickled but tensors, plain containers, and `argparse.Namespace`."""

import argparse
import re
import zipfile

from vitgraph.checkpoints.wrappers import unwrapped


def read(path):
    """{name: array} of the net in a file.

    Raises:
        Exception: of any kind, at damaged files and at those with other things inside.
    """
    import torch

    if zipfile.is_zipfile(path):
        check_zip(path)
    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(path, map_location="cpu", weights_only=True)
    content = unwrapped(content)
    if not isinstance(content, dict):
        raise Unreadable(f"a dictionary of them by name, not a {type(content).__name__}")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    for name, value in tensors.items():
        if value.layout is not torch.strided or value.is_complex():
            raise Unreadable(f"{name!r} in it isn't dense and real")
    return {re.sub(r"^((module|_orig_mod)\.)+", "", name): _array(value) for name, value in tensors.items()}


class Unreadable(Exception):
    """A file that isn't what its reader reads; the message says what is wrong with it."""


def _array(tensor):
    """A tensor of PyTorch's as an array; of the floating dtypes that NumPy may lack, as float32."""
    narrow = tensor.is_floating_point() and tensor.element_size() < 4
    return (tensor.float() if narrow else tensor).numpy(force=True)


def check_zip(path):
    """Refuses an archive with a damaged member, which not every library that reads one looks for."""
    with zipfile.ZipFile(path) as file:
        if not any(member.CRC for member in file.infolist()):  # PyTorch can be told to write no checksums
            return
        damaged = file.testzip()
    if damaged:
        raise Unreadable(f"{damaged!r} in it is damaged")
