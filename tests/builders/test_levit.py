"""LeViT's two heads, its tables for another image size, and the names in Facebook's checkpoints."""

import keras
import numpy as np
import pytest

import vitgraph
from tests.variants import TINY, assert_close, images, shared, value
from vitgraph.checkpoints import resample
from vitgraph.checkpoints.names import SOURCES


def test_scores_are_those_of_the_mean_logits():
    model = shared("levit")
    heads = [model.get_layer(name).output for name in ("head", "head_dist")]
    labels, teacher = keras.Model(model.input, heads)(images())
    assert not np.allclose(labels, teacher)
    assert_close(model(images()), (value(labels) + value(teacher)) / 2)
    single = TINY["levit"].build(distilled=False)
    assert "head_dist" not in {layer.name for layer in single.layers}


def test_offsets():
    """Query (2, 4) and key (0, 3) of a 3 x 5 grid are 2 rows and 1 column apart."""
    bias = vitgraph.blocks.OffsetBias((3, 5), 2, stride=2)
    x = np.zeros((1, 3, 5, 1))
    bias(x)
    bias.table.assign(np.arange(30).reshape(2, 15))
    numbers = value(bias(x)).reshape(2, 2, 3, 3, 5)  # heads, rows and columns of queries, of keys
    assert numbers[:, 1, 2, 0, 3].tolist() == [2 * 5 + 1, 15 + 2 * 5 + 1]
    assert numbers[0, 0, 0].ravel().tolist() == list(range(15))


def test_tables_are_resampled_for_another_size():
    """Square tables of 8 x 8 and 4 x 4 offsets, for a grid of 12 x 16."""
    model = TINY["levit"].build((96, 128, 3))
    weights = {v.path: value(v) for v in shared("levit").weights}
    vitgraph.load_weights(model, weights)
    fine, coarse = (8, (12, 16)), (4, (6, 8))
    for name, (old, new) in {"stage_1_block_0": fine, "stage_2_down": fine, "stage_2_block_0": coarse}.items():
        table = weights[f"{name}_attn_bias/table"]
        expected = resample.position_table(table.T[None], 0, (old, old), new)[0].T
        np.testing.assert_array_equal(value(model.get_layer(f"{name}_attn_bias").table), expected)
    assert np.isfinite(model(images(2, 96, 128))).all()


@pytest.mark.parametrize(
    ("source", "path", "name"),
    [
        ("facebook", "stem_conv2/kernel", "patch_embed.2.c.weight"),
        ("facebook", "stage_1_block_3_attn_bias/table", "blocks.6.m.attention_biases"),
        ("facebook", "stage_1_block_3_mlp_fc2_norm/moving_mean", "blocks.7.m.2.bn.running_mean"),
        ("facebook", "stage_2_down_attn_q/kernel", "blocks.8.q.1.c.weight"),
        ("facebook", "stage_2_down_mlp_fc1/kernel", "blocks.9.m.0.c.weight"),
        ("facebook", "stage_2_block_0_attn_qkv/kernel", "blocks.10.m.qkv.c.weight"),
        ("facebook_128s", "stage_2_down_attn_kv_norm/beta", "blocks.4.kv.bn.bias"),
        ("facebook_128s", "stage_3_block_0_attn_proj/kernel", "blocks.14.m.proj.1.c.weight"),
        ("facebook_128s", "head_dist_norm/gamma", "head_dist.bn.weight"),
        ("facebook_128s", "head_dist/kernel", "head_dist.l.weight"),
    ],
)
def test_facebooks_names(source, path, name):
    assert SOURCES[f"levit/{source}"].names(path) == ([name], None)
