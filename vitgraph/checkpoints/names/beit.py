"""Names in BEiT's checkpoints: timm's and the official ones, before and after fine-tuning, and SimMIM's."""

from vitgraph.checkpoints.names import vit
from vitgraph.checkpoints.source import Source, within


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

SOURCES = {
    "timm": _source(),  # the official code has timm's names
    "pretrained": _PRETRAINED,
    "simmim": within(_PRETRAINED, "encoder.", ignored=r"decoder\..*"),
}
