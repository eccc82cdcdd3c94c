"""Are pixels grouped by their place within their patch, in row order, and put back?"""

import numpy as np

from tests.variants import value
from vitgraph.blocks import Fold, Unfold


def test_unfold_and_fold():
    x = np.random.default_rng(0).standard_normal((2, 6, 10, 3)).astype("float32")
    expected = x.reshape(2, 2, 3, 5, 2, 3).transpose(0, 2, 4, 1, 3, 5).reshape(2, 6, 10, 3)
    groups = Unfold((3, 2))(x)
    np.testing.assert_array_equal(groups, expected)
    np.testing.assert_array_equal(value(groups)[0, 3, 7], x[0, 1 * 3 + 1, 2 * 2 + 1])
    np.testing.assert_array_equal(Fold((3, 2))(groups, x), x)
