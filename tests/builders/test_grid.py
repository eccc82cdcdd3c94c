"""Can every net do what a Keras model is asked for? The capability grid: one question a test, put to every tiny net.

Where one net is run in two ways its answers are close to each other; where nothing is computed in another way, they
are the same. LiteRT's row of the grid is in export/test_export.py: there each net is one function of any batch
and size, too. `.keras` files are in test_every_net.py.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.variants import (
    CLASSES,
    ENDS,
    EVERY_LAYER,
    ONE_EACH,
    OPEN,
    SMOOTH,
    TINY,
    assert_close,
    assert_same,
    images,
    shared,
    shared_open,
    take_weights,
    value,
    with_random_weights,
)

rows = pytest.mark.parametrize("name", TINY)
open_rows = pytest.mark.parametrize("name", OPEN)
layer_rows = pytest.mark.parametrize("name", EVERY_LAYER)
builder_rows = pytest.mark.parametrize("name", ONE_EACH)
end_rows = pytest.mark.parametrize("name", ENDS)

BATCHES = [
    "ats_vit", "cait", "crossformer", "crossvit", "efficient_vit", "hiera", "levit", "maxvit", "mobilevit", "nest",
    "regionvit", "swin", "tnt",
]  # fmt: skip
"""Those that differ in what they do with a batch: put windows, groups, pieces, patches, inner tokens or heads into it,
choose tokens within it, give each of it a token, norm over it. Each layer's answer for any batch is in export's tests.
"""
batch_rows = pytest.mark.parametrize("name", BATCHES)


def labels(batch):
    return np.arange(batch) % CLASSES


def assert_fits(model, data, **options):
    """Compiles and trains: the weights stay finite, and the first and the last of them are others afterwards.

    Returns the mean of the losses before the steps.
    """
    before = model.get_weights()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), **options)
    history = model.fit(data, shuffle=False, verbose=0).history
    after = model.get_weights()
    assert all(np.isfinite(array).all() for array in after)
    for index in (0, -1):
        assert not np.array_equal(before[index], after[index]), model.weights[index].path
    return history["loss"][0]


def batches(count, size, drop_remainder=False):
    return tf.data.Dataset.from_tensor_slices((images(count), labels(count))).batch(size, drop_remainder)


@rows
def test_plain_call_is_inference(name):
    model = shared(name)
    answer = model(images())
    assert answer.shape == (2, CLASSES)
    assert np.isfinite(answer).all()
    assert_same(model(images()), answer)
    assert_same(model(images(), training=False), answer)


@batch_rows
def test_predict_with_a_smaller_last_batch(name):
    model = shared(name)
    assert_close(model.predict(images(5), batch_size=2, verbose=0), model(images(5)))


@batch_rows
def test_fit_with_a_smaller_last_batch(name):
    assert_fits(TINY[name].build(), batches(3, 2))


def loss_of(model, x):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels(2), model(x, training=True))


@pytest.mark.parametrize("name", ["levit", "pvt_v2", "swin"])
def test_fit_with_a_static_batch_compiled_by_xla(name):
    """XLA computes the loss that is computed without it. What `fit` adds to the gradients below is Keras' own."""
    model = take_weights(TINY[name].build(), name)
    loss = loss_of(model, images())
    assert_close(assert_fits(model, batches(2, 2, drop_remainder=True), jit_compile=True), loss)


@layer_rows
def test_loss_and_gradients_compiled_by_xla(name):
    model = take_weights(TINY[name].build(), name)  # training moves the statistics of batch norms

    def loss_and_gradients(x):
        with tf.GradientTape() as tape:
            loss = loss_of(model, x)
        return loss, tape.gradient(loss, [v.value for v in model.trainable_variables])

    loss, gradients = tf.function(loss_and_gradients, jit_compile=True)(images())
    assert_close(loss, loss_of(model, images()))
    assert all(np.isfinite(gradient).all() for gradient in gradients if gradient is not None)
    assert all(np.any(gradients[index]) for index in (0, -1))


@pytest.mark.parametrize("name", ["cvt", "deepvit", "levit", "localvit", "localvit_pvt", "mobilevit", "mobilevit_v2"])
def test_forward_compiled_by_xla(name):
    """Those with batch norms, which compute otherwise in training; other layers' answers are in the loss above."""
    assert_close(tf.function(shared(name), jit_compile=True)(images()), shared(name)(images()))


@rows
def test_inside_another_graph(name):
    image = keras.Input((64, 64, 3))
    outer = keras.Model(image, keras.layers.Rescaling(2.0)(shared(name)(image)))
    assert_close(outer(images()), 2 * shared(name)(images()))


@rows
def test_every_layer_is_a_feature(name):
    """Also: every layer's output has the shape that the graph says it has."""
    model = shared(name)
    outputs = {layer.name: layer.output for layer in model.layers}
    features = keras.Model(model.input, outputs)(images())
    for layer, symbolic in outputs.items():
        for actual, planned in zip(keras.tree.flatten(features[layer]), keras.tree.flatten(symbolic), strict=True):
            known = zip(actual.shape, planned.shape, strict=True)
            assert all(b in (a, None) for a, b in known), (layer, actual.shape, planned.shape)
            assert actual.dtype == planned.dtype, layer


@builder_rows
def test_without_top(name):
    model = take_weights(TINY[name].build(include_top=False), name)
    feature_map = model(images())
    assert len(feature_map.shape) == 4
    assert feature_map.shape[1:] == model.output_shape[1:]
    for pooling, reduce in (("avg", np.mean), ("max", np.max)):
        pooled = TINY[name].build(include_top=False, pooling=pooling)
        assert pooled.output_shape == (None, feature_map.shape[-1])
        if "fc_norm" not in {layer.name for layer in pooled.layers}:
            assert_close(take_weights(pooled, name)(images()), reduce(value(feature_map), axis=(1, 2)))


@end_rows
def test_weights_file(name, tmp_path):
    """Each layer writes and reads its own weights, which a `.keras` file has in the same form."""
    shared(name).save_weights(tmp_path / "model.weights.h5")
    fresh = TINY[name].build()
    fresh.load_weights(tmp_path / "model.weights.h5")
    assert_same(fresh(images()), shared(name)(images()))


@layer_rows
def test_config(name):
    fresh = type(shared(name)).from_config(shared(name).get_config())
    assert fresh.get_config() == shared(name).get_config()
    fresh.set_weights(shared(name).get_weights())
    assert_same(fresh(images()), shared(name)(images()))


@pytest.mark.parametrize("name", [name for name in EVERY_LAYER if name in SMOOTH])
def test_mixed_precision(name):
    """Each node rounds its output once, by at most `unit` relative to it; independent roundings add as squares.

    So unit * sqrt(nodes) bounds the logits' error. A net that computes something else is off by about 1.
    """
    exact = value(shared(name)(images(8)))
    for dtype, unit in (("float16", 2.0**-11), ("bfloat16", 2.0**-8)):
        model = take_weights(TINY[name].build(dtype=f"mixed_{dtype}"), name)
        logits = value(model(images(8)))
        assert logits.dtype == "float32"
        error = np.linalg.norm(logits - exact) / np.linalg.norm(exact)
        assert 0 < error < unit * len(model.layers) ** 0.5, dtype


CLIPPED = {"efficientvit_msra": (32, 32)}
"""Nets whose windows are clipped where they are built for that size, which they aren't on an open graph."""


@open_rows
@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_other_sizes(name, size):
    """One open graph answers as the graphs that are built for each size do."""
    if CLIPPED.get(name) == size:
        return
    open_model, model = shared_open(name), TINY[name].build((*size, 3))
    assert open_model.output_shape == model.output_shape
    x = images(2, *size)
    assert_close(open_model(x), take_weights(model, name)(x))


@pytest.mark.parametrize("name", [name for name in EVERY_LAYER if name in OPEN])
def test_odd_sizes(name):
    """Each layer pads or crops for itself."""
    for size in ((100, 70), (33, 47)):
        for model in (shared_open(name), TINY[name].build((*size, 3))):
            assert np.isfinite(model(images(1, *size))).all()


@rows
def test_a_tied_net_says_that_it_is(name):
    """Weights that hold for one size only: the error for an open size names the argument and the reason."""
    if TINY[name].tied:
        with pytest.raises(ValueError, match="input_shape"):
            TINY[name].build((None, None, 3))
    else:
        assert shared_open(name).input_shape == (None, None, None, 3)


@builder_rows
def test_channels(name):
    """One batch: an image of five channels, and the image without each of them in turn.

    Images of one channel are among the calls of contract/test_bad_calls.py.
    """
    channels = 5
    model = with_random_weights(TINY[name].build((64, 64, channels)))
    kept = np.arange(channels) != np.arange(-1, channels)[:, None]
    whole, *others = value(model(images(1, channels=channels) * kept[:, None, None]))
    assert len(others) == channels
    for logits in others:
        assert not np.allclose(logits, whole)


@end_rows
def test_logits_and_probabilities(name):
    model = take_weights(TINY[name].build(classifier_activation="softmax"), name)
    assert_close(model(images()), keras.ops.softmax(shared(name)(images())))


@pytest.mark.parametrize("name", ["ats_vit", "mobilevit", "pvt_v2"])
def test_saved_model(name, tmp_path):
    """Keras' own way there; LiteRT files, of which export/test_export.py makes one of every net, are made of them."""
    shared(name).export(tmp_path / "saved", verbose=False)
    served = tf.saved_model.load(tmp_path / "saved")
    assert_close(served.serve(images(3)), shared(name)(images(3)))
