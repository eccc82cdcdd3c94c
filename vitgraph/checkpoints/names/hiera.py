"""Names in Hiera's checkpoints: timm's and the official ones."""

from vitgraph.checkpoints.names import vit
from vitgraph.checkpoints.source import Source, inverse_of, map_to_rows, rows_to_map


def _positions(arrays, shape):
    """A table of positions, which abswin keeps as a map."""
    return map_to_rows(arrays, shape) if arrays[0].ndim == 4 else arrays[0]


@inverse_of(_positions, by_net=True)
def _of_positions(value, count, layer, layers):
    return [rows_to_map(value, layer.grid) if "pos_embed_win" in layers else value]


def _source(norm, head, positions="pos_embed", ignored=r"(?!)"):
    return Source(
        renames=(
            (r"pos_embed/table", positions, _positions),
            (r"pos_embed_win/table", "pos_embed_win", map_to_rows),
            (r"block_(\d+)_expand", "blocks.{0}.proj"),
            (r"fc_norm", norm),
            (r"head", head),
            *vit.SOURCES["timm"].renames,
        ),
        ignored=ignored,
        head=rf"({norm}|{head})\..*",
    )


SOURCES = {
    "timm": _source("head.norm", "head.fc"),
    "official": _source("norm", "head.projection"),
    "official_abswin": _source("norm", "head.projection", "pos_embed_abs"),
    "official_mae": _source("encoder_norm", "head.projection", ignored=r"decoder.*|mask_token|multi_scale.*"),
}
