"""Names in the official checkpoints of PiT with SPT and LSA."""

from vitgraph.checkpoints.names.small_data_vit import BORDERS
from vitgraph.checkpoints.names.vit import layers_of_2022
from vitgraph.checkpoints.source import Source


def _names(**merging):
    """The entries of all but the patch embedding.

    The official list `layers` has stages and mergings in turn.

    Args:
        **merging: {our name of a merging's layer: theirs}.
    """
    renames = list(BORDERS)
    for i in range(1, 9):
        renames += layers_of_2022(rf"stage_{i}_block_(\d+)_", f"layers.{2 * i - 2}.layers.{{0}}.")
        renames += [(f"stage_{i}_pool_{ours}", f"layers.{2 * i - 3}.{theirs}") for ours, theirs in merging.items()]
    return renames


SOURCES = {
    "official": Source(
        renames=(
            (r"patch_embed_norm", "to_patch_embedding.merging.1"),
            (r"patch_embed", "to_patch_embedding.merging.2"),
            *_names(fc="class_linear", merge_norm="merging.1", merge="merging.2"),
        ),
        head=r"mlp_head\..*",
    ),
    "official_plain": Source(  # without shifted patch tokenization
        renames=(
            (r"patch_embed", "to_patch_embedding.0"),
            *_names(fc="cls_ff", conv="downsample.net.0", merge="downsample.net.1"),
        ),
        head=r"mlp_head\..*",
    ),
}
