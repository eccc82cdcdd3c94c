"""Names of the published DeiT checkpoints."""

from vitgraph.checkpoints.names import vit as vit_sources
from vitgraph.checkpoints.source import Source

SOURCES = {
    "timm": Source(  # the official code has timm's names
        renames=(
            (r"dist_token/token", "dist_token"),
            (r"head_dist", "head_dist"),
            *vit_sources.SOURCES["timm"].renames,
        ),
        head=r"head(_dist)?\..*",
    ),
}
