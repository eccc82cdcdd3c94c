"""The detectors and segmenters of keras-cv and keras-hub, themselves, on backbones of this package as they are."""

import functools
import inspect
import itertools
import re
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

import vitgraph
from tests import ROOT
from tests.consumers import (
    answers,
    cv_deeplab,
    cv_retinanet,
    cv_segformer,
    cv_yolo,
    hub_deeplab,
    hub_retinanet,
    hub_segformer,
)
from tests.guides import blocks, sections
from tests.parity import parameters
from tests.variants import BUILDERS
from vitgraph.interop import as_mit
from vitgraph.registry import variant

pytestmark = [
    pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match:UserWarning"),  # keras-cv's own call
    pytest.mark.filterwarnings(
        r"ignore:Gradients do not exist for variables \['norm/gamma', 'norm/beta'\]:UserWarning"
    ),
]

BACKBONES = {
    "pvt_v2": functools.partial(
        vitgraph.build_pvt_v2, include_top=False, dims=(8, 16, 24, 32), depths=(1, 1, 1, 1), num_heads=(1, 2, 3, 4)
    ),
    "swin": functools.partial(
        vitgraph.build_swin, include_top=False, dim=8, depths=(2, 2, 1, 1), num_heads=(1, 2, 2, 4), window_sizes=2
    ),
    "vit": lambda shape, **options: vitgraph.pyramid(
        vitgraph.simple_feature_pyramid(
            vitgraph.build_vit(shape, include_top=False, dim=16, depth=1, num_heads=2, img_size=(64, 64), **options),
            dim=16,
        ),
        ("P3", "P4", "P5"),
    ),
}
CLOSED, OPEN = (64, 64, 3), (None, None, 3)


def rectangles(count=4, size=64):
    """Noise with one red or green rectangle each -> images, boxes (count, 1, 4) in xyxy, classes (count, 1), masks."""
    random = np.random.default_rng(0)
    images = random.uniform(0, 0.3, (count, size, size, 3)).astype("float32")
    classes, masks = np.arange(count)[:, None] % 2, np.zeros((count, size, size), "int32")
    corners = random.integers(0, size // 2, (count, 2))
    boxes = np.concatenate([corners, corners + random.integers(size // 4, size // 2, (count, 2))], axis=1)
    for image, mask, kind, (left, top, right, bottom) in zip(images, masks, classes[:, 0], boxes, strict=True):
        image[top:bottom, left:right, kind] = 1
        mask[top:bottom, left:right] = kind + 1
    return images, boxes[:, None].astype("float32"), classes.astype("int32"), masks


IMAGES, BOXES, CLASSES, MASKS = rectangles()


class Consumer(NamedTuple):
    build: Callable
    labels: object
    backbones: tuple = ("pvt_v2",)
    takes_any_size: bool = True


CONSUMERS = {
    "keras_cv RetinaNet": Consumer(cv_retinanet, {"boxes": BOXES, "classes": CLASSES}, ("pvt_v2", "swin", "vit")),
    "keras_cv YOLOV8Detector": Consumer(cv_yolo, {"boxes": BOXES, "classes": CLASSES}),
    "keras_cv DeepLabV3Plus": Consumer(cv_deeplab, MASKS),
    "keras_cv SegFormer": Consumer(cv_segformer, MASKS, takes_any_size=False),
    "keras_hub RetinaNet": Consumer(hub_retinanet, {"boxes": BOXES, "labels": CLASSES}),
    "keras_hub DeepLabV3": Consumer(hub_deeplab, MASKS),
    "keras_hub SegFormer": Consumer(hub_segformer, MASKS, takes_any_size=False),
}

RELOAD = """
import pathlib, sys, warnings
warnings.filterwarnings("ignore", "The structure of `inputs` doesn't match", UserWarning)
warnings.filterwarnings("ignore", "Skipping variable loading for optimizer", UserWarning)  # keras-hub compiles anew
import keras, numpy, LIBRARY, vitgraph
folder = pathlib.Path(sys.argv[1])
images = numpy.load(folder / "images.npy")
for file in folder.glob("*.keras"):
    keras.utils.clear_session()
    answer = keras.saving.load_model(file, compile=False)(images)
    numpy.savez(file.with_suffix(".npz"), *map(keras.ops.convert_to_numpy, keras.tree.flatten(answer)))
"""


def train(model, labels, steps=3):
    """Loss before each step, all steps on the same images."""
    return model.fit(IMAGES, labels, batch_size=len(IMAGES), epochs=steps, shuffle=False, verbose=0).history["loss"]


@pytest.mark.heavy
@pytest.mark.parametrize("library", ["keras_cv", "keras_hub"])
def test_trains_and_answers_alike_when_reloaded(library, tmp_path, fresh_process):
    """All in one test, for the sake of one fresh process that imports a library, which takes seconds.

    keras-cv's DeepLabV3Plus makes one of its two Sequentials anew when it is read, and Keras may give that one the
    name of the other, which comes from the file, unless it begins to count where the writer began.
    """
    images, expected = IMAGES[:2], {}
    for name, consumer in CONSUMERS.items():
        for backbone in consumer.backbones if name.startswith(library) else ():
            keras.utils.clear_session()
            model = consumer.build(BACKBONES[backbone](CLOSED))
            losses = train(model, consumer.labels)
            assert losses[-1] < 0.9 * losses[0], (name, backbone, losses)
            model.save(tmp_path / f"{name} {backbone}.keras")
            expected[f"{name} {backbone}"] = answers(model, images)

    np.save(tmp_path / "images.npy", images)
    fresh_process(RELOAD.replace("LIBRARY", library), tmp_path)
    for name, tensors in expected.items():
        with np.load(tmp_path / f"{name}.npz") as reloaded:
            for there, here in zip(reloaded.values(), tensors, strict=True):
                np.testing.assert_array_equal(there, here, err_msg=name)


@pytest.mark.parametrize("name", [name for name, consumer in CONSUMERS.items() if consumer.takes_any_size])
def test_any_image_size(name):
    """(None, None, 3): the same answer as with a known size, on other sizes too, and it trains."""
    consumer = CONSUMERS[name]
    for backbone in consumer.backbones:
        closed, model = (consumer.build(BACKBONES[backbone](shape)) for shape in (CLOSED, OPEN))
        model.set_weights(closed.get_weights())
        for here, there in zip(answers(model, IMAGES[:2]), answers(closed, IMAGES[:2]), strict=True):
            np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-4, err_msg=backbone)
        assert all(np.isfinite(tensor).all() for tensor in answers(model, np.tile(IMAGES[:2], (1, 1, 2, 1))))
    losses = train(model, consumer.labels)
    assert losses[-1] < 0.9 * losses[0]


PARAMETERS = parameters()


def one_block_per_stage(builder, arguments):
    """What a builder is to be told for that, instead of these arguments of a variant."""
    given = {name: parameter.default for name, parameter in inspect.signature(builder).parameters.items()} | arguments
    shallow = {"depth": 1, "local_depth": 0, "ats_blocks": (0,)}
    if "depths" in given:
        shallow["depths"] = keras.tree.map_structure(lambda blocks: min(blocks, 1), given["depths"])
    return {name: value for name, value in shallow.items() if name in given}


@pytest.mark.parametrize("builder", BUILDERS)
def test_published_net_under_keras_cv(builder):
    """The smallest published variant of each builder that says that it has levels P2 to P5; its default if none is.

    With one block per stage: stages make the levels, whatever their depths.
    """
    names = [name for name in PARAMETERS if variant(name)[0] is builder]
    smallest = variant(min(names, key=PARAMETERS.get))[1] if names else {}
    net = builder(**{"include_top": False, **smallest, **one_block_per_stage(builder, smallest)})
    four_levels = {"P2", "P3", "P4", "P5"} <= set(net.pyramid_level_inputs)
    assert four_levels == bool(re.search('pyramid levels "P[12]" to "P5"', builder.__doc__))
    if four_levels:
        height, width = net.input_shape[1:3]
        image = np.random.default_rng(0).random((1, height, width, 3)).astype("float32")
        boxes = cv_retinanet(net)(image)
        assert boxes["box"].shape[1] == sum(9 * -(-height // 2**n) * -(-width // 2**n) for n in range(3, 8))
        scores = answers(cv_deeplab(net), image)[0]
        assert scores.shape == (1, height, width, 3)
        assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        *itertools.product(["keras_cv RetinaNet"], BACKBONES),
        ("keras_cv YOLOV8Detector", "pvt_v2"),
        ("keras_hub RetinaNet", "pvt_v2"),
    ],
)
def test_mixed_precision_backbone_under_a_float32_detector(name, backbone):
    net = BACKBONES[backbone](CLOSED, dtype="mixed_bfloat16")
    assert any(layer.compute_dtype == "bfloat16" for layer in net.layers)
    model = CONSUMERS[name].build(net)
    losses = train(model, CONSUMERS[name].labels, steps=2)
    assert losses[1] < losses[0]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert all(tensor.dtype == "float32" for tensor in answers(model, IMAGES[:2]))
    assert model.predict(IMAGES[:2], verbose=0)["boxes"].shape == (2, 100, 4)


def test_as_mit_counts_levels_from_one_and_leaves_the_model_alone(tmp_path):
    model = BACKBONES["pvt_v2"](CLOSED)
    mit = as_mit(model)
    mit.save(tmp_path / "mit.keras")
    for adapted in (mit, keras.saving.load_model(tmp_path / "mit.keras"), keras.models.clone_model(mit)):
        assert adapted.pyramid_level_inputs == {"P1": "stage_1", "P2": "stage_2", "P3": "stage_3", "P4": "stage_4"}
        assert {level: x.shape[1:] for level, x in adapted.pyramid_outputs.items()} == {
            "P1": (16, 16, 8), "P2": (8, 8, 16), "P3": (4, 4, 24), "P4": (2, 2, 32),
        }  # fmt: skip
        assert adapted.hidden_dims == adapted.embedding_dims == [8, 16, 24, 32]
        assert list(vitgraph.pyramid(adapted).output) == ["P2", "P3", "P4", "P5"]
    assert list(model.pyramid_level_inputs) == ["P2", "P3", "P4", "P5"]
    assert mit.layers == model.layers


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (lambda: BACKBONES["pvt_v2"](OPEN), ValueError, r"as_mit: model=.* of a known size, here \(None, None, 3\)"),
        (
            lambda: vitgraph.build_vit(CLOSED, dim=16, depth=1, num_heads=2),
            ValueError,
            r"allowed: a graph with maps, which this one isn't: with_levels\(model, .* makes them",
        ),
        (lambda: keras.Sequential(), ValueError, "as_mit: model=<Sequential.*allowed: a graph of this package"),
    ],
)
def test_as_mit_refuses(model, error, message):
    with pytest.raises(error, match=message):
        as_mit(model())


@pytest.mark.parametrize("name", CONSUMERS)
def test_image_sizes_that_32_does_not_divide(name):
    """SegFormer takes them; the others' own upsampling doesn't meet the maps of such an image."""
    consumer, shape = CONSUMERS[name], (100, 140, 3)
    images = np.zeros((1, *shape), "float32")
    if "SegFormer" in name:
        assert consumer.build(BACKBONES["pvt_v2"](shape))(images).shape == images.shape
    else:
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="shape|dimension"):
            consumer.build(BACKBONES["pvt_v2"](shape))(images)


GUIDE = ROOT / "docs" / "detection-and-segmentation.md"
BLOCKS = {title: blocks(text) for title, text in sections(GUIDE.read_text()).items()}


@pytest.mark.heavy
@pytest.mark.parametrize("title", [title for title, codes in BLOCKS.items() if codes and title != "Images"])
def test_the_guide_runs_as_written(title, tmp_path, monkeypatch):
    """Each section stands on its own, after the imports and images of the first."""
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for code in (*BLOCKS["Images"], *BLOCKS[title]):
        exec(compile(code, f"{GUIDE.name}: {title}", "exec"), namespace)
