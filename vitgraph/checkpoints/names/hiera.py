"""Names in Hiera's checkpoints: timm's and the official ones."""

from vitgraph.checkpoints.names import vit
from vitgraph.checkpoints.source import Source, map_to_rows


def _source(norm, head):
    return Source(
        renames=(
            (r"pos_embed_win/table", "pos_embed_win", map_to_rows),
            (r"block_(\d+)_expand", "blocks.{0}.proj"),
            (r"fc_norm", norm),
            (r"head", head),
            *vit.SOURCES["timm"].renames,
        ),
        head=rf"({norm}|{head})\..*",
    )


def _absolute(source, name):
    """The same with a table of positions that is kept as a map."""
    return Source(((r"pos_embed/table", name, map_to_rows), *source.renames), head=source.head)


_TIMM, _OFFICIAL = _source("head.norm", "head.fc"), _source("norm", "head.projection")

SOURCES = {
    "timm": _TIMM,
    "timm_abswin": _absolute(_TIMM, "pos_embed"),
    "official": _OFFICIAL,
    "official_abswin": _absolute(_OFFICIAL, "pos_embed_abs"),
    "official_mae": Source(
        _source("encoder_norm", "head.projection").renames,
        ignored=r"decoder.*|mask_token|multi_scale.*",
        head=r"encoder_norm\..*",
    ),
}
