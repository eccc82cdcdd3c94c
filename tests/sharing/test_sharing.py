"""Is a model that was handed on the same at the other end?"""

import json
import os

import keras
import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import save_file

import vitgraph
from tests.uploads import serve
from tests.variants import TINY
from vitgraph.builders import vit


def assert_same(model, other):
    assert model.about == other.about and model.name == other.name
    for a, b in zip(model.layers[1:], other.layers[1:], strict=True):  # Keras forgets the policy of an InputLayer
        assert (a.name, a.dtype_policy.name) == (b.name, b.dtype_policy.name)
    for a, b in zip(model.weights, other.weights, strict=True):
        assert a.path == b.path
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))


def net(**overrides):
    numbers = {"patch_size": 8, "dim": 16, "depth": 1, "num_heads": 2, "num_classes": 2, **overrides}
    return vitgraph.build_vit((32, 32, 3), **numbers)


@pytest.mark.parametrize("name", ["vit_modern", "crossformer", "efficient_vit_residual"])
def test_a_file_of_weights_says_how_the_net_is_built(name, tmp_path):
    """Also functions of the package, and tables within tables."""
    model = TINY[name].build()
    assert_same(model, vitgraph.load(vitgraph.save_weights(model, tmp_path / "net.safetensors")))


def test_what_is_known_of_a_net_goes_with_it(tmp_path):
    model = vitgraph.create("pvt_v2_b0", input_shape=(32, 32, 3), depths=(1, 1, 1, 1), num_classes=2, dtype="bfloat16")
    model.about = {**model.about, "classes": ["cat", "dog"], "license": "mit", "figures": {"loss": 0.5}}
    model.save(tmp_path / "net.keras")
    for path in (tmp_path / "net.keras", vitgraph.save_to_folder(model, tmp_path / "folder")):
        again = vitgraph.load(path)
        assert_same(model, again)
        assert again.about["variant"] == "pvt_v2_b0"
    card = (tmp_path / "folder" / "README.md").read_text()
    assert 'license: "mit"' in card and "| loss | 0.5 |" in card and "2: cat, dog." in card
    assert json.loads((tmp_path / "folder" / "config.json").read_text())["arguments"]["num_classes"] == 2
    inherits = vitgraph.create(
        "pvt_v2_b0", tmp_path / "folder" / "model.safetensors", input_shape=(32, 32, 3), depths=(1, 1, 1, 1),
        num_classes=5, skip_head=True,
    )  # fmt: skip
    assert inherits.about["license"] == "mit" and "classes" not in inherits.about


def test_what_a_file_cannot_say_is_not_said(tmp_path):
    """How a net of a user's own block is built; `.keras` files need not know it."""
    model = net(block=lambda x, t, drop_path, name: vit.pre_norm_block(x, t, drop_path, name))
    assert model.about == {}
    with pytest.raises(ValueError, match="load: path=.*; allowed: a file whose header says how the net is built"):
        vitgraph.load(vitgraph.save_weights(model, tmp_path / "net.safetensors"))
    with pytest.raises(ValueError, match="save_to_folder: model='vit'; allowed: a graph that a builder"):
        vitgraph.save_to_folder(model, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    model.save(tmp_path / "net.keras")
    assert_same(model, vitgraph.load(tmp_path / "net.keras"))


def test_what_is_no_model(tmp_path):
    vitgraph.save_weights(net(), tmp_path / "headless.safetensors", skip_head=True)
    save_file({"a": np.zeros(3, "float32")}, tmp_path / "foreign.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "headless.safetensors").read_bytes()[:900])
    (tmp_path / "cut.keras").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    for name, message in {
        "headless.safetensors": "a file with a head",
        "foreign.safetensors": "header says how the net is built",
        "cut.safetensors": "a whole safetensors file",
        "cut.keras": "a whole .keras file",
        "empty": "a folder with one of model.keras",
    }.items():
        with pytest.raises(ValueError, match=f"load: path=.*{message}"):
            vitgraph.load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"no file, folder or repository .*absent\.keras"):
        vitgraph.load(tmp_path / "absent.keras")


def test_files_have_the_mode_that_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        path = vitgraph.save_weights(net(), tmp_path / "net.safetensors")
        folder = vitgraph.save_to_folder(net(), tmp_path / "folder")
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in (path, *folder.iterdir())} == {0o644}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """{repository: {file: content}} of a server on loopback, which the real client takes for the hub."""
    with serve(token="secret") as (address, files):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "secret")
        yield files


def test_to_the_hub_and_back(hub, monkeypatch):
    """Without the storage of its own that the hub has for large files."""
    model = net()
    model.about = {**model.about, "classes": ["cat", "dog"], "license": "mit"}
    assert vitgraph.push_to_hub(model, "me/pets").startswith(f"{constants.ENDPOINT}/me/pets/commit/")
    assert set(hub["me/pets"]) == {"README.md", "config.json", "model.safetensors"}
    assert 'vitgraph.load("me/pets")' in hub["me/pets"]["README.md"].decode()
    assert_same(model, vitgraph.load("me/pets"))
    monkeypatch.setenv("HF_TOKEN", "another")
    with pytest.raises(OSError, match="push_to_hub: could not upload to 'me/pets': .*Invalid cred.*hf auth login"):
        vitgraph.push_to_hub(model, "me/pets")


def test_back_in_timms_names():
    """Also of a conv-mode LeViT, whose linear layers timm keeps as convolutions."""
    tiny = {"dims": (8, 8), "depths": (1, 1), "num_heads": (1, 1), "attn_ratios": (2, 2), "mlp_ratios": (2, 2)}
    model = vitgraph.create("levit_conv_128s", input_shape=(32, 32, 3), key_dim=4, num_classes=3, **tiny)
    tensors = vitgraph.to_timm(model)
    assert tensors["stages.0.blocks.0.attn.qkv.linear.weight"].shape == (16, 8, 1, 1)
    assert tensors["head.linear.weight"].shape == (3, 8)
    with pytest.raises(ValueError, match="to_timm: model=.*; allowed: .* not those of timm; 'pvt' has pvt/official"):
        vitgraph.to_timm(TINY["pvt"].build())


def test_a_variant_whose_class_has_its_gates_apart():
    """AIMv2 is a ViT here, of which timm has a class with other names."""
    sizes = {"input_shape": (28, 28, 3), "img_size": (28, 28), "dim": 24, "depth": 1, "num_heads": 3}
    net = vitgraph.create("aimv2_large_patch14_336", **sizes, num_classes=5)
    tensors = vitgraph.to_timm(net)
    assert tensors["blocks.0.mlp.fc1_g.weight"].shape == tensors["blocks.0.mlp.fc1_x.weight"].shape == (66, 24)
    assert {"patch_embed.norm.weight", "blocks.0.mlp.fc2.weight"} < set(tensors)
    assert vitgraph.load_weights(net, tensors) == "vit/timm_aimv2"
