"""Names in BEiT's checkpoints: timm's and the official ones, before and after fine-tuning, and SimMIM's.

And those of the transformers library.
"""

from vitgraph.checkpoints.names import vit
from vitgraph.checkpoints.names._plain_transformers import plain
from vitgraph.checkpoints.names._transformers import QKV
from vitgraph.checkpoints.source import Source, fused, within


def _source(*special, head=r"(head|fc_norm)\..*"):
    renames = (
        *special,
        (r"rel_pos_bias/table", "rel_pos_bias.relative_position_bias_table"),
        (r"block_(\d+)_attn_bias/table", "blocks.{0}.attn.relative_position_bias_table"),
        (r"block_(\d+)_attn_qv_bias/(\w+)", "blocks.{0}.attn.{1}"),
        (r"block_(\d+)_res(\d)/gamma", "blocks.{0}.gamma_{1}"),
        *vit.SOURCES["timm"].renames,
    )
    return Source(renames, ignored=r"(.*\.)?relative_position_index|mask_token|lm_head\..*", head=head)


_PRETRAINED = _source(  # a net for fine-tuning gets the shared table in each block
    (r"block_\d+_attn_bias/table", "rel_pos_bias.relative_position_bias_table"),
    (r"(?:fc_)?norm", "norm"),
    head=r"norm\..*",
)

_LAYER = "beit.encoder.layer.{0}."
_OWN_TABLE = "attention.attention.relative_position_bias.relative_position_bias_table"
_SHARED_TABLE = "beit.encoder.relative_position_bias.relative_position_bias_table"


def _transformers(*norms):
    """The table of the transformers library's checkpoints, which differ in the last norm's name."""
    return plain(
        "beit.",
        *norms,
        (r"rel_pos_bias/table", _SHARED_TABLE),
        (r"block_(\d+)_attn_bias/table", _LAYER + _OWN_TABLE),
        (r"block_(\d+)_attn_qkv/kernel", [f"{_LAYER}attention.attention.{part}.weight" for part in QKV], fused),
        (r"block_(\d+)_attn_qv_bias/q_bias", _LAYER + "attention.attention.query.bias"),
        (r"block_(\d+)_attn_qv_bias/v_bias", _LAYER + "attention.attention.value.bias"),
        (r"block_(\d+)_res(\d)/gamma", _LAYER + "lambda_{1}"),
        heads=r"(classifier|layernorm|lm_head)\.",
        ignored=r".*\.relative_position_index",
        in_memory=(
            (r"^beit\.shared_position_bias", "beit.encoder.relative_position_bias"),
            (r"(layer\.\d+\.)relative_position_bias", r"\1attention.attention.relative_position_bias"),
        ),
    )


SOURCES = {
    "timm": _source(),  # the official code has timm's names
    "pretrained": _PRETRAINED,
    "simmim": within(_PRETRAINED, "encoder.", ignored=r"decoder\..*"),
    "transformers": _transformers((r"fc_norm", "beit.pooler.layernorm")),
    "transformers_pretrained": _transformers((r"(?:fc_)?norm", "layernorm")),  # of masked image modelling
}
