"""A student that learns from a teacher beside its labels, and the plain net that is left of it."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import vitgraph
from tests.variants import with_random_weights

CLASSES = 3
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((6, 32, 32, 3)).astype("float32")
LABELS = np.arange(6) % CLASSES


def student(**arguments):
    plain = {"patch_size": 8, "dim": 16, "depth": 1, "num_heads": 2, "mlp_ratio": 2, "num_classes": CLASSES}
    return vitgraph.build_deit((32, 32, 3), **{**plain, "distilled": True, **arguments})


def teacher(classes=CLASSES, activation="softmax", size=32):
    """Has a batch norm, whose statistics a training step would move."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            layers.Conv2D(4, 3, strides=2),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(classes, activation=activation),
        ],
        name="teacher",
    )


def values(model):
    return [ops.convert_to_numpy(variable) for variable in model.weights]


def fit(model, labels=LABELS, **options):
    return model.fit(IMAGES, labels, batch_size=3, shuffle=False, verbose=0, **options).history


def test_the_student_learns_and_the_teacher_stays():
    model = vitgraph.distill(student(), teacher(), temperature=3.0)
    before, said = values(model.student), values(model.teacher)
    model.compile("adam", metrics=["accuracy"])
    history = fit(model, epochs=2, validation_data=(IMAGES, LABELS))
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"} and np.isfinite(history["loss"]).all()
    assert not any(np.array_equal(a, b) for a, b in zip(before, values(model.student), strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(said, values(model.teacher), strict=True))
    assert {id(v) for v in model.trainable_variables} == {id(v) for v in model.student.trainable_variables}
    np.testing.assert_array_equal(model.predict(IMAGES, verbose=0), model.student.predict(IMAGES, verbose=0))


def test_an_application_teaches_a_plain_student_with_a_token_for_the_time_under_xla():
    mobile = keras.applications.MobileNetV3Small(
        (32, 32, 3), weights=None, classes=CLASSES, include_preprocessing=False
    )
    model = vitgraph.distill(student(distilled=False, dtype="mixed_float16"), mobile, hard=True, add_token=True)
    model.compile("adam", jit_compile=True)
    one_hot = np.eye(CLASSES, dtype="float32")[LABELS]
    assert np.isfinite(fit(model, one_hot, sample_weight=np.ones(6))["loss"]).all()
    assert vitgraph.without_distillation(model) is model.student
    assert model.graph.get_layer("distill_pool").input.shape == (None, 1 + 16 + 1, 16)


def test_labels_in_both_forms_and_weights_of_samples():
    model = vitgraph.distill(student(distilled=False), teacher(activation=None), alpha=0.3)
    assert model.teacher_logits
    model.compile("sgd")
    one_hot, weights = np.eye(CLASSES, dtype="float32")[LABELS], np.array([1.0, 0, 1, 0, 0, 0])
    sparse = model.evaluate(IMAGES, LABELS, verbose=0)
    np.testing.assert_allclose(model.evaluate(IMAGES, one_hot, verbose=0), sparse, rtol=1e-5)
    weighted = model.evaluate(IMAGES, LABELS, sample_weight=weights, verbose=0)
    some = model.evaluate(IMAGES[[0, 2]], LABELS[[0, 2]], verbose=0)
    np.testing.assert_allclose(weighted * 6, some * 2, rtol=1e-5)


def test_a_teacher_of_probabilities_says_the_same_as_one_of_logits():
    probable, plain = teacher(), teacher(activation=None)
    plain.set_weights(probable.get_weights())
    small = student()
    losses = []
    for model in (vitgraph.distill(small, one, temperature=2.0, alpha=1.0) for one in (probable, plain)):
        model.compile("sgd")
        losses.append(model.evaluate(IMAGES, LABELS, verbose=0))
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_resumes_from_a_file(tmp_path):
    model = vitgraph.distill(student(), teacher())
    model.compile("adam")
    fit(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(fit(again)["loss"], fit(model)["loss"], rtol=1e-6)
    for a, b in zip(values(again), values(model), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("top", [{}, {"include_top": False}, {"include_top": False, "pooling": "token"}], ids=str)
def test_without_distillation(top):
    """The net is the one that is built without the token, and its class head says what the distilled net's does."""
    distilled = with_random_weights(student(depth=2, **top))
    plain, built = vitgraph.without_distillation(distilled), student(depth=2, distilled=False, **top)
    assert [layer.name for layer in plain.layers] == [layer.name for layer in built.layers]
    assert [stage.prefix for stage in plain.stages] == [1, 1]
    assert plain.output_shape == built.output_shape
    built.set_weights(plain.get_weights())
    np.testing.assert_allclose(plain(IMAGES), built(IMAGES), atol=1e-6)
    for name in ("patch_embed", "block_1_mlp_fc2", *(["head"] if not top else [])):
        np.testing.assert_array_equal(plain.get_layer(name).kernel, distilled.get_layer(name).kernel)
    table = distilled.get_layer("pos_embed").table
    np.testing.assert_array_equal(plain.get_layer("pos_embed").table, np.delete(table, 1, axis=1))


STUDENT = student()
distill = functools.partial(vitgraph.distill, STUDENT)
PLAIN = student(distilled=False)
ERRORS = {
    "classes": (lambda: distill(teacher(4)), r"teacher=.*; allowed: a model whose output is \(B, 3\), not \('B', 4\)"),
    "images": (lambda: distill(teacher(size=24)), r"teacher=.*\(32, 32, 3\), not \(24, 24, 3\)"),
    "no teacher": (lambda: distill(None), "teacher=None; allowed: a keras Model"),
    "not built": (lambda: distill(keras.Sequential()), "teacher=.*; allowed: a model of one input and one output"),
    "itself": (lambda: distill(STUDENT), "teacher=.*; allowed: another model than the student"),
    "no top": (lambda: vitgraph.distill(student(include_top=False), teacher()), "student=.*deit.*; .* with its top"),
    "temperature": (lambda: distill(teacher(), 0.0), "temperature=0.0"),
    "infinite": (lambda: distill(teacher(), float("inf")), "temperature=inf"),
    "alpha": (lambda: distill(teacher(), alpha=2), "alpha=2; allowed: a number from 0 to 1"),
    "hard": (lambda: distill(teacher(), hard="x"), "hard='x'; allowed: True or False"),
    "reduction": (lambda: distill(teacher(), reduction=[]), r"reduction=\[\]; allowed: 'mean', 'batchmean'"),
    "two tokens": (lambda: distill(teacher(), add_token=True), "add_token=True"),
    "norm of no token": (lambda: distill(teacher(), add_token_norm=True), "add_token_norm=True; allowed: False"),
    "nothing to take away": (lambda: vitgraph.without_distillation(PLAIN), "model=.*deit.*; allowed: a net with a"),
    "labels": (lambda: distill(teacher()).fit(IMAGES, LABELS + 1), "labels 1 ... 3, .* 0 ... 2"),
}


@pytest.mark.parametrize(("make", "says"), ERRORS.values(), ids=ERRORS)
def test_error(make, says):
    with pytest.raises((ValueError, TypeError), match=says):
        make()
