"""What Swin and Swin V2 share: how they begin, and the windows of their stages and blocks."""

from vitgraph import blocks
from vitgraph.blocks.base import is_static, pair
from vitgraph.contract import require
from vitgraph.wiring import layers as w


def embedded_patches(image, patch_size, dim, norm_eps, pos_embed, planned, drop_rate):
    """Patches, norm, a learned table with pos_embed="learn", dropout: (B, H, W, C) -> (B, H / p, W / p, dim)."""
    x = w.conv(w.pad_to_patch(image, patch_size), dim, patch_size, patch_size, "patch_embed")
    x = w.layer_norm(x, norm_eps, "patch_norm")
    if pos_embed == "learn":
        require(is_static(*planned), "img_size", 'a size: with pos_embed="learn" there is a table for it')
        grid = [-(-n // patch_size) for n in planned]
        x = blocks.PositionTable(grid, antialias=False, name="pos_embed")(x, x)
    return w.dropout(x, drop_rate, "pos_drop")


def doubled(dim, stages):
    """Width of each stage: twice that of the stage before."""
    dims = tuple(dim * 2**i for i in range(stages))
    require(dims[-1] <= 2**14, "dim", f"at most {2**14} in the last stage, here {dims[-1]}")
    return dims


def block_window(window_size, shifted, grid, clip, is_open):
    """The geometry of a block's windows; on a known grid they are clipped here, and their table with them.

    In an open graph that is planned for one grid they then keep that size on maps of any other, as in timm.
    """
    window_size = pair(window_size)
    shift = tuple(w // 2 if shifted else 0 for w in window_size)
    if clip and None not in grid:
        shift = tuple(0 if n <= w else s for n, w, s in zip(grid, window_size, shift, strict=True))
        window_size = tuple(map(min, window_size, grid))
        clip = not is_open
    return {"window_size": window_size, "shift": shift, "clip": clip}
