"""Adaptive token sampling, against a statement of it token by token; and what it is for: fewer tokens."""

import keras
import numpy as np
import pytest

import vitgraph
from tests.variants import assert_close, assert_same, images, value, with_random_weights
from vitgraph.blocks import MaskedAttention, PickIds, PickTokens, PutBack, TokenSampler

HEADS, WIDTH, TOKENS = 2, 4, 24


def stream(seed=0):
    """Queries, keys and values of three samples with 24, 23 and 9 tokens, and the numbers of their patches."""
    random = np.random.default_rng(seed)
    qkv = random.standard_normal((3, 1 + TOKENS, 3 * HEADS * WIDTH)).astype("float32")
    ids = np.stack([random.permutation(60)[:TOKENS] for _ in range(3)]).astype("int32")
    ids[1, 23:] = ids[2, 9:] = -1
    return qkv, ids


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def sample(qkv, count, least_goes):
    """One sample's picks, without padding anywhere: (M, 3 C) -> places among all but the first, a list."""
    q, k, v = qkv.astype("float64").reshape(-1, 3, HEADS, WIDTH).transpose(1, 2, 0, 3)
    paid = sum(softmax(k[head] @ q[head, 0] / WIDTH**0.5) for head in range(HEADS))
    significance = [paid[j] * np.linalg.norm(v[:, j]) for j in range(1, len(paid))]
    order, places, total = np.argsort(significance), [], 0.0
    for j in order:
        total += significance[j]
        places.append(total)
    first = places[0] if least_goes else 0.0
    places = [(place - first) / (total - first) for place in places]
    start = min(place for place in places if place > 0)
    points = [start + (1 - start) * i / (count - 1) for i in range(count)]
    nearest = [min(range(len(places)), key=lambda j: abs(places[j] - point)) for point in points]
    return [int(order[j]) for j in sorted(set(nearest))]


@pytest.mark.parametrize("num_tokens", [None, 12, 100])
@pytest.mark.parametrize("drop_tokens", [False, True])
def test_sampler(num_tokens, drop_tokens):
    """Where there is padding, it stands before the least token, and that one may stay."""
    for seed in range(5):
        qkv, ids = stream(seed)
        count = min(num_tokens - 1, TOKENS) if num_tokens else TOKENS
        picks = value(TokenSampler(HEADS, num_tokens=num_tokens, drop_tokens=drop_tokens)(qkv, ids))
        assert picks.shape == (3, count)
        for row, real, x in zip(picks, (ids >= 0).sum(1), qkv, strict=True):
            expected = sample(x[: 1 + real], count, least_goes=real == TOKENS)
            assert row.tolist() == expected + [-1] * (count - len(expected))


def test_sampler_of_a_batch_with_padding_everywhere():
    """Only as the official code shortens such a batch does its longest sample lose its least token."""
    qkv, ids = (array[1:] for array in stream())
    for drop_tokens in (False, True):
        picks = value(TokenSampler(HEADS, drop_tokens=drop_tokens)(qkv, ids))
        for row, real, x in zip(picks, (23, 9), qkv, strict=True):
            expected = sample(x[: 1 + real], TOKENS, least_goes=drop_tokens and real == 23)
            assert row[row >= 0].tolist() == expected


def test_attention_to_padding_is_none():
    qkv, ids = stream()
    core = MaskedAttention(HEADS)
    for sample_qkv, sample_ids in zip(qkv, ids, strict=True):
        real = 1 + (sample_ids >= 0).sum()
        short = core(sample_qkv[None, :real], sample_ids[None, : real - 1])
        assert_close(core(sample_qkv[None], sample_ids[None])[:, :real], short)


def test_picks():
    x, picks = np.arange(1.0, 9.0, dtype="float32").reshape(1, 4, 2), np.array([[2, 0, -1]])
    assert_same(PickTokens()(x, picks), [[[1, 2], [7, 8], [3, 4], [0, 0]]])
    assert_same(PickIds()(np.array([[5, 0, 3]]), picks), [[3, 5, -1]])
    back = PutBack()(x, np.array([[5, 0, -1]]), np.zeros((1, 2, 3, 1), "float32"))
    assert_same(back, [[[1, 2], [5, 6], [0, 0], [0, 0], [0, 0], [0, 0], [3, 4]]])


def test_token_ids_of_a_budget():
    """The graph has the shapes of its budgets; which patches are left is read beside the scores."""
    budgets = (257, 128, 64, 32, 16, 9)
    model = vitgraph.build_ats_vit(
        (256, 256, 3), dim=16, depth=6, num_heads=2, mlp_ratio=2, ats_blocks=range(6), num_tokens=budgets
    )
    assert [model.get_layer(f"block_{i}").output.shape[1] for i in range(6)] == list(budgets)
    nodes = {"scores": model.output, "token_ids": model.get_layer("token_ids").output}
    outputs = keras.Model(model.input, nodes)(images(2, 256))
    assert outputs["scores"].shape == (2, 1000)
    assert outputs["token_ids"].shape == (2, 8)
    for ids in value(outputs["token_ids"]):
        real = ids[ids >= 0]
        assert len(real) and real.max() < 256 and len(set(real)) == len(real)


def test_what_is_gone_is_zero_on_the_map():
    model = with_random_weights(vitgraph.build_ats_vit((64, 96, 3), dim=8, depth=2, num_heads=2, ats_blocks=(1,)))
    probe = keras.Model(model.input, [vitgraph.pyramid(model).output["P4"], model.get_layer("token_ids").output])
    for feature_map, ids in zip(*map(value, probe(images(3, 64, 96))), strict=True):
        left = feature_map.reshape(24, 8).any(axis=1)
        assert 0 < left.sum() < 24
        assert set(np.flatnonzero(left)) == set(ids[ids >= 0])
