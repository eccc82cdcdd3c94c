"""Does what is exported answer like the model, run by the runtime that it is for, and is nothing else ever written?"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import vitgraph
from tests.variants import EVERY_LAYER, OPEN, TINY, images, shared, shared_open, value, with_random_weights
from vitgraph import export

# The same float32 numbers of order 1, summed in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}

ONNX = pytest.mark.filterwarnings("ignore:In the future `np.object` will be defined:FutureWarning:keras")


def only_output(path, x):
    (logits,) = export.load(path)(x).values()
    return logits


def assert_answers_like(path, model, x):
    np.testing.assert_allclose(only_output(path, x), value(model(x)), **CLOSE)


@pytest.fixture(scope="module")
def small():
    """A net that converts in no time, for the tests whose question is not about a net."""
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs))


class EagerOnly(keras.layers.Layer):
    """Keras' own answer differs from that of any graph made of it."""

    def __init__(self, traced, **kwargs):
        super().__init__(**kwargs)
        self.traced = traced

    def call(self, x):
        return x if tf.executing_eagerly() else self.traced(x)

    def compute_output_shape(self, input_shape):
        return input_shape


def eager_only(traced):
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, EagerOnly(traced)(inputs), name="eager_only")


def interrupt(x):
    raise KeyboardInterrupt


WRITERS = {"saved_model": export.to_saved_model, "litert.tflite": export.to_litert, "onnx.onnx": export.to_onnx}
by_format = pytest.mark.parametrize("file", WRITERS)


PLAIN = {"cait", "cct", "convit", "deepvit", "efficient_vit", "efficient_vit_residual", "simple_vit", "vit_lite"}
"""Those whose tokens are a sequence after the first layers, whatever the image: the same as in other plain nets."""


@pytest.mark.parametrize("name", ["pvt_v2", *sorted(PLAIN), *(name for name in TINY if name not in OPEN)])
def test_litert_of_any_batch(name, tmp_path):
    """The others, with any image size besides, below."""
    report = export.to_litert(shared(name), tmp_path / "net.tflite")
    assert report.path.stat().st_size == report.size
    assert report.difference < 1e-5
    assert "FULLY_CONNECTED" in report.ops
    assert_answers_like(report.path, shared(name), images(5))


@pytest.mark.parametrize("name", [name for name in EVERY_LAYER if name in OPEN and name not in PLAIN])
def test_litert_of_any_batch_and_image_size(name, tmp_path):
    model = shared_open(name)
    report = export.to_litert(model, tmp_path / "net.tflite")
    assert report.difference < 1e-5
    assert_answers_like(report.path, model, images(2, 75, 102))  # the report is of other batches and sizes


@pytest.mark.parametrize("name", TINY)
def test_one_image_leaves_no_shape_to_run_time(name):
    graph = tf.function(shared(name)).get_concrete_function(tf.TensorSpec((1, 64, 64, 3))).graph
    ops = graph.get_operations()
    assert all(tensor.shape.is_fully_defined() for op in ops for tensor in op.outputs if tensor.dtype != tf.resource)
    assert not {"Shape", "Range", "BroadcastArgs", "Where", "If", "While"} & {op.type for op in ops}
    axes = max(tensor.shape.rank for op in ops for tensor in op.outputs if tensor.dtype != tf.resource)
    assert (axes > 4) == (name in ("mobilevit_v2", "swin_v2"))  # phones' GPUs take up to four


@pytest.mark.parametrize("name", ["ats_vit", "cvt", "regionvit", "swin_v2", "vit_modern"])
def test_litert_of_one_image_has_only_static_shapes(name, tmp_path):
    report = export.to_litert(shared(name), tmp_path / "net.tflite", batch_size=1)
    assert_static(report)
    assert_answers_like(report.path, shared(name), images(1))
    with pytest.raises(ValueError, match=r"load: images=.*; allowed: an array \(1, 64, 64, 3\) of float32"):
        only_output(report.path, images(2))


@pytest.mark.parametrize(("name", "pieces"), [("swin", 1), ("mobilevit", 1), ("deit", 2)])
def test_litert_runs_in_one_piece(name, pieces, tmp_path):
    """XNNPACK takes the whole net, but for the slice of a class token: what it leaves runs on one core, and slower."""
    interpreter = Interpreter(str(export.to_litert(shared(name), tmp_path / "net.tflite", batch_size=1).path))
    interpreter.allocate_tensors()
    assert sum(op["op_name"] == "DELEGATE" for op in interpreter._get_ops_details()) == pieces


def test_litert_of_one_size_of_a_net_that_takes_any(tmp_path):
    model = shared_open("swin")
    report = export.to_litert(model, tmp_path / "net.tflite", batch_size=1, image_size=(48, 70))
    assert_static(report)
    assert_answers_like(report.path, model, images(1, 48, 70))


def assert_static(report):
    tensors = Interpreter(str(report.path)).get_tensor_details()
    assert all((tensor["shape_signature"] >= 0).all() for tensor in tensors)
    assert not {"SHAPE", "RANGE", "BROADCAST_ARGS", "WHERE", "IF", "WHILE"} & set(report.ops)


def test_litert_of_raw_pixels(tmp_path):
    model = export.with_preprocessing(shared("pvt_v2"))
    report = export.to_litert(model, tmp_path / "net.tflite", batch_size=1)
    (details,) = Interpreter(str(report.path)).get_input_details()
    assert details["dtype"] is np.uint8
    assert_answers_like(report.path, model, pixels(1))


def test_saved_model_of_any_batch_and_image_size(tmp_path):
    model = shared_open("pvt_v2_linear")
    report = export.to_saved_model(model, tmp_path / "net")
    assert report.size == sum(file.stat().st_size for file in report.path.rglob("*") if file.is_file())
    assert report.difference < 1e-5
    for batch, height, width in ((1, 64, 64), (2, 75, 102)):
        assert_answers_like(report.path, model, images(batch, height, width))


def test_saved_model_of_raw_pixels(tmp_path):
    model = export.with_preprocessing(shared("vit"))
    export.to_saved_model(model, tmp_path / "net")
    assert_answers_like(tmp_path / "net", model, pixels(3))


@ONNX
@pytest.mark.parametrize("name", ["vit_modern", "pvt_v2_linear", "swin"])
def test_onnx(name, tmp_path):
    report = export.to_onnx(shared(name), tmp_path / "net.onnx")
    assert "MatMul" in report.ops
    assert_answers_like(report.path, shared(name), images(3))


@ONNX
def test_onnx_of_any_image_size(tmp_path):
    model = shared_open("vit")
    export.to_onnx(model, tmp_path / "net.onnx")
    assert_answers_like(tmp_path / "net.onnx", model, images(2, 75, 102))


@ONNX
@by_format
def test_maps_keep_their_names(file, tmp_path):
    pyramid = vitgraph.pyramid(shared("pvt_v2_linear"), ("P3", "P2"))
    WRITERS[file](pyramid, tmp_path / file)
    answers, expected = export.load(tmp_path / file)(images()), pyramid(images())
    if file == "onnx.onnx":  # which keeps the order only, that of sorted names
        answers = dict(zip(("P2", "P3"), answers.values(), strict=True))
    assert set(answers) == {"P2", "P3"}
    for level, given in answers.items():
        np.testing.assert_allclose(given, expected[level], **CLOSE)


def test_mixed_precision(tmp_path):
    model = TINY["vit"].build(dtype="mixed_float16")
    twin = TINY["vit"].build()
    twin.set_weights(model.get_weights())
    report = export.to_litert(model, tmp_path / "net.tflite")
    assert report.difference < 1e-5
    assert_answers_like(report.path, twin, images())
    export.to_saved_model(model, tmp_path / "net")
    assert model.get_layer("head").compute_dtype == "float16"


def test_a_net_within_a_net(tmp_path):
    backbone = TINY["vit"].build(include_top=False, pooling="avg", dtype="mixed_bfloat16")
    model = keras.Sequential([backbone, keras.layers.Dense(3)])
    export.to_saved_model(model, tmp_path / "net")
    assert export.to_litert(model, tmp_path / "net.tflite").difference < 1e-5


def pixels(batch=2):
    return np.random.default_rng(2).integers(0, 256, (batch, 64, 64, 3)).astype("uint8")


def test_preprocessing_is_the_usual_one():
    model = shared("pvt_v2")
    imagenet = (pixels() / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(export.with_preprocessing(model)(pixels()), model(imagenet), **CLOSE)
    halves = export.with_preprocessing(model, mean=0.5, std=(0.5, 0.5, 0.5))
    np.testing.assert_allclose(halves(pixels()), model(pixels() / 127.5 - 1), **CLOSE)


def test_preprocessing_gives_a_graph_of_its_own():
    model = TINY["vit"].build()
    model.compile("adam", "mse")
    raw = export.with_preprocessing(model)
    assert {layer.name for layer in raw.layers} - {layer.name for layer in model.layers} == {"pixels", "normalize"}
    assert isinstance(raw, type(model)) and raw.compiled
    before = value(model(images()))
    raw.fit(pixels(), np.zeros((2, 5)), verbose=0)
    np.testing.assert_array_equal(model(images()), before)
    assert list(vitgraph.attention(raw)(pixels())) == list(vitgraph.attention(model)(images()))


def test_preprocessing_reloads_in_a_fresh_process(tmp_path, fresh_process):
    model = export.with_preprocessing(with_random_weights(TINY["swin"].build(dtype="mixed_bfloat16")))
    model.save(tmp_path / "net.keras")
    np.savez(tmp_path / "case.npz", x=pixels(), y=value(model(pixels())))
    fresh_process(RELOAD, tmp_path / "net.keras", tmp_path / "case.npz")


RELOAD = """
import sys
import keras, numpy as np, vitgraph
case = np.load(sys.argv[2])
np.testing.assert_array_equal(keras.models.load_model(sys.argv[1])(case["x"]), case["y"])
"""


@pytest.mark.parametrize(
    ("message", "options"),
    [
        (r"mean=\(0.5, 0.5\); allowed: one number, or 3", {"mean": (0.5, 0.5)}),
        (r"std=\(1, 0, 1\); allowed: .* from 1e-6", {"std": (1, 0, 1)}),
    ],
)
def test_bad_preprocessing(message, options):
    with pytest.raises(ValueError, match=message):
        export.with_preprocessing(shared("vit"), **options)


def test_models_that_take_no_preprocessing():
    with pytest.raises(ValueError, match="with_preprocessing: model=.*; allowed: a model that takes floats, not uint8"):
        export.with_preprocessing(export.with_preprocessing(shared("vit")))
    with pytest.raises(ValueError, match="with_preprocessing: model=<Sequential name=chain.*; allowed: a Functional"):
        export.with_preprocessing(keras.Sequential([keras.Input((64, 64, 3)), shared("vit")], name="chain"))


def test_what_litert_has_no_operation_for_is_not_written(tmp_path):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.ops.erf(inputs))
    with pytest.raises(ValueError, match="to_litert: model=.*; allowed: .* files have built in, unlike FlexErf"):
        export.to_litert(model, tmp_path / "net.tflite")
    assert not list(tmp_path.iterdir())


@ONNX
def test_onnx_of_tensorflows_own_gelu(tmp_path):
    """It is written with erfc, for which ONNX has 1 - erf."""
    model = shared("efficient_vit_residual")
    report = export.to_onnx(model, tmp_path / "net.onnx")
    assert "Erf" in report.ops
    assert_answers_like(report.path, model, images(3))


@ONNX
def test_what_onnx_has_no_operation_for_is_not_written(tmp_path):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.ops.erfinv(inputs))
    with pytest.raises(ValueError, match="to_onnx: model=.*; allowed: .* .onnx files have built in, unlike Erfinv"):
        export.to_onnx(model, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


@ONNX
@by_format
@pytest.mark.parametrize("traced", [lambda x: x * 1.001, lambda x: x + float("nan"), lambda x: x[:, :1]])
def test_an_artifact_that_answers_otherwise_is_not_written(file, traced, tmp_path):
    with pytest.raises(ValueError, match="'eager_only' answers differently: output_0 for an input .* is off by"):
        WRITERS[file](eager_only(traced), tmp_path / file)
    assert not list(tmp_path.iterdir())


@by_format
def test_what_was_there_stays_when_an_export_fails(file, small, tmp_path):
    if file == "onnx.onnx":
        (tmp_path / file).write_bytes(b"an older file")
    else:
        WRITERS[file](small, tmp_path / file)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(KeyboardInterrupt):
        WRITERS[file](eager_only(interrupt), tmp_path / file)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_successful_export_replaces_what_was_there(small, tmp_path):
    for _ in range(2):
        export.to_saved_model(small, tmp_path / "net")
        export.to_litert(small, tmp_path / "net.tflite")
    assert {path.name for path in tmp_path.iterdir()} == {"net", "net.tflite"}


def test_a_folder_of_other_things_is_left_alone(small, tmp_path):
    (tmp_path / "thesis.tex").write_text("chapter one")
    with pytest.raises(FileExistsError, match="to_saved_model: .* isn't a SavedModel"):
        export.to_saved_model(small, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@by_format
def test_a_missing_folder(file, small, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder .*missing"):
        WRITERS[file](small, tmp_path / "missing" / file)
    with pytest.raises(FileNotFoundError, match="load: there is no .*missing"):
        export.load(tmp_path / "missing" / file)
    assert not list(tmp_path.iterdir())


@by_format
@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("image_size=.32, 32.; allowed: None, or the model's own .* input .None, 8, 8, 3.", {"image_size": (32, 32)}),
        ("batch_size=0; allowed: None, or an integer from 1", {"batch_size": 0}),
    ],
)
def test_bad_sizes(file, small, message, options, tmp_path):
    with pytest.raises(ValueError, match=message):
        WRITERS[file](small, tmp_path / file, **options)
    assert not list(tmp_path.iterdir())


MISSING = """
import sys
import keras
from vitgraph import export
sys.modules[sys.argv[1]] = None
image = keras.Input((8, 8, 3))
try:
    getattr(export, sys.argv[2])(keras.Model(image, keras.layers.Conv2D(2, 3)(image)), sys.argv[3])
except ModuleNotFoundError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "function", "name"),
    [("ai_edge_litert", "to_litert", "net.tflite"), ("tf2onnx", "to_onnx", "net.onnx")],
)
def test_what_is_missing_is_said_before_anything_is_written(module, function, name, tmp_path, fresh_process):
    said = fresh_process(MISSING, module, function, tmp_path / name)
    assert said == f"{function}: {module} isn't installed: pip install {module.replace('_', '-')}\n"
    assert not list(tmp_path.iterdir())


def test_bad_arguments(small, tmp_path):
    with pytest.raises(ValueError, match="to_litert: path='net.lite'; allowed: a name that ends in '.tflite'"):
        export.to_litert(small, "net.lite")
    with pytest.raises(ValueError, match="to_onnx: path='net'; allowed: a name that ends in '.onnx'"):
        export.to_onnx(small, "net")
    with pytest.raises(TypeError, match="to_litert: model=None; allowed: a Functional"):
        export.to_litert(None, tmp_path / "net.tflite")
    vector = keras.Input((7,))
    with pytest.raises(ValueError, match=r"to_saved_model: model=.*; allowed: .* of one input \(B, H, W, C\)"):
        export.to_saved_model(keras.Model(vector, keras.layers.Dense(2)(vector)), tmp_path / "net")
