"""Names in the checkpoints of vit-pytorch's ViT with a patch merger."""

from vitgraph.checkpoints.names import vit
from vitgraph.checkpoints.source import Source


def _used_rows(arrays, shape):
    return arrays[0][:, :-1]


def _unscaled(arrays, shape):
    return (arrays[0] * shape[-1] ** -0.5).reshape(shape)


def _lucidrains(release, **own):
    return Source(
        renames=(
            (r"pos_embed/table", "pos_embedding", _used_rows),
            (r"patch_merger_norm", "transformer.patch_merger.norm"),
            (r"patch_merger_queries/latent", "transformer.patch_merger.queries", _unscaled),
            *own.items(),
            *vit.SOURCES[release].renames,
        ),
        head=r"mlp_head\..*",
    )


SOURCES = {
    "lucidrains": _lucidrains("lucidrains", head="mlp_head.1"),
    "lucidrains_2022": _lucidrains("lucidrains_2022", fc_norm="mlp_head.1", head="mlp_head.2"),
    "merger": Source((("patch_merger_norm", "norm"), ("patch_merger_queries/latent", "queries", _unscaled))),
}
