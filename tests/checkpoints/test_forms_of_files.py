"""Is a net found in what training code writes around it, and a first convolution made to fit when that is asked for?"""

import argparse
import json
import re

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from tests.checkpoints.test_weights import golden, tiny_vit
from vitgraph.checkpoints import load_weights, read_checkpoint
from vitgraph.checkpoints.resample import patch_kernel

_, WEIGHTS, _, _ = golden("vit_eps")
TENSORS = {name: torch.from_numpy(np.array(array)) for name, array in WEIGHTS.items()}
OTHER = {name: torch.zeros_like(tensor) for name, tensor in TENSORS.items()}


def prefixed(prefix, tensors=TENSORS):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def assert_loads(checkpoint, model=None, **options):
    model = model or tiny_vit()
    assert load_weights(model, checkpoint, **options) in ("vit/timm", "vit/dinov2")  # which have the same names
    np.testing.assert_array_equal(model.get_layer("norm").gamma, WEIGHTS["norm.weight"])
    return model


@pytest.mark.parametrize(
    "content",
    [
        {"model": TENSORS, "args": argparse.Namespace(lr=0.1), "epoch": 3},
        {"state_dict": prefixed("module."), "optimizer": {"state": {}}},
        {"state_dict": prefixed("model."), "pytorch-lightning_version": "2.0", "hyper_parameters": {"lr": 0.1}},
        {"model_state": prefixed("module._orig_mod.")},
        {"module": TENSORS},
        {"net": {"state_dict": TENSORS}},
        {"state_dict": {**prefixed("backbone."), "neck.weight": torch.ones(3)}},
        {**prefixed("visual.trunk."), "visual.head.proj.weight": torch.ones(3, 3), "logit_scale": torch.ones(())},
        {**prefixed("student.backbone.", OTHER), **prefixed("teacher.backbone."), "student.head.weight": torch.ones(3)},
    ],
    ids=["namespace", "module", "lightning", "compiled", "deepspeed", "twice", "backbone", "open_clip", "dino_flat"],
)
def test_what_is_around_a_net(content, tmp_path):
    torch.save(content, tmp_path / "net.pth.tar")
    assert_loads(tmp_path / "net.pth.tar")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"state_dict": OTHER, "state_dict_ema": TENSORS}, "'state_dict_ema' is read, not 'state_dict'"),
        ({"model": OTHER, "model_ema": TENSORS, "epoch": 1}, "'model_ema' is read, not 'model'"),
        ({"student": OTHER, "teacher": prefixed("backbone.")}, "'teacher' is read, not 'student'"),
        ({"encoder": OTHER, "predictor": {}, "target_encoder": prefixed("module.")}, "'target_encoder' is read, not"),
    ],
)
def test_the_average_is_preferred_and_said(content, said, tmp_path):
    torch.save(content, tmp_path / "net.pth")
    with pytest.warns(UserWarning, match=re.escape(said)):
        assert_loads(tmp_path / "net.pth")


def test_a_folder_with_parts(tmp_path):
    names = sorted(WEIGHTS)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for part, inside in parts.items():
        save_file({name: np.ascontiguousarray(WEIGHTS[name]) for name in inside}, tmp_path / part)
    index = {"weight_map": {name: part for part, inside in parts.items() for name in inside}}
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    assert_loads(tmp_path)
    assert set(read_checkpoint(path)) == set(names)
    elsewhere, absent = {"weight_map": {"a": "../a.safetensors"}}, json.dumps(index).replace("model-2", "absent")
    for text in ("{}", "[]", json.dumps(elsewhere), absent):
        path.write_text(text)
        with pytest.raises(ValueError, match="allowed: the index of whole files"):
            load_weights(tiny_vit(), path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["layer1.0.conv1.weight", "layer1.0.bn1.weight", "fc.weight"], "it has names of a ResNet"),
        (["bert.encoder.layer.0.output.dense.weight", "bert.pooler.dense.bias"], "it has names of a BERT"),
        (["a.b", "c.d"], "it has names that no table here knows, such as 'a.b'"),
    ],
)
def test_foreign_architectures(names, message):
    with pytest.raises(ValueError, match=f"nothing was loaded: {re.escape(message)}"):
        load_weights(tiny_vit(), {name: np.ones(3, "float32") for name in names})


def test_an_architecture_of_ours_that_is_another():
    _, swin, _, _ = golden("swin_eps")
    with pytest.raises(ValueError, match="nothing was loaded: it has names of swin/timm"):
        load_weights(tiny_vit(), swin)


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_another_number_of_channels(channels):
    model = tiny_vit(input_shape=(32, 32, channels))
    with pytest.raises(ValueError, match="adapt=True makes the first convolution fit"):
        load_weights(model, WEIGHTS)
    kernel = assert_loads(WEIGHTS, model, adapt=True).get_layer("patch_embed").kernel
    gray = np.random.default_rng(0).normal(size=(1, 32, 32, 1)).astype("float32")
    three = assert_loads(WEIGHTS).get_layer("patch_embed")
    if channels == 1:  # a sum: gray as three equal channels
        ours = model.get_layer("patch_embed")(gray)
        np.testing.assert_allclose(ours, three(np.repeat(gray, 3, axis=-1)), atol=1e-4)
    whole = WEIGHTS["patch_embed.proj.weight"].transpose(2, 3, 1, 0)
    expected = whole.sum(2, keepdims=True) if channels == 1 else np.stack(
        [whole[:, :, i % 3] * 3 / channels for i in range(channels)], axis=2
    )  # fmt: skip
    np.testing.assert_allclose(kernel, expected, rtol=1e-5, atol=1e-6)


def test_patches_of_another_size():
    """As FlexiViT resizes them: on patches that are resized too they give the same."""
    model = tiny_vit(patch_size=16)
    with pytest.raises(ValueError, match="adapt=True makes the first convolution fit"):
        load_weights(model, WEIGHTS)
    assert_loads(WEIGHTS, model, adapt=True)
    kernel = WEIGHTS["patch_embed.proj.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_allclose(model.get_layer("patch_embed").kernel, patch_kernel(kernel, (16, 16)), atol=1e-6)
