"""Where published CrossViT checkpoints keep what `build_crossvit` makes: timm's, and IBM's own."""

import numpy as np

from vitgraph.checkpoints.source import Source


def _beside(arrays, shape):
    """Two linear layers (out, in), or their biases, as one (in, out + out)."""
    return np.concatenate([array.T for array in arrays], axis=-1)


def _fusion(ours, theirs):
    """Cross attention; `theirs` numbers its layers only where `depths` does."""
    kv = [theirs + "attn.wk.", theirs + "attn.wv."]
    return (
        (ours + "attn_kv/kernel", [name + "weight" for name in kv], _beside),
        (ours + "attn_kv/bias", [name + "bias" for name in kv], _beside),
        (ours + "attn_q", theirs + "attn.wq"),
        (ours + "attn_proj", theirs + "attn.proj"),
        (ours + "norm1", theirs + "norm1"),
    )


def _source(table):
    return Source(
        renames=(
            (r"(cls_token|pos_embed)_(\d)/\w+", table),
            (r"patch_embed_(\d)_conv(\d)", "patch_embed.{0}.proj.{1}"),
            (r"patch_embed_(\d)", "patch_embed.{0}.proj"),
            (r"block_(\d+)_branch_(\d)_(\d+)_(attn|mlp)_(\w+)", "blocks.{0}.blocks.{1}.{2}.{3}.{4}"),
            (r"block_(\d+)_branch_(\d)_(\d+)_(norm\d)", "blocks.{0}.blocks.{1}.{2}.{3}"),
            (r"block_(\d+)_(proj|revert_proj)_(\d)_norm", "blocks.{0}.{1}s.{2}.0"),
            (r"block_(\d+)_(proj|revert_proj)_(\d)", "blocks.{0}.{1}s.{2}.2"),
            *_fusion(r"block_(\d+)_fusion_(\d)_", "blocks.{0}.fusion.{1}."),
            *_fusion(r"block_(\d+)_fusion_(\d)_(\d+)_", "blocks.{0}.fusion.{1}.{2}."),
            (r"(norm|head)_(\d)", "{0}.{1}"),
        ),
    )


SOURCES = {"timm": _source("{0}_{1}"), "ibm": _source("{0}.{1}")}
