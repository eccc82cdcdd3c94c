"""Names in checkpoints of EVA and its relatives: timm's, with projections whole or in parts, and the official ones."""

from vitgraph.checkpoints.names import vit
from vitgraph.checkpoints.source import Source, fused

_ATTN = r"block_(\d+)_attn_"

_COMMON = (
    (r"rope/freqs", "rope.freqs"),
    (_ATTN + r"qv_bias/(\w+)", "blocks.{0}.attn.{1}"),
    (r"block_(\d+)_res(\d)/gamma", "blocks.{0}.gamma_{1}"),
    *vit.SOURCES["timm"].renames,
)


def _qkv(names):
    """Queries, keys and values from three projections, of which keys have a bias only where all have one."""
    theirs = [f"blocks.{{0}}.attn.{name}" for name in names]
    return (
        (_ATTN + r"qkv/kernel", [f"{name}.weight" for name in theirs], fused),
        (_ATTN + r"qkv/bias", [f"{name}.bias" for name in theirs], fused),
    )


_QV_OF_LAYERS = (
    (_ATTN + r"qv_bias/q_bias", "blocks.{0}.attn.q_proj.bias"),
    (_ATTN + r"qv_bias/v_bias", "blocks.{0}.attn.v_proj.bias"),
)


def _source(*special, ignored=r"(?!)"):
    return Source((*special, *_COMMON), ignored=ignored, head=r"(head|fc_norm|attn_pool)\..*")


def _third(part):
    """Queries' or values' biases of those of all three, where the keys' are zeros."""
    return lambda arrays, shape: arrays[0].reshape(3, -1)[part]


_DINOV3 = (
    (r"reg_token/token", "storage_tokens"),
    (r"block_(\d+)_res(\d)/gamma", "blocks.{0}.ls{1}.gamma"),
    (_ATTN + r"qv_bias/q_bias", "blocks.{0}.attn.qkv.bias", _third(0)),
    (_ATTN + r"qv_bias/v_bias", "blocks.{0}.attn.qkv.bias", _third(2)),
)
_DINOV3_IGNORED = r"mask_token|rope_embed\.periods|local_cls_norm\..*|projectors\..*|.*\.qkv\.bias(_mask)?"

_BAAI = (
    (_ATTN + r"norm", "blocks.{0}.attn.inner_attn_ln"),
    (r"block_(\d+)_mlp_norm", "blocks.{0}.mlp.ffn_ln"),
    *vit.gated("w1", "w2", "w3"),
    (_ATTN + r"qv_bias/(\w+)", "blocks.{0}.attn.{1}"),
)
_BAAI_IGNORED = r"mask_token|lm_head\..*|rope\..*"

_PARTS = _qkv(("q_proj", "k_proj", "v_proj"))
_SAPIENS2 = (
    (r"reg_token/token", "storage_tokens"),
    (r"patch_embed", "patch_embed.projection"),
    *_qkv(("wq", "wk", "wv")),
    (r"block_(\d+)_res1/gamma", "blocks.{0}.attn.gamma.weight"),
    (r"block_(\d+)_norm(\d)", "blocks.{0}.ln{1}"),
    (r"block_(\d+)_mlp_fc1", "blocks.{0}.ffn.w12"),
    (r"block_(\d+)_mlp_fc2", "blocks.{0}.ffn.w3"),
    (r"norm", "ln1"),
)

SOURCES = {
    "timm": _source(),
    "timm_mlp_parts": _source(*vit.gated("fc1_g", "fc1_x")),
    "timm_qkv_parts": _source(*_PARTS, *_QV_OF_LAYERS),
    "timm_parts": _source(*_PARTS, *_QV_OF_LAYERS, *vit.gated("fc1_g", "fc1_x")),
    "baai": _source(*_BAAI, ignored=_BAAI_IGNORED),
    "baai_parts": _source(*_PARTS, *_BAAI, ignored=_BAAI_IGNORED),
    "dinov3": _source(*_DINOV3, ignored=_DINOV3_IGNORED),
    "dinov3_gated": _source(*_DINOV3, *vit.gated("w1", "w2", "w3"), ignored=_DINOV3_IGNORED),
    "sapiens2": _source(*_SAPIENS2, ignored=r"mask_token|rope.*"),
}
