"""NesT's own: a maximum over negative values, and tables that follow the image's size."""

import numpy as np

import vitgraph
from tests.variants import TINY, shared, value
from vitgraph.blocks import MaxPooling
from vitgraph.checkpoints.resample import blockwise_table


def test_padding_never_wins():
    x = -1 - np.random.default_rng(0).random((2, 5, 6, 3)).astype("float32")
    pooled = value(MaxPooling(3, 2, padding=1)(x))
    assert pooled.shape == (2, 3, 3, 3)
    for i in range(3):
        for j in range(3):
            window = x[:, max(2 * i - 1, 0) : 2 * i + 2, max(2 * j - 1, 0) : 2 * j + 2]
            np.testing.assert_array_equal(pooled[:, i, j], window.max((1, 2)))


def test_tables_of_another_size_are_resampled():
    """On loading, also for an image that is not square; what varies along rows only still does so."""
    tensors = {v.path: value(v) for v in shared("nest").weights}
    slope = np.arange(8.0).reshape(2, 1, 4, 1) * np.ones((1, 2, 1, 4))  # (row of blocks, column, row, column)
    tensors["stage_1_pos_embed/table"] = np.repeat(slope.reshape(1, 4, 16, 1), 8, axis=-1).astype("float32")
    model = TINY["nest"].build((128, 192, 3))
    vitgraph.load_weights(model, tensors)
    table = value(model.get_layer("stage_1_pos_embed").table)
    assert table.shape == (1, 4, 8 * 12, 8)
    np.testing.assert_array_equal(table, blockwise_table(tensors["stage_1_pos_embed/table"], (8, 12)))
    rows = table.reshape(2, 2, 8, 12, 8)
    np.testing.assert_allclose(rows, np.broadcast_to(rows[:, :1, :, :1, :1], rows.shape), atol=1e-5)
    profile = rows[:, 0, :, 0, 0].reshape(-1)
    assert (np.diff(profile[2:-2]) > 0.3).all()
    assert not np.allclose(model(np.ones((1, 128, 192, 3))), 0)
