"""Names of the published ATS checkpoints."""

from vitgraph.checkpoints.names import vit as vit_sources
from vitgraph.checkpoints.source import Source

SOURCES = {
    "official": Source(  # timm's names
        renames=((r"head_fc", "pre_logits.fc"), *vit_sources.SOURCES["timm"].renames),
        ignored=r"blocks\.\d+\.attn\.out_zero_mask",
        head=r"(head|pre_logits)\..*",
    ),
}
