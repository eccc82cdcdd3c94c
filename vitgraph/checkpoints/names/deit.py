"""Names in DeiT's checkpoints: timm's and the official ones, and the transformers library's."""

from vitgraph.checkpoints.names import vit
from vitgraph.checkpoints.names._plain_transformers import plain
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
    "transformers": plain(
        "deit.",
        (r"dist_token/token", "deit.embeddings.distillation_token"),
        (r"head_dist", "distillation_classifier"),
        (r"head", "cls_classifier"),
        heads=r"(cls_|distillation_)?classifier\.",
    ),
}
