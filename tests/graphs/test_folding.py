"""fold_batchnorm(): the same function in fewer nodes."""

import keras
import pytest
from keras import layers

import vitgraph
from tests.variants import TINY, assert_close, images, shared, value, with_random_weights
from vitgraph.blocks import DepthwiseConv2D, GraphModel


def every_place():
    """Batch norms after each kind of linear layer, before a `Dense`, and where they have to stay."""
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(image)
    x = layers.BatchNormalization(name="conv_norm")(x)
    x = DepthwiseConv2D(3, use_bias=False, depth_multiplier=2, name="dwconv")(x)
    x = layers.BatchNormalization(epsilon=0.1, name="dwconv_norm")(x)
    x = layers.ReLU(name="act")(x)
    x = layers.BatchNormalization(name="before_conv_norm")(x)  # stays: a ReLU before it, a padding after it
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv_relu")(x)
    x = layers.BatchNormalization(name="before_pointwise_norm")(x)
    x = layers.Conv2D(6, 1, 2, padding="same", use_bias=False, activation="relu", name="pointwise")(x)
    x = layers.BatchNormalization(name="before_dense_norm")(x)
    x = keep = layers.Dense(6, name="taken_twice")(x)
    x = layers.BatchNormalization(name="taken_twice_norm")(x)  # stays: the sum below takes the other
    x = layers.Add(name="add")([x, keep])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.BatchNormalization(scale=False, name="head_norm")(x)
    x = layers.Dense(5, name="head")(x)
    x = layers.BatchNormalization(center=False, name="last_norm")(x)
    return with_random_weights(GraphModel(image, x, name="net"))


def test_batch_norms_are_folded_where_they_can_be():
    model = every_place()
    before = value(model(images(height=8)))
    folded = vitgraph.fold_batchnorm(model)
    assert_close(folded(images(height=8)), before)
    gone = {"before_dense_norm", "conv_norm", "dwconv_norm", "before_pointwise_norm", "head_norm", "last_norm"}
    assert [layer.name for layer in folded.layers] == [layer.name for layer in model.layers if layer.name not in gone]
    assert type(folded) is GraphModel
    assert_close(model(images(height=8)), before)
    assert not {id(v) for v in folded.weights} & {id(v) for v in model.weights}


def test_a_folded_graph_is_saved_and_folded_again(tmp_path):
    folded = vitgraph.fold_batchnorm(every_place())
    folded.save(tmp_path / "folded.keras")
    again = keras.saving.load_model(tmp_path / "folded.keras")
    assert_close(again(images(height=8)), folded(images(height=8)))
    assert len(vitgraph.fold_batchnorm(again).layers) == len(folded.layers)


def test_quantised_layers_are_refused():
    model = every_place()
    model.get_layer("head").enable_lora(2)
    with pytest.raises(ValueError, match="fold_batchnorm: model=.*; allowed: a model before 'head' was quantised"):
        vitgraph.fold_batchnorm(model)


BETWEEN = {
    "coatnet": {"stage_1_block_0_pre_norm", "stage_1_block_0_norm2"},
    "visformer": {"norm"},
    "xcit": {"block_0_local_norm", "block_1_local_norm"},
}


@pytest.mark.parametrize("name", TINY)
def test_no_net_keeps_a_batch_norm(name):
    """But those beside which no linear layer is: over heads (DeepViT), of maps (FastViT), between other layers."""
    model = shared(name)
    folded = vitgraph.fold_batchnorm(model)
    assert_close(folded(images()), model(images()))
    norms = {layer.name for layer in model.layers if isinstance(layer, layers.BatchNormalization)}
    alone = ("_attn_var_norm", "_identity", "_mixer_norm")
    norms -= {norm for norm in norms if norm.endswith(alone)} | BETWEEN.get(name, set())
    left = [layer.name for layer in model.layers if layer.name not in norms]
    assert sorted(layer.name for layer in folded.layers) == sorted(left)  # branches may change places
