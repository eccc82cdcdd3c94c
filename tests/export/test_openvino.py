"""Do OpenVINO's files answer like the model, with open and with fixed sizes, in each precision?"""

import keras
import numpy as np
import openvino
import pytest

import vitgraph
from tests.variants import assert_close, images, shared, shared_open
from vitgraph import export


@pytest.mark.parametrize(("name", "batch_size"), [("swin", 3), ("cvt", None)])
def test_openvino(name, batch_size, tmp_path):
    """Nets that ONNX or a batch that is fixed when they are traced can't bring there."""
    report = export.to_openvino(shared(name), tmp_path / "net.xml", batch_size=batch_size)
    assert report.difference < 1e-5
    assert report.size == sum(file.stat().st_size for file in tmp_path.iterdir())
    assert {file.name for file in tmp_path.iterdir()} == {"net.xml", "net.bin"}
    assert "MatMul" in report.ops
    assert_close(export.load(report.path)(images(3))["output_0"], shared(name)(images(3)))


def test_openvino_of_any_image_size(tmp_path):
    model = shared_open("pvt_v2_linear")
    export.to_openvino(model, tmp_path / "net.xml")
    assert_close(export.load(tmp_path / "net.xml")(images(2, 75, 102))["output_0"], model(images(2, 75, 102)))


def test_openvino_in_half_precision(tmp_path):
    """Weights in float16; weights in float32 and a word about how to compute."""
    half, whole = tmp_path / "half.xml", tmp_path / "whole.xml"
    export.to_openvino(shared("vit"), half, precision="float16")
    export.to_openvino(shared("vit"), whole, precision="bfloat16")
    assert half.with_suffix(".bin").stat().st_size < 0.6 * whole.with_suffix(".bin").stat().st_size
    graph = openvino.Core().read_model(whole)
    assert graph.get_rt_info(["vitgraph", "precision"]).value == "bfloat16"


def test_openvino_keeps_names_and_takes_pixels(tmp_path):
    pyramid = vitgraph.pyramid(shared("pvt_v2_linear"), ("P3", "P2"))
    export.to_openvino(pyramid, tmp_path / "maps.xml", batch_size=2)
    given, wanted = export.load(tmp_path / "maps.xml")(images()), pyramid(images())
    assert set(given) == {"P2", "P3"}
    for level in wanted:
        assert_close(given[level], wanted[level])
    inputs = keras.Input((8, 8, 3))
    raw = export.with_preprocessing(keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs)))
    pixels = (np.arange(192) % 256).astype("uint8").reshape(1, 8, 8, 3)
    export.to_openvino(raw, tmp_path / "raw.xml")
    assert_close(export.load(tmp_path / "raw.xml")(pixels)["output_0"], raw(pixels))


def test_images_go_with_int8_only(tmp_path):
    for options in ({"precision": "int8"}, {"images": images()}):
        with pytest.raises(ValueError, match='to_openvino: images=.*; allowed: given with precision="int8", and only'):
            export.to_openvino(shared("vit"), tmp_path / "net.xml", **options)
    assert not list(tmp_path.iterdir())
