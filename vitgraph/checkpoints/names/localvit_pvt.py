"""Names in the official checkpoints of LocalViT on PVT."""

from vitgraph.checkpoints.names.localvit import LINEAR_CONVOLUTIONS, locality_renames
from vitgraph.checkpoints.names.pvt import SOURCES as PVT
from vitgraph.checkpoints.source import Source

SOURCES = {
    "official": Source(
        renames=(*locality_renames(r"stage_(\d)_block_(\d+)", "block{0}.{1}"), *PVT["official"].renames),
        shapes=LINEAR_CONVOLUTIONS,
    ),
}
