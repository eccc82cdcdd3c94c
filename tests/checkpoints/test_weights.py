"""Does a checkpoint load wholly, whoever wrote it, or not at all?"""

import csv
import importlib.resources
import json
import os
import pathlib
import re

import keras
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import vitgraph
from tests import GOLDEN
from tests.parity import translation
from vitgraph.checkpoints import load_weights, read_checkpoint, save_weights
from vitgraph.checkpoints.files import READABLE
from vitgraph.checkpoints.names import SOURCES


def golden(case):
    """(port without weights, timm's tensors, image, timm's logits)."""
    with safe_open(GOLDEN / f"{case}.safetensors", framework="numpy") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    weights = {k.removeprefix("weights/"): v for k, v in tensors.items() if k.startswith("weights/")}
    image = tensors["input"].transpose(0, 2, 3, 1)
    translate = translation(header.get("constructor") or header["builder"])
    return translate(json.loads(header["config"]), image.shape[1:], weights).model, weights, image, tensors["logits"]


def assert_loads(model, checkpoint, image, logits, kind):
    assert load_weights(model, checkpoint) == kind
    np.testing.assert_allclose(model(image), logits, atol=3e-5)


def tiny_vit(**overrides):
    numbers = {"patch_size": 8, "dim": 24, "depth": 2, "num_heads": 3, "num_classes": 10}
    return vitgraph.build_vit(overrides.pop("input_shape", (32, 32, 3)), **{**numbers, **overrides})


def tiny_swin(input_shape, **overrides):
    numbers = {"dim": 8, "depths": (2, 2), "num_heads": (2, 4), "mlp_ratios": (4, 4), "window_sizes": 4}
    return vitgraph.build_swin(input_shape, **{**numbers, "num_classes": 10, **overrides})


def values(model):
    return [keras.ops.convert_to_numpy(v) for v in model.weights]


def same_values(before, model):
    return all(np.array_equal(a, b) for a, b in zip(before, values(model), strict=True))


def flax(weights, heads, attention, norm, mlp, positions):
    """timm's ViT tensors -> the names and axes of Google's Flax checkpoints."""
    out = {"cls": weights["cls_token"], positions: weights["pos_embed"]}
    out["embedding/kernel"] = weights["patch_embed.proj.weight"].transpose(2, 3, 1, 0)
    out["embedding/bias"] = weights["patch_embed.proj.bias"]
    for ours, theirs in (("norm", "Transformer/encoder_norm"), ("head", "head")):
        out[f"{theirs}/{'scale' if ours == 'norm' else 'kernel'}"] = weights[f"{ours}.weight"].T
        out[f"{theirs}/bias"] = weights[f"{ours}.bias"]
    for i in range(2):
        block, root = f"blocks.{i}.", f"Transformer/encoderblock_{i}/"
        dim = weights[block + "norm1.weight"].size
        for part, rows in zip(("query", "key", "value"), range(0, 3 * dim, dim), strict=True):
            at = f"{root}MultiHeadDotProductAttention_{attention}/{part}/"
            kernel = weights[block + "attn.qkv.weight"][rows : rows + dim]
            out[at + "kernel"] = kernel.T.reshape(dim, heads, dim // heads)
            out[at + "bias"] = weights[block + "attn.qkv.bias"][rows : rows + dim].reshape(heads, -1)
        at = f"{root}MultiHeadDotProductAttention_{attention}/out/"
        out[at + "kernel"] = weights[block + "attn.proj.weight"].T.reshape(heads, dim // heads, dim)
        out[at + "bias"] = weights[block + "attn.proj.bias"]
        for ours, theirs in (("norm1", "LayerNorm_0"), ("norm2", f"LayerNorm_{norm}")):
            out[f"{root}{theirs}/scale"] = weights[f"{block}{ours}.weight"]
            out[f"{root}{theirs}/bias"] = weights[f"{block}{ours}.bias"]
        for j in (0, 1):
            out[f"{root}MlpBlock_{mlp}/Dense_{j}/kernel"] = weights[f"{block}mlp.fc{j + 1}.weight"].T
            out[f"{root}MlpBlock_{mlp}/Dense_{j}/bias"] = weights[f"{block}mlp.fc{j + 1}.bias"]
    return out


@pytest.mark.parametrize(
    ("kind", "prefix", "counters"),
    [
        ("vit/google", "", (1, 2, 3, "Transformer/posembed_input/pos_embedding")),
        ("vit/google", "opt/target/", (1, 2, 3, "Transformer/posembed_input/pos_embedding")),
        ("vit/big_vision", "params/", (0, 1, 0, "pos_embedding")),
    ],
)
def test_googles_npz(kind, prefix, counters, tmp_path):
    model, weights, image, logits = golden("vit_eps")
    tensors = flax(weights, 3, *counters)
    tensors["pre_logits/bias"] = np.zeros(24, "float32")
    np.savez(tmp_path / "vit.npz", **{prefix + name: value for name, value in tensors.items()})
    assert_loads(model, tmp_path / "vit.npz", image, logits, kind)


def test_dinov2_adds_the_first_row_to_the_class_token():
    model, weights, image, logits = golden("vit_registers_no_embed")
    row = np.random.default_rng(0).normal(size=(1, 1, 24)).astype("float32")
    checkpoint = dict(weights)
    checkpoint["register_tokens"] = checkpoint.pop("reg_token")
    checkpoint["cls_token"] = checkpoint["cls_token"] - row
    checkpoint["pos_embed"] = np.concatenate([row, checkpoint["pos_embed"]], axis=1)
    checkpoint["mask_token"] = np.zeros((1, 24), "float32")
    assert_loads(model, checkpoint, image, logits, "vit/dinov2_registers")


def test_dinov2_gated_names():
    model, weights, image, logits = golden("vit_swiglu")
    renamed = {k.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3"): v for k, v in weights.items()}
    assert_loads(model, renamed, image, logits, "vit/dinov2_gated")


def test_dinov2_without_registers_has_timms_names_and_a_mask_token():
    model, weights, image, logits = golden("vit_eps")
    assert_loads(model, {**weights, "mask_token": np.zeros((1, 24), "float32")}, image, logits, "vit/dinov2")


@pytest.mark.parametrize(
    ("case", "kind", "buffers"),
    [
        ("swin_eps", "swin/microsoft", ("relative_position_index",)),
        ("swinv2_eps", "swin_v2/microsoft", ("relative_position_index", "relative_coords_table")),
    ],
)
def test_microsofts_swin_merges_at_the_end_of_a_stage(case, kind, buffers):
    model, weights, image, logits = golden(case)
    renamed = {
        k.replace("layers.1.downsample", "layers.0.downsample").replace("head.fc", "head"): v
        for k, v in weights.items()
    }
    renamed["layers.0.blocks.1.attn_mask"] = np.zeros((4, 16, 16), "float32")
    renamed.update({f"layers.0.blocks.0.attn.{name}": np.zeros((16, 16), "float32") for name in buffers})
    assert_loads(model, renamed, image, logits, kind)


def test_official_pit_has_a_list_of_poolings():
    model, weights, image, logits = golden("pit_eps")
    renamed = {
        k.replace("transformers.1.pool", "pools.0").replace("transformers.2.pool", "pools.1"): v
        for k, v in weights.items()
    }
    assert_loads(model, renamed, image, logits, "pit/official")


def test_a_whole_checkpoint_fits_a_net_without_top():
    """PiT's last map knows nothing of the class token's norm and head."""
    model, weights, image, _ = golden("pit_eps")
    load_weights(model, weights)
    plain = {"patch_size": 8, "stride": 4, "dims": (8, 16, 32), "depths": (1, 1, 1), "num_heads": (1, 2, 4)}
    headless = vitgraph.build_pit((32, 32, 3), include_top=False, **plain)
    assert load_weights(headless, weights) == "pit/timm"
    tokens = keras.Model(model.input, model.get_layer("stage_3").output)(image)
    np.testing.assert_allclose(headless(image), np.reshape(tokens[:, 1:], (2, 2, 2, 32)), atol=3e-5)


@pytest.mark.parametrize("wrap", ["model", "state_dict", None])
def test_torch_files(wrap, tmp_path):
    import torch

    model, weights, image, logits = golden("swin_eps")
    state = {f"module.{k}": torch.from_numpy(np.array(v)) for k, v in weights.items()}
    torch.save({wrap: state, "epoch": 3} if wrap else state, tmp_path / "swin.pth")
    assert_loads(model, tmp_path / "swin.pth", image, logits, "swin/timm")


def test_a_pickle_is_not_run(tmp_path):
    import torch

    class Harm:
        def __reduce__(self):
            return pathlib.Path.touch, (tmp_path / "harm",)

    torch.save({"model": Harm()}, tmp_path / "bad.pth")
    np.savez(tmp_path / "bad.npz", a=np.array([Harm()], dtype=object))
    for name in ("bad.pth", "bad.npz"):
        with pytest.raises(ValueError, match="plain"):
            read_checkpoint(tmp_path / name)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".keras"])
def test_our_own_files(suffix, tmp_path):
    one, two = tiny_vit(), tiny_vit()
    if suffix == ".keras":
        one.save(tmp_path / "own.keras")
    else:
        save_weights(one, tmp_path / "own.safetensors")
    assert load_weights(two, tmp_path / f"own{suffix}") == "vitgraph"
    assert same_values(values(one), two)


def test_another_input_size_resamples_the_position_table():
    model, weights, _, _ = golden("vit_eps")
    load_weights(model, weights)
    static, open_size = tiny_vit(input_shape=(48, 32, 3)), tiny_vit(input_shape=(None, None, 3), img_size=(32, 32))
    for other in (static, open_size):
        load_weights(other, weights)
    image = np.random.default_rng(0).normal(size=(2, 48, 32, 3)).astype("float32")
    np.testing.assert_allclose(static(image), open_size(image), atol=1e-5)


def test_another_window_resamples_the_bias_tables():
    _, weights, _, _ = golden("swin_eps")
    model = tiny_swin((64, 64, 3), window_sizes=8)
    load_weights(model, weights)
    table = keras.ops.convert_to_numpy(model.get_layer("stage_1_block_0_attn_bias").table).reshape(15, 15, -1)
    source = weights["layers.0.blocks.0.attn.relative_position_bias_table"].reshape(7, 7, -1)
    np.testing.assert_allclose(table[7, 7], source[3, 3])
    np.testing.assert_allclose(table[8, 7], source[4, 3], atol=1e-6)


def test_another_number_of_classes_needs_skip_head():
    _, weights, _, _ = golden("vit_eps")
    model = tiny_vit(num_classes=3)
    before = values(model)
    with pytest.raises(ValueError, match="skip_head=True") as error:
        load_weights(model, weights)
    assert "head.weight (10, 24) for head/kernel (24, 3)" in str(error.value)
    assert same_values(before, model)
    load_weights(model, weights, skip_head=True)
    np.testing.assert_array_equal(model.get_layer("norm").gamma, weights["norm.weight"])
    np.testing.assert_array_equal(model.get_layer("head").kernel, before[-2])


def test_without_its_top_a_graph_leaves_the_head_unread():
    _, weights, image, _ = golden("vit_eps")
    whole, headless = tiny_vit(), tiny_vit(include_top=False, pooling="token")
    load_weights(whole, weights)
    load_weights(headless, weights)
    np.testing.assert_allclose(headless(image), keras.Model(whole.input, whole.get_layer("pool").output)(image))


@pytest.mark.parametrize("damage", ["missing", "unused", "misfit"])
def test_all_or_nothing(damage):
    model, weights, _, _ = golden("vit_eps")
    before, weights = values(model), dict(weights)
    name = "blocks.1.norm2.weight"
    if damage == "missing":
        del weights[name]
    elif damage == "unused":
        weights["blocks.7.norm2.weight"] = weights[name]
    else:
        weights[name] = np.ones(25, "float32")
    with pytest.raises(ValueError, match=rf"nothing was loaded:\n  {damage}: .*norm2"):
        load_weights(model, weights)
    assert same_values(before, model)


def test_another_architectures_checkpoint():
    _, weights, _, _ = golden("swin_eps")
    model = tiny_vit()
    before = values(model)
    with pytest.raises(ValueError, match="doesn't fit model 'vit'"):
        load_weights(model, weights)
    assert same_values(before, model)


def test_bfloat16_checkpoints(tmp_path):
    import ml_dtypes

    model, weights, _, _ = golden("vit_eps")
    save_file({k: np.asarray(v, ml_dtypes.bfloat16) for k, v in weights.items()}, tmp_path / "half.safetensors")
    load_weights(model, tmp_path / "half.safetensors")
    rounded = weights["norm.weight"].astype(ml_dtypes.bfloat16).astype("float32")
    np.testing.assert_array_equal(model.get_layer("norm").gamma, rounded)


def test_an_interrupted_save_leaves_what_was_there(tmp_path, monkeypatch):
    path = save_weights(tiny_vit(), tmp_path / "own.safetensors")
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_weights(tiny_vit(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["own.safetensors"]


def test_create_with_weights(tmp_path):
    save_weights(vitgraph.create("pvt_v2_b0", input_shape=(64, 64, 3)), tmp_path / "b0.safetensors")
    model = vitgraph.create("pvt_v2_b0", tmp_path / "b0.safetensors", num_classes=3, skip_head=True)
    assert model.output.shape == (None, 3)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.safetensors"):
        vitgraph.create("pvt_v2_b0", "nowhere.safetensors")


CLASSES = {0, 1000, 11221, 11821, 19168, 21841, 21843, 115217}
"""ImageNet's lists, also that of MViT v2, and Bamboo's; 0 is a net without a head."""


def test_rows_fit_their_variants():
    """Each is of a variant, in a file that can be read, for a head and a size that its net may have."""
    text = importlib.resources.files("vitgraph.checkpoints").joinpath("published.csv").read_text()
    table = list(csv.DictReader(text.splitlines()))
    assert {row["variant"] for row in table} <= set(vitgraph.list_models())
    assert len({(row["variant"], row["tag"]) for row in table}) == len(table)
    for row in table:
        build, arguments = vitgraph.registry.variant(row["variant"])
        family = build.__name__.removeprefix("build_")
        assert any(kind.startswith((f"{family}/", "vit/", "twins")) for kind in SOURCES), row
        place, is_tower = row["repository"], re.search("clip|siglip|pe_core", row["variant"])
        assert not place or re.fullmatch(r"[\w.-]+/[\w.-]+", place) or place.startswith("https://"), row
        assert not place.startswith("https://") or place.endswith(READABLE), row
        assert int(row["num_classes"]) in CLASSES or is_tower, row
        is_fixed = family in ("levit", "nest")
        assert not is_fixed or int(row["input_size"]) == arguments.get("input_shape", (224, 224, 3))[0], row
    for name in {row["variant"] for row in table}:
        rows = vitgraph.list_weights(name).values()
        assert sum(row.default for row in rows) == any(row.num_classes == 1000 for row in rows), name


def test_published_checkpoints():
    tags = vitgraph.list_weights("pvt_v2_b0")
    assert tags["in1k"].num_classes == 1000
    assert tags["in1k"].mean == (0.485, 0.456, 0.406)
    assert tags["in1k"].repository == "timm/pvt_v2_b0.in1k"
    gelu = vitgraph.list_weights("vit_base_patch32_clip_quickgelu_224")["openai"]
    assert gelu.repository == "timm/vit_base_patch32_clip_224.openai"
    assert vitgraph.list_weights("mobilevitv2_150")["cvnets_in22k_ft_in1k_384"].input_size == 384
    rows = [entry for name in vitgraph.list_models() for entry in vitgraph.list_weights(name).values()]
    assert len(rows) == 656 and all(entry.license and 32 <= entry.input_size <= 1024 for entry in rows)
    with pytest.raises(ValueError, match=r"create: weights='in1kk'; allowed: .* pvt_v2_b0 \(did you mean 'in1k'\?\)"):
        vitgraph.create("pvt_v2_b0", "in1kk")
    with pytest.raises(ValueError, match="create: weights='lvd142m'; allowed: others, as these have no head"):
        vitgraph.create("vit_small_patch14_dinov2", "lvd142m")
