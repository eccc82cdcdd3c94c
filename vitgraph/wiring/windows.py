"""The windows of Swin's stages and blocks."""

from vitgraph.blocks.base import pair
from vitgraph.contract import require


def doubled(dim, stages):
    """Width of each stage: twice that of the stage before."""
    dims = tuple(dim * 2**i for i in range(stages))
    require(dims[-1] <= 2**14, "dim", f"at most {2**14} in the last stage, here {dims[-1]}")
    return dims


def block_window(window_size, shifted, grid, clip):
    """The geometry of a block's windows; on a known grid they are clipped here, and their table with them."""
    window_size = pair(window_size)
    shift = tuple(w // 2 if shifted else 0 for w in window_size)
    if clip and None not in grid:
        shift = tuple(0 if n <= w else s for n, w, s in zip(grid, window_size, shift, strict=True))
        window_size = tuple(map(min, window_size, grid))
    return {"window_size": window_size, "shift": shift, "clip": clip}
