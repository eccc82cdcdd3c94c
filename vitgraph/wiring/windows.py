"""The windows of Swin's stages and blocks."""

from vitgraph.blocks.base import pair
from vitgraph.old.contract import is_sides


def block_window(window_size, shifted, grid, clip):
    """The geometry of a block's windows; on a grid that is known it is clipped here, and its table with it."""
    shift = tuple(w // 2 if shifted else 0 for w in window_size)
    if clip and None not in grid:
        shift = tuple(0 if n <= w else s for n, w, s in zip(grid, window_size, shift, strict=True))
        window_size = tuple(map(min, window_size, grid))
        clip = False
    return {"window_size": window_size, "shift": shift, "clip": clip}


def windows_per_stage(check, window_size, stages):
    """`window_size` in any of its three forms -> (rows, columns) of every stage."""
    windows = [window_size] * stages if is_sides(window_size) else window_size
    good = isinstance(windows, (tuple, list)) and len(windows) == stages and all(map(is_sides, windows))
    allowed = f"a positive integer, (rows, columns), or {stages} of these, one a stage"
    check.that(good, "window_size", window_size, allowed)
    return [pair(window) for window in windows]
