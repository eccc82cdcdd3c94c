"""What every training objective has to do, whatever its loss."""

import functools
import importlib
import inspect
import json
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import vitgraph
from tests.variants import TINY
from vitgraph.blocks import RandomResizedCrop

IMAGES = np.random.default_rng(0).random((6, 32, 32, 3)).astype("float32")


def vit(**arguments):
    """Tiny, with 16 patches."""
    plain = {"include_top": False, "patch_size": 8, "dim": 16, "depth": 1, "num_heads": 2, "mlp_ratio": 2}
    return vitgraph.build_vit((32, 32, 3), **{**plain, **arguments})


def swin(**arguments):
    """Tiny, with 64 patches, and a last map of 4 x 4."""
    plain = {"dim": 8, "depths": (1, 1), "num_heads": (1, 2), "mlp_ratios": (2, 2), "window_sizes": 4}
    return vitgraph.build_swin((32, 32, 3), **{"include_top": False, **plain, **arguments})


def crop(seed):
    return RandomResizedCrop(32, (0.5, 1.0), seed=seed)


ROWS = {
    "byol": lambda seed=None, **encoder: vitgraph.byol(vit(**encoder), 8, 12, augment=crop(seed), seed=seed),
    "dino": lambda seed=None, **encoder: vitgraph.dino(
        vit(**encoder), 12, 8, 6, 2, local_crops=1, augment=crop(seed), augment_local=crop(seed), seed=seed
    ),
    "masked_autoencoder": lambda seed=None, **encoder: vitgraph.masked_autoencoder(
        vit(**encoder), decoder_dim=8, decoder_depth=1, decoder_heads=2, norm_pix_loss=True, seed=seed
    ),
    "masked_patch_prediction": lambda seed=None, **encoder: vitgraph.masked_patch_prediction(
        vit(**encoder), mask_prob=0.4, random_prob=0.4, bits=1, seed=seed
    ),
    "simmim": lambda seed=None, **encoder: vitgraph.simmim(swin(**encoder), mask_patch_size=8, seed=seed),
}
"""{name: function (seed=None, **arguments of the encoder's builder) -> objective}."""
rows = pytest.mark.parametrize("build", ROWS.values(), ids=ROWS)


def fit(model, **options):
    return model.fit(IMAGES, batch_size=3, shuffle=False, verbose=0, **options).history["loss"]


def values(model):
    return [ops.convert_to_numpy(variable) for variable in model.weights]


@rows
def test_trains_the_encoder_that_was_given(build):
    """From a dataset whose labels are ignored, and whose last batch is smaller."""
    model = build()
    before = values(model.encoder)
    model.compile("adam")
    data = tf.data.Dataset.from_tensor_slices((IMAGES, np.arange(6))).batch(4)
    history = model.fit(data, validation_data=data, epochs=2, shuffle=False, verbose=0).history
    assert np.isfinite([*history["loss"], *history["val_loss"]]).all()
    assert not any(np.array_equal(a, b) for a, b in zip(before, values(model.encoder), strict=True))
    assert {id(v) for v in model.encoder.weights} < {id(v) for v in model.weights}
    assert np.isfinite(model.encoder.predict(IMAGES, verbose=0)).all()


@rows
def test_a_graph_with_its_top(build):
    """Its head isn't trained, and stays."""
    model = build(include_top=True, num_classes=3)
    names = {variable.path for variable in model.trainable_variables}
    assert not any(name.startswith("head/") for name in names)
    assert {v.path for v in model.encoder.weights} - names == {"head/kernel", "head/bias"}


@rows
def test_resumes_from_a_file(build, tmp_path):
    """Saved between two epochs and read back, it trains on as if nothing had happened."""
    model = build(seed=3)
    model.compile("adam")
    fit(model)
    model.save(tmp_path / "model.keras")
    whole = fit(model)
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(fit(again), whole, rtol=1e-6)
    for a, b in zip(values(again), values(model), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_allclose(
        again.encoder.predict(IMAGES, verbose=0), model.encoder.predict(IMAGES, verbose=0), atol=1e-5
    )


@rows
def test_config(build):
    model = build()
    config = json.dumps(model.get_config())
    assert json.dumps(type(model).from_config(json.loads(config)).get_config()) == config


@rows
def test_half_precision_under_xla(build):
    model = build(dtype="mixed_float16")
    assert model.encoder.compute_dtype == "float16"
    model.compile("sgd", jit_compile=True)
    assert np.isfinite(fit(model)).all()


FOREIGN = keras.Sequential([keras.Input((8, 8, 3))], name="foreign")
BORDER = vitgraph.build_vit((36, 32, 3), patch_size=8, dim=8, depth=1, num_heads=1)
VIT = vit()
predict_patches = functools.partial(vitgraph.masked_patch_prediction, VIT)
autoencode = functools.partial(vitgraph.masked_autoencoder, VIT, decoder_dim=8, decoder_heads=2)
byol, dino = functools.partial(vitgraph.byol, VIT, 8, 12), functools.partial(vitgraph.dino, VIT, 12, 8, 6)
SWIN = swin()
DEIT, LEVIT, PVT_V2 = (TINY[name].build((32, 32, 3)) for name in ("deit", "levit", "pvt_v2"))
LOCALVIT = vitgraph.build_localvit((32, 32, 3), patch_size=8, dim=8, depth=1, num_heads=1)
OPEN = vitgraph.build_vit((None, None, 3), patch_size=8, dim=8, depth=1, num_heads=1)
DOT = vitgraph.build_vit((4, 4, 1), patch_size=1, dim=8, depth=1, num_heads=1)
ERRORS = {
    "two heads": (lambda: vitgraph.byol(DEIT), "encoder=.*deit.*; allowed: a graph with one head"),
    "many maps": (lambda: vitgraph.byol(vitgraph.pyramid(SWIN)), "encoder=.*; allowed: a graph with one head"),
    "nothing left": (
        lambda: autoencode(0.95),
        "masking_ratio=0.95; allowed: a share that leaves 1 to 15 of 16 patches",
    ),
    "squares": (lambda: vitgraph.simmim(SWIN, mask_patch_size=6), "mask_patch_size=6; .* whole patches"),
    "all hidden": (lambda: vitgraph.simmim(SWIN, 1.0, 8), "masking_ratio=1.0; allowed: .* 1 to 15 of 16 squares"),
    "no embedding": (lambda: vitgraph.simmim(LEVIT, 0.5, 8), "levit.*; .* begins with an embedding"),
    "seen from beside": (lambda: vitgraph.simmim(PVT_V2, 0.5, 8), "pvt_v2.*; .* whose patches don't overlap"),
    "decoder": (lambda: autoencode(decoder_dim=6), "decoder_dim=6; allowed: a multiple of 4"),
    "decoder's heads": (lambda: autoencode(decoder_heads=3), "decoder_heads=3; allowed: divisors of the width"),
    "decoder's mlp": (lambda: autoencode(decoder_mlp_ratio=0.1), "decoder_mlp_ratio=0.1; allowed: at least 1 / width"),
    "hierarchical": (lambda: vitgraph.masked_autoencoder(SWIN), "swin.*; allowed: a plain net"),
    "needs a grid": (lambda: vitgraph.masked_autoencoder(LOCALVIT), "localvit.*; .* nothing but tokens"),
    "any size": (lambda: vitgraph.masked_autoencoder(OPEN), "vit.*; allowed: a graph for images of a known size"),
    "one number": (lambda: vitgraph.masked_autoencoder(DOT, norm_pix_loss=True), "norm_pix_loss=True; allowed: False"),
    "not ours": (lambda: vitgraph.masked_patch_prediction(FOREIGN), "encoder=.*; allowed: a graph of this package"),
    "no model": (lambda: vitgraph.simmim(None), "encoder=None; allowed: a graph of this package"),
    "no share": (lambda: predict_patches(mask_prob=1.5), "mask_prob=1.5; allowed: a number from 0 to 1"),
    "shares": (lambda: predict_patches(0.5, 0.9, 0.2), r"random_prob=0.2; .* \(0.9\)"),
    "nothing hidden": (lambda: predict_patches(0.0), "masking_ratio=0.0; .* over 0"),
    "classes": (lambda: predict_patches(bits=7), "bits=7; allowed: .*, of which there are 3, is at most 18"),
    "means": (lambda: predict_patches(mean=(0.5, 0.5)), r"mean=\(0.5, 0.5\); allowed: a number, or 3 of them"),
    "patches left over": (lambda: vitgraph.masked_autoencoder(BORDER), r"divide the image, \(36, 32\)"),
    "borders": (lambda: vitgraph.masked_patch_prediction(BORDER), r"here 8, divides the image, \(36, 32\)"),
    "seed": (lambda: autoencode(seed=True), "seed=True; allowed: None, or an integer"),
    "momentum": (lambda: byol(momentum="x"), "momentum='x'; allowed: a number from 0 to 1, or a keras Learning"),
    "augmentation": (lambda: byol(augment=3), "augment=3; allowed: None, or a keras Layer"),
    "no images": (lambda: byol(augment=keras.layers.Dense(2)), r"augment=.*; .* images \(None, 32, 32, 3\)"),
    "a size": (lambda: byol(size=32), r"size=32; allowed: None: vit takes images of \(32, 32\)"),
    "no size": (lambda: vitgraph.byol(OPEN), "size=None; allowed: a side"),
    "too small": (
        lambda: vitgraph.byol(TINY["pvt_v2"].build_open(), size=7),
        "size=7; allowed: a size that pvt_v2 takes",
    ),
    "no positions": (lambda: vitgraph.byol(TINY["t2t_vit"].build_open(), size=1), "size=1; allowed: a size that t2t"),
    "range": (lambda: dino(value_range=(1, 0)), r"value_range=\(1, 0\); allowed: \(least, most\)"),
    "last layer": (lambda: dino(norm_last_layer=float("nan")), "norm_last_layer=nan; allowed: True or False"),
    "temperature": (lambda: dino(student_temp=0), "student_temp=0; allowed: a number from 0.001 to 1000"),
}
"""{what is wrong: (function, what the message says)}."""


MOMENTUM = {
    "byol": lambda seed: vitgraph.byol(vit(), 8, 12, seed=seed),
    "dino": lambda seed: vitgraph.dino(vit(), 12, 8, 6, 2, local_crops=1, seed=seed),
}


@pytest.mark.parametrize("build", MOMENTUM.values(), ids=MOMENTUM)
def test_seeded_views(build):
    """The default augmentation's draws are the seed's, one view's are not the other's."""
    first, second, other = (build(seed).views(IMAGES) for seed in (3, 3, 4))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
        assert not np.allclose(first[name], other[name])
    assert not np.allclose(first["view_1"], first["view_2"])


@pytest.mark.parametrize("build", MOMENTUM.values(), ids=MOMENTUM)
def test_target_stays_untrained(build):
    model = build(3)
    before = [variable.path for variable in model.trainable_variables]
    model.trainable = False
    assert not model.trainable_variables
    model.trainable = True
    assert [variable.path for variable in model.trainable_variables] == before
    assert not {id(v) for v in model.target.weights} & {id(v) for v in model.trainable_variables}


@pytest.mark.parametrize(
    ("views", "says"),
    [
        ({"view_1": IMAGES}, r"views \['view_1'\]; allowed: .*\['view_1', 'view_2'\]"),
        ((IMAGES, IMAGES), "a tuple of 2; allowed: images"),
    ],
    ids=["one view", "a tuple"],
)
def test_views_that_cannot_be(views, says):
    with pytest.raises((ValueError, TypeError), match=says):
        MOMENTUM["byol"](3)(views)


@pytest.mark.parametrize(("make", "says"), ERRORS.values(), ids=ERRORS)
def test_error(make, says):
    with pytest.raises((ValueError, TypeError), match=rf"^\w+: .*{says}"):
        make()


def test_each_objective_has_one_public_name():
    """A function, which is called as its module is."""
    for name, function in vitgraph.objectives.OBJECTIVES.items():
        assert getattr(vitgraph, name) is function and next(iter(inspect.signature(function).parameters)) == "encoder"
        assert isinstance(getattr(vitgraph.objectives, name), types.ModuleType)
        assert getattr(vitgraph.objectives, name) is importlib.import_module(f"vitgraph.objectives.{name}")


def test_encoder_sees_the_tokens_that_are_left_alone():
    model = autoencode(0.75)
    assert model.graph.get_layer("keep").output.shape == (None, 1 + 4, 16)
    assert model.graph.get_layer("decoder_embed").input.shape == (None, 1 + 4, 16)


@pytest.mark.parametrize(
    "model", [autoencode(0.5, norm_pix_loss=True), vitgraph.simmim(vit(), 0.5, 8)], ids=["mae", "simmim"]
)
def test_reconstruction(model):
    """What was shown stays, what was hidden is plain in one picture and drawn in the other."""
    masked, drawn, mask = model.reconstruct(IMAGES)
    hidden = np.kron(mask, np.ones((8, 8)))[..., None] > 0
    assert mask.sum() == 6 * 8 and masked.shape == drawn.shape == IMAGES.shape
    np.testing.assert_array_equal(np.where(hidden, 0, masked), np.where(hidden, 0, IMAGES))
    np.testing.assert_array_equal(np.where(hidden, 0, drawn), np.where(hidden, 0, IMAGES))
    np.testing.assert_allclose(np.where(hidden, masked, 0), np.where(hidden, IMAGES.mean((0, 1, 2)), 0), rtol=1e-5)
    assert not np.allclose(masked, drawn)


@pytest.mark.heavy
def test_on_jax(fresh_process):
    """One epoch of each in bfloat16 on JAX, where nothing is assigned but through Keras."""
    code = """
import os
os.environ["KERAS_BACKEND"] = "jax"
import numpy as np
from tests.objectives.test_every_objective import ROWS, fit
for name, build in ROWS.items():
    model = build(dtype="mixed_bfloat16")
    model.compile("adam")
    assert np.isfinite(fit(model)).all(), name
    print(name)
"""
    assert fresh_process(code).split() == list(ROWS)
