"""Fixed positions along a sequence and pooling by scores: are they what the papers' formulas say?"""

import math

import numpy as np

from tests.variants import assert_close, value
from vitgraph.blocks import SequencePooling, SinePosition


def test_sine_positions():
    """Token n, channel c: n / 10000^(2 (c // 2) / C), its sine where c is even, its cosine where c is odd."""
    tokens, channels = 50, 7
    expected = [
        [(math.cos if c % 2 else math.sin)(n / 10000 ** (2 * (c // 2) / channels)) for c in range(channels)]
        for n in range(tokens)
    ]
    positions = value(SinePosition()(np.zeros((2, tokens, channels), "float32")))
    assert_close(positions, np.broadcast_to(expected, positions.shape))


def test_sequence_pooling():
    random = np.random.default_rng(0)
    x, scores = (random.standard_normal((2, 6, c)).astype("float32") for c in (4, 1))
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert_close(SequencePooling()(x, scores), (weights * x).sum(axis=1))


def test_one_token_is_its_own_pool():
    x = np.ones((2, 1, 4), "float32")
    assert_close(SequencePooling()(x, x[..., :1]), x[:, 0])
