"""Names in Swin's checkpoints: timm's, Microsoft's, SimMIM's, and the transformers library's."""

from vitgraph.checkpoints.names._transformers import MLP, as_in_files, block, projections
from vitgraph.checkpoints.source import Source, within


def sources(*attention, buffers):
    """The tables of timm's and Microsoft's checkpoints, which count a merging to different stages.

    Args:
        *attention: entries of what only this Swin has in its attention.
        buffers: pattern of the names of tensors that aren't weights.
    """
    common = (
        *attention,
        (r"stage_(\d)_block_(\d+)_(attn|mlp)_(\w+)", "layers.{0:-1}.blocks.{1}.{2}.{3}"),
        (r"stage_(\d)_block_(\d+)_(norm\d)", "layers.{0:-1}.blocks.{1}.{2}"),
        (r"pos_embed/table", "absolute_pos_embed"),
        (r"patch_embed", "patch_embed.proj"),
        (r"patch_norm", "patch_embed.norm"),
        (r"norm", "norm"),
    )
    merge = r"stage_(\d)_merge_(\w+)"
    shared: dict = {"ignored": rf".*\.({buffers})", "shapes": ((r".*\.logit_scale", (..., 1, 1)),)}
    return {
        "timm": Source(((merge, "layers.{0:-1}.downsample.{1}"), (r"head", "head.fc"), *common), **shared),
        "microsoft": Source(((merge, "layers.{0:-2}.downsample.{1}"), (r"head", "head"), *common), **shared),
    }


def transformers(body, *attention):
    """The table of the transformers library's checkpoints, whose body's names begin with `body`.

    Args:
        *attention: entries of what only this Swin has in its attention.
    """
    renames = (
        *attention,
        *block(r"stage_(\d)_block_(\d+)_", body + "encoder.layers.{0:-1}.blocks.{1}.", "attention.self"),
        (r"stage_(\d)_merge_(\w+)", body + "encoder.layers.{0:-2}.downsample.{1}"),
        (r"pos_embed/table", f"{body}embeddings.position_embeddings"),
        (r"patch_embed", f"{body}embeddings.patch_embeddings.projection"),
        (r"patch_norm", f"{body}embeddings.norm"),
        (r"norm", f"{body}layernorm"),
        (r"head", "classifier"),
    )
    table = "relative_position_bias_table"
    bias = rf"attention\.relative_position_bias\.{table}", f"attention.self.{table}"
    in_memory = *projections("attention.self"), *MLP, bias
    return Source(
        renames,
        ignored=rf"{body}embeddings\.mask_token|decoder\..*|.*\.(relative_position_index|relative_coords_table)",
        head=r"(classifier|hidden_states_norms)\..*",
        prepare=as_in_files(body, r"classifier\.|decoder\.|hidden_states_norms\.", *in_memory),
    )


SOURCES = sources(
    (r"stage_(\d)_block_(\d+)_attn_bias/table", "layers.{0:-1}.blocks.{1}.attn.relative_position_bias_table"),
    buffers="relative_position_index|attn_mask",
)

SOURCES["simmim"] = within(SOURCES["microsoft"], "encoder.", ignored=r"encoder\.mask_token|decoder\..*")
SOURCES["transformers"] = transformers(
    "swin.",
    (
        r"stage_(\d)_block_(\d+)_attn_bias/table",
        "swin.encoder.layers.{0:-1}.blocks.{1}.attention.self.relative_position_bias_table",
    ),
)
