"""Names in ATS's official checkpoints: timm's ViT, with a hidden layer before the head."""

from vitgraph.checkpoints.names import vit
from vitgraph.checkpoints.source import Source

SOURCES = {
    "official": Source(  # timm's names
        renames=((r"head_fc", "pre_logits.fc"), *vit.SOURCES["timm"].renames),
        ignored=r"blocks\.\d+\.attn\.out_zero_mask",
        head=r"(head|pre_logits)\..*",
    ),
}
