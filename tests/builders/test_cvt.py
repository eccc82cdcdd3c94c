"""CvT's average pooling, the Hugging Face hub's names, and nets that no golden file shows."""

import json

import numpy as np
import pytest
from safetensors import safe_open

import vitgraph
from tests import GOLDEN
from tests.parity.cvt import official_cvt
from tests.variants import images, value
from vitgraph.blocks import AveragePooling

CVT = GOLDEN / "cvt_eps.safetensors"


@pytest.mark.parametrize(("kernel", "step", "padding"), [(3, 2, 1), (2, 2, 0), (3, 1, 1), (2, 3, 1), (5, 3, 2)])
def test_average_pooling(kernel, step, padding):
    """PyTorch's with `ceil_mode`: zeros of the padding count, what a last window lacks beyond them does not."""
    x = images(1, 7, 12)
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    starts = [range(0, min(n + 2 * padding - kernel + step, n + padding), step) for n in (7, 12)]
    expected = [[padded[:, i : i + kernel, j : j + kernel].mean((1, 2)) for j in starts[1]] for i in starts[0]]
    actual = value(AveragePooling(kernel, step, padding)(x))
    np.testing.assert_allclose(actual, np.transpose(expected, (2, 0, 1, 3)), atol=1e-6)


def test_the_hubs_names():
    with safe_open(CVT, framework="numpy") as file:
        config, tensors = json.loads(file.metadata()["config"]), {name: file.get_tensor(name) for name in file.keys()}
    projection = "attention.attention.convolution_projection_{}.convolution_projection."
    names = [("stage", "cvt.encoder.stages."), (".blocks.", ".layers."), ("attn.proj.", "attention.output.dense.")]
    names += [("patch_embed.proj", "embedding.convolution_embeddings.projection")]
    names += [("patch_embed.norm", "embedding.convolution_embeddings.normalization")]
    names += [("mlp.fc1", "intermediate.dense"), ("mlp.fc2", "output.dense")]
    names += [("norm1", "layernorm_before"), ("norm2", "layernorm_after")]
    for part in ("query", "key", "value"):
        names += [(f"attn.proj_{part[0]}", f"attention.attention.projection_{part}")]
        names += [(f"attn.conv_proj_{part[0]}.conv", projection.format(part) + "convolution")]
        names += [(f"attn.conv_proj_{part[0]}.bn", projection.format(part) + "normalization")]
    renamed = {}
    for name, tensor in tensors.items():
        _, weight, name = name.rpartition("weights/")
        for ours, theirs in names:
            name = name.replace(ours, theirs)
        if weight:
            renamed[name.replace("head.", "classifier.")] = tensor
    for leaf in ("weight", "bias"):
        renamed[f"layernorm.{leaf}"] = renamed.pop(f"norm.{leaf}")
    image = tensors["input"].transpose(0, 2, 3, 1)
    model = official_cvt(config, image.shape[1:], {}).model
    assert vitgraph.load_weights(model, renamed) == "cvt/transformers"
    np.testing.assert_allclose(model(image), tensors["logits"], atol=3e-5)


def test_class_tokens_and_methods_of_every_stage():
    options = {"dims": (8, 16, 24), "depths": (1, 1, 2), "num_heads": (1, 2, 3)}
    model = vitgraph.build_cvt(
        (64, 48, 3), class_token=True, qkv_method=("linear", "avg", "dw_bn"), weight_init="xavier", **options
    )
    assert [tuple(stage.output.shape[1:]) for stage in model.stages] == [(193, 8), (49, 16), (13, 24)]
    assert model.output_shape == (None, 1000)
    token = vitgraph.build_cvt((64, 48, 3), include_top=False, pooling="token", **options)
    assert token.output_shape == (None, 24)


def test_rates_of_single_stages():
    model = vitgraph.create("cvt_13_224", drop_path_rate=(0, 0, 0.1), attn_drop_rate=(0, 0.2, 0))
    rates = [layer.drop_path for layer in model.layers if layer.name.endswith("_res2")]
    np.testing.assert_allclose(rates, [0, 0, 0, *np.linspace(0, 0.1, 10)])
    cores = [layer.drop for layer in model.layers if layer.name.endswith("_attn")]
    assert cores == [0, 0.2, 0.2] + 10 * [0]
