"""Names in LocalViT's official checkpoints, which depend on the layers that there are."""

from vitgraph.checkpoints.names import vit
from vitgraph.checkpoints.source import Source, inverse_of


def _flat(arrays, shape):
    return arrays[0].reshape(shape)


@inverse_of(_flat)
def _as_conv1d(value, count, layer):
    return [value.reshape(1, 1, -1)]


def locality_renames(block, official_block, fc1=0, dwconv=3, gate=6, fc2=7):
    """The entries of a feed-forward layer, which is a numbered sequence in the official checkpoints.

    Args:
        block: pattern of our name of a block.
        official_block: template of its official name.
        fc1, dwconv, gate, fc2: numbers in the sequence; the norm of a layer has the number after its own.
    """
    norms = {f"{name}_norm": number + 1 for name, number in (("fc1", fc1), ("dwconv", dwconv), ("fc2", fc2))}
    members = {"fc1": fc1, "dwconv": dwconv, "fc2": fc2, **norms, "se_fc1": f"{gate}.fc.0", "se_fc2": f"{gate}.fc.2"}
    sequence = f"{official_block}.conv.conv."
    return (
        *((f"{block}_mlp_{name}", f"{sequence}{member}") for name, member in members.items()),
        (f"{block}_mlp_eca/kernel", f"{sequence}{gate}.conv.weight", _flat),
    )


LINEAR_CONVOLUTIONS = ((r".*\.conv\.conv\.\d\.weight", (..., ..., 1, 1)),)
"""The feed-forward layers' linear layers are convolutions there."""


def _official(**members):
    renames = locality_renames(r"block_(\d+)", "blocks.{0}", **members)
    return Source(renames=(*renames, *vit.SOURCES["timm"].renames), shapes=LINEAR_CONVOLUTIONS)


SOURCES = {
    "official": _official(),
    "official_no_gate": _official(fc2=6),
    "official_first": _official(fc1=3, dwconv=0),
    "official_first_no_gate": _official(fc1=3, dwconv=0, fc2=6),
    "official_no_depthwise": _official(gate=3, fc2=4),
    "official_no_depthwise_no_gate": _official(fc2=3),
}
