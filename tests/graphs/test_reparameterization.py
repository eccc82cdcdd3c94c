"""reparameterize(): sums of linear branches become one convolution each."""

import keras
import numpy as np
import pytest
from keras import layers

import vitgraph
from tests.variants import TINY, assert_close, images, shared, value, with_random_weights
from vitgraph.blocks import DepthwiseConv2D, GraphModel, Residual
from vitgraph.checkpoints.names import SOURCES


def every_branch():
    """Sums of each kind, and those that have to stay."""
    image = keras.Input((9, 8, 4), name="image")
    y = layers.Conv2D(4, 1, use_bias=False, name="point")(image)
    z = DepthwiseConv2D((3, 5), name="depthwise")(image)
    x = layers.Add(name="joined")([layers.BatchNormalization(name="point_norm")(y), z, image])
    x = layers.ReLU(name="act")(x)
    y = layers.Conv2D(4, 3, padding="same", name="same")(x)
    y = layers.Subtract(name="less")([y, layers.BatchNormalization(name="less_norm")(x)])
    x = Residual(0.1, drop_path=0.5, name="scaled")(x, y)
    x = layers.ReLU(name="act2")(x)
    y = layers.Conv2D(6, 3, 2, name="padded")(layers.ZeroPadding2D(1, name="pad")(x))
    z = layers.Conv2D(6, 1, 2, name="subsampled")(x)
    x = layers.Add(name="halved")([y, z])
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="not_linear")(x)
    x = layers.Add(name="stays")([x, y])
    y = DepthwiseConv2D(3, padding=0, name="not_centred")(layers.ZeroPadding2D(((2, 0), (0, 2)), name="pad2")(x))
    x = layers.Add(name="stays_too")([x, y])
    y = keep = layers.Conv2D(6, 1, name="an_output")(x)
    x = layers.Add(name="stays_as_well")([x, y])
    x = layers.BatchNormalization(name="no_convolution")(x)
    return with_random_weights(GraphModel(image, [x, keep], name="net"))


def test_branches_are_joined_where_they_can_be():
    model, x = every_branch(), images(height=9, width=8, channels=4)
    before = [value(y) for y in model(x)]
    merged = vitgraph.reparameterize(model)
    for one, other in zip(merged(x), before, strict=True):
        assert_close(one, other)
    assert [value(y).tolist() for y in model(x)] == [y.tolist() for y in before]
    assert type(merged) is GraphModel
    gone = {"point", "point_norm", "depthwise", "same", "less", "less_norm", "padded", "pad", "subsampled"}
    names = {layer.name for layer in merged.layers}
    assert names == {layer.name for layer in model.layers} - gone | {"joined_pad", "scaled_pad", "halved_pad"}
    assert merged.get_layer("joined").kernel_size == (3, 5) and merged.get_layer("halved").strides == (2, 2)
    assert not {id(v) for v in merged.weights} & {id(v) for v in model.weights}


def test_after_batch_norms_are_folded():
    model, x = every_branch(), images(height=9, width=8, channels=4)
    merged = vitgraph.reparameterize(vitgraph.fold_batchnorm(model))
    assert_close(merged(x)[0], model(x)[0])
    assert merged.get_layer("joined").kernel.shape == (3, 5, 4, 4)


def test_fastvit_has_no_branches_left(tmp_path):
    model = shared("fastvit")
    merged = vitgraph.reparameterize(model)
    assert_close(merged(images()), model(images()))
    assert not [layer for layer in merged.layers if isinstance(layer, (layers.Add, layers.Subtract))]
    folded = vitgraph.fold_batchnorm(merged)
    assert_close(folded(images()), model(images()))
    assert not [layer for layer in folded.layers if isinstance(layer, layers.BatchNormalization)]
    folded.save(tmp_path / "deployed.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "deployed.keras")(images()), folded(images()))
    assert vitgraph.reparameterize(merged).count_params() == merged.count_params()


def test_names_of_a_reparameterized_checkpoint():
    source = SOURCES["fastvit/timm"]
    found = {name for v in vitgraph.reparameterize(shared("fastvit")).weights for name in source.names(v.path)[0]}
    expected = ("stem.0", "stages.1.downsample.proj.0", "stages.1.downsample.proj.1", "stages.2.pos_emb", "final_conv")
    for module in (*expected, "stages.0.blocks.0.token_mixer"):
        assert {f"{module}.reparam_conv.weight", f"{module}.reparam_conv.bias"} <= found


@pytest.mark.parametrize("name", ["twins_svt", "efficientvit_msra", "maxvit"])
def test_other_nets_answer_as_before(name):
    assert_close(vitgraph.reparameterize(shared(name))(images()), shared(name)(images()))


def test_quantised_branches_are_refused():
    model = TINY["fastvit"].build()
    model.get_layer("stem_2_conv").enable_lora(2)
    with pytest.raises(ValueError, match="reparameterize: model=.*; allowed: a model before 'stem_2_conv' was"):
        vitgraph.reparameterize(model)
