"""Names in ViT's checkpoints: timm's, DINOv2's, CLIP's, vit-pytorch's, and those of Google's Flax files.

Those of the transformers library are in `_plain_transformers.py`.
"""

import dataclasses

from vitgraph.checkpoints.names import _plain_transformers
from vitgraph.checkpoints.names._transformers import no_bias
from vitgraph.checkpoints.source import Source, fused, linear_to_conv, reshaped, side_by_side

_PLAIN = (
    (r"cls_token/token", "cls_token"),
    (r"pos_embed/table", "pos_embed"),
    (r"block_(\d+)_res(\d)/gamma", "blocks.{0}.ls{1}.gamma"),
    (r"block_(\d+)_(attn|mlp)_(\w+)", "blocks.{0}.{1}.{2}"),
    (r"block_(\d+)_(norm\d)", "blocks.{0}.{1}"),
    (r"patch_embed", "patch_embed.proj"),
    (r"(norm|fc_norm|head)", "{0}"),
)


def _google(attention, norm, mlp, positions):
    """The table of Flax ViTs, whose counters differ between two code bases."""
    block = "Transformer/encoderblock_{0}/"
    heads = [f"{block}MultiHeadDotProductAttention_{attention}/{part}/" for part in ("query", "key", "value")]
    pool = "MAPHead_0/MultiHeadDotProductAttention_0/"
    return Source(
        renames=(
            (r"cls_token/token", "cls"),
            (r"pos_embed/table", positions),
            (r"patch_embed", "embedding"),
            (r"block_(\d+)_norm1", f"{block}LayerNorm_0"),
            (r"block_(\d+)_norm2", f"{block}LayerNorm_{norm}"),
            (r"block_(\d+)_attn_qkv/(\w+)", [head + "{1}" for head in heads], side_by_side),
            (r"block_(\d+)_attn_proj/(\w+)", heads[0].replace("query", "out") + "{1}", reshaped),
            (r"block_(\d+)_mlp_fc(\d)", f"{block}MlpBlock_{mlp}/Dense_{{1:-1}}"),
            (r"(?:fc_)?norm", "Transformer/encoder_norm"),
            (r"head", "head"),
            (r"head_rep", "pre_logits"),
            (r"attn_pool_latent/latent", "MAPHead_0/probe"),
            (r"attn_pool_q/(\w+)", pool + "query/{0}", side_by_side),
            (r"attn_pool_kv/(\w+)", (pool + "key/{0}", pool + "value/{0}"), side_by_side),
            (r"attn_pool_proj/(\w+)", pool + "out/{0}", reshaped),
            (r"attn_pool_norm", "MAPHead_0/LayerNorm_0"),
            (r"attn_pool_mlp_fc(\d)", "MAPHead_0/MlpBlock_0/Dense_{0:-1}"),
        ),
        layout="jax",
        ignored=r"pre_logits/.*",
        head=r"(head|MAPHead_0)/.*",
    )


def _class_row(arrays, shape):
    """The class token with the table's first row, which DINOv2 with registers adds to it; here it has no row."""
    token, table = arrays
    return token + table[:, :1]


def _patch_rows(arrays, shape):
    return arrays[0][:, 1:]


_REGISTERS = (
    (r"reg_token/token", "register_tokens"),
    (r"cls_token/token", ("cls_token", "pos_embed"), _class_row),
    (r"pos_embed/table", "pos_embed", _patch_rows),
)

_GATED = (
    (r"block_(\d+)_mlp_fc1", "blocks.{0}.mlp.w12"),
    (r"block_(\d+)_mlp_fc2", "blocks.{0}.mlp.w3"),
)


def _dinov2(*special):
    return Source(renames=(*special, *_PLAIN), ignored="mask_token")


_BLOCK, _LAYER = r"block_(\d+)_", "transformer.layers.{0}."


def _openai():
    """The table of CLIP's image tower as OpenAI and open_clip save it, beside the text tower, which isn't read."""
    layer = "visual.transformer.resblocks.{0}."
    return Source(
        renames=(
            (r"patch_embed", "visual.conv1"),
            (r"cls_token/token", "visual.class_embedding", reshaped),
            (r"pos_embed/table", "visual.positional_embedding"),
            (r"norm_pre", "visual.ln_pre"),
            (_BLOCK + "norm1", layer + "ln_1"),
            (_BLOCK + "attn_qkv/kernel", layer + "attn.in_proj_weight"),
            (_BLOCK + "attn_qkv/bias", layer + "attn.in_proj_bias"),
            (_BLOCK + "attn_proj", layer + "attn.out_proj"),
            (_BLOCK + "norm2", layer + "ln_2"),
            (_BLOCK + "mlp_fc1", layer + "mlp.c_fc"),
            (_BLOCK + "mlp_fc2", layer + "mlp.c_proj"),
            (r"norm", "visual.ln_post"),
            (r"head/kernel", "visual.proj", reshaped),
            (r"head/bias", "visual.proj", no_bias),
        ),
        ignored=r"(?!visual\.).*",
        head=r"visual\.proj",
    )


def lucidrains(proj, fc2, head):
    """The table of vit-pytorch, which numbers a layer's parts: differently in ViT and SimpleViT."""
    return Source(
        renames=(
            (r"patch_norm1", "to_patch_embedding.1"),
            (r"patch_proj", "to_patch_embedding.2"),
            (r"patch_embed", "to_patch_embedding.3"),
            (r"pos_embed/table", "pos_embedding"),
            (r"cls_token/token", "cls_token"),
            (_BLOCK + "norm1", _LAYER + "0.norm"),
            (_BLOCK + "attn_qkv", _LAYER + "0.to_qkv"),
            (_BLOCK + "attn_proj", _LAYER + proj),
            (_BLOCK + "norm2", _LAYER + "1.net.0"),
            (_BLOCK + "mlp_fc1", _LAYER + "1.net.1"),
            (_BLOCK + "mlp_fc2", _LAYER + fc2),
            (r"norm", "transformer.norm"),
            (r"head", head),
        ),
        head=rf"{head}\..*",
    )


def layers_of_2022(ours, theirs):
    """The entries of a block as in vit-pytorch of 2022, and in code that derives from it."""
    return (
        (ours + "norm1", theirs + "0.norm"),
        (ours + "attn_qkv", theirs + "0.fn.to_qkv"),
        (ours + "attn_scale/scale", theirs + "0.fn.scale"),  # of locality self-attention
        (ours + "attn_proj", theirs + "0.fn.to_out.0"),
        (ours + "norm2", theirs + "1.norm"),
        (ours + "mlp_fc1", theirs + "1.fn.net.0"),
        (ours + "mlp_fc2", theirs + "1.fn.net.3"),
    )


_TIMM = Source(
    renames=(
        (r"reg_token/token", "reg_token"),
        (r"block_(\d+)_(attns|ffns)_(\d+)_norm", "blocks.{0}.{1}.{2}.norm"),
        (r"block_(\d+)_(attns|ffns)_(\d+)_(attn|mlp)_(\w+)", "blocks.{0}.{1}.{2}.{3}.{4}"),
        (r"block_(\d+)_(attns|ffns)_(\d+)_res/gamma", "blocks.{0}.{1}.{2}.ls.gamma"),
        (r"block_(\d+)_core_(\w+)", "blocks.{0}.{1}"),
        (r"block_(\d+)_res/gamma", "blocks.{0}.ls.gamma"),
        (r"block_(\d+)_split/mlp_bias", "blocks.{0}.mlp_bias"),
        (r"block_(\d+)_(in_norm|in_proj|out_proj|attn_out_proj|mlp_out_proj)", "blocks.{0}.{1}"),
        (r"attn_pool_latent/latent", "attn_pool.latent"),
        (r"attn_pool_mlp_(\w+)", "attn_pool.mlp.{0}"),
        (r"attn_pool_(\w+)", "attn_pool.{0}"),
        (r"norm_pre", "norm_pre"),
        (r"patch_norm", "patch_embed.norm"),
        *_PLAIN,
    ),
    head=r"(head|fc_norm|attn_pool)\..*",
)


def gated(gate, value, out="fc2"):
    """A gated feed-forward layer whose gate and value come from two layers."""
    theirs = [f"blocks.{{0}}.mlp.{name}" for name in (gate, value)]
    return (
        (r"block_(\d+)_mlp_fc1/kernel", [f"{name}.weight" for name in theirs], fused),
        (r"block_(\d+)_mlp_fc1/bias", [f"{name}.bias" for name in theirs], fused),
        (r"block_(\d+)_mlp_fc2", f"blocks.{{0}}.mlp.{out}"),
    )


SOURCES = {
    "timm": _TIMM,
    "timm_aimv2": dataclasses.replace(_TIMM, renames=(*gated("fc1_g", "fc1_x"), *_TIMM.renames)),
    "openai": _openai(),
    "dinov2": _dinov2(),
    "dinov2_gated": _dinov2(*_GATED),
    "dinov2_registers": _dinov2(*_REGISTERS),
    "dinov2_registers_gated": _dinov2(*_REGISTERS, *_GATED),
    "lucidrains": lucidrains(proj="0.to_out.0", fc2="1.net.4", head="mlp_head"),
    "lucidrains_2022": Source(
        renames=(
            (r"patch_embed/kernel", "to_patch_embedding.1.weight", linear_to_conv),
            (r"patch_embed", "to_patch_embedding.1"),
            (r"pos_embed/table", "pos_embedding"),
            (r"cls_token/token", "cls_token"),
            *layers_of_2022(_BLOCK, _LAYER),
            (r"fc_norm", "mlp_head.0"),
            (r"head", "mlp_head.1"),
        ),
        head=r"mlp_head\..*",
    ),
    "google": _google(attention=1, norm=2, mlp=3, positions="Transformer/posembed_input/pos_embedding"),
    "big_vision": _google(attention=0, norm=1, mlp=0, positions="pos_embedding"),
    **_plain_transformers.SOURCES,
}
