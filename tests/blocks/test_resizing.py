"""An image of another size: is it what PyTorch makes of it?"""

import math

import numpy as np
import pytest

from tests.variants import assert_close, assert_same, images, value
from vitgraph.blocks import ResizeLike, ScaleImage


def bicubic_row(row, new):
    """Each new pixel from the four old ones around its centre, the border repeated; Keys' kernel with a = -0.75."""
    old, a = len(row), -0.75

    def weight(d):
        if d <= 1:
            return (a + 2) * d**3 - (a + 3) * d**2 + 1
        return a * (d**3 - 5 * d**2 + 8 * d - 4)

    result = []
    for i in range(new):
        centre = (i + 0.5) * old / new - 0.5
        taps = range(math.floor(centre) - 1, math.floor(centre) + 3)
        result.append(sum(weight(abs(tap - centre)) * row[min(max(tap, 0), old - 1)] for tap in taps))
    return np.stack(result)


def test_bicubic():
    x = images(1, 30, 21)
    expected = np.stack([bicubic_row(row, 19) for row in bicubic_row(x[0], 28)])
    assert_close(ScaleImage(14 / 15)(x)[0], expected)


@pytest.mark.parametrize(("height", "width"), [(12, 13), (14, 15), (16, 17), (18, 19)])
def test_crop(height, width):
    """As many rows above as below; an odd one goes where rounding half to even puts it."""
    x = images(1, height, width)
    new = [math.floor(0.8 * n) for n in (height, width)]
    top, left = (round((n - m) / 2) for n, m in zip((height, width), new, strict=True))
    assert_same(ScaleImage(0.8, crop=True)(x), x[:, top : top + new[0], left : left + new[1]])


def test_a_map_on_the_grid_of_another():
    """Twice as many positions: each is 3/4 of the nearest old one and 1/4 of the next, but at the border."""
    x = np.arange(3, dtype="float32").reshape(1, 1, 3, 1)
    resized = value(ResizeLike()(x, np.zeros((1, 1, 6, 2), "float32")))
    assert_close(resized.ravel(), [0, 0.25, 0.75, 1.25, 1.75, 2])
