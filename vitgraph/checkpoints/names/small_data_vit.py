"""Names in the official checkpoints of ViT with SPT and LSA."""

from vitgraph.checkpoints.names.vit import layers_of_2022
from vitgraph.checkpoints.source import Source, linear_to_conv

BORDERS = (
    (r"pos_embed/table", "pos_embedding"),
    (r"cls_token/token", "cls_token"),
    (r"norm", "mlp_head.0"),
    (r"head", "mlp_head.1"),
)
"""The entries that the official ViT and PiT share."""

_NAMES = (*layers_of_2022(r"block_(\d+)_", "transformer.layers.{0}."), *BORDERS)

SOURCES = {
    "official": Source(
        renames=(
            (r"patch_embed_norm", "to_patch_embedding.merging.1"),
            (r"patch_embed", "to_patch_embedding.merging.2"),
            *_NAMES,
        ),
        head=r"mlp_head\..*",
    ),
    "official_plain": Source(  # without shifted patch tokenization
        renames=(
            (r"patch_embed/kernel", "to_patch_embedding.1.weight", linear_to_conv),
            (r"patch_embed", "to_patch_embedding.1"),
            *_NAMES,
        ),
        head=r"mlp_head\..*",
    ),
    "official_spt": Source(renames=((r"\w+_norm", "merging.1"), (r"\w+", "merging.2"))),  # the tokenization alone
}
