"""Names in DeiT's checkpoints: timm's and the official ones."""

from vitgraph.checkpoints.names import vit
from vitgraph.checkpoints.source import Source

SOURCES = {
    "timm": Source(  # the official code has timm's names
        renames=(
            (r"dist_token/token", "dist_token"),
            (r"head_dist", "head_dist"),
            *vit.SOURCES["timm"].renames,
        ),
        head=r"head(_dist)?\..*",
    ),
}
