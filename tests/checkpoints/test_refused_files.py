"""Is a file that isn't a checkpoint, or one of another net, refused with its reason, and nothing loaded?"""

import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file

import vitgraph
from tests.variants import TINY, shared, value


def damage(path, kind):
    """Writes a file of this kind that is not a checkpoint."""
    vitgraph.save_weights(shared("vit"), path.with_name("whole.safetensors"))
    whole = path.with_name("whole.safetensors").read_bytes()
    if path.suffix == ".npz":
        arrays = {"cls_token": np.array([{}], dtype=object)} if kind == "pickled" else {"cls_token": np.zeros(1000)}
        np.savez(path, **arrays)
        whole = path.read_bytes()
    elif path.suffix == ".keras":
        shared("vit").save(path)
        whole = path.read_bytes()
    elif path.suffix == ".pth":
        whole = pickle.dumps(print, protocol=2)
    content = {"cut_off": whole[: len(whole) // 2], "empty": b"", "noise": b"\xff\x00" * 50}
    path.write_bytes(content.get(kind, whole))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("whole.bin", "a file that ends in .safetensors, "),
        ("whole", "a file that ends in .safetensors, "),
        ("cut_off.safetensors", "a whole safetensors file"),
        ("empty.safetensors", "a whole safetensors file"),
        ("noise.safetensors", "a whole safetensors file"),
        ("cut_off.npz", "a whole .npz file of plain arrays"),
        ("empty.npz", "a whole .npz file of plain arrays"),
        ("noise.npz", "a whole .npz file of plain arrays"),
        ("pickled.npz", "a whole .npz file of plain arrays"),
        ("cut_off.keras", "a whole .keras file"),
        ("empty.keras", "a whole .keras file"),
        ("noise.keras", "a whole .keras file"),
        ("pickled.pth", "a whole file of plain tensors"),
        ("noise.pth", "a whole file of plain tensors"),
        ("empty.pth", "a whole file of plain tensors"),
    ],
)
def test_damaged_file(name, message, tmp_path):
    path = tmp_path / name
    damage(path, path.stem)
    with pytest.raises(ValueError, match=f"load_weights: checkpoint='.*{name}'; allowed: {message}"):
        vitgraph.load_weights(shared("vit"), path)


def test_absent_file(tmp_path):
    for path in (tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(OSError, match=f"no checkpoint at '{path}'"):
            vitgraph.load_weights(shared("vit"), path)


def weights(model):
    return {variable.path: value(variable) for variable in model.weights}


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (lambda w: weights(shared("pvt_v2")), ["missing: patch_embed/kernel", " more"]),
        (lambda w: {k: v for k, v in w.items() if k != "norm/gamma"}, ["missing: norm/gamma"]),
        (lambda w: {**w, "extra/kernel": np.ones(3)}, ["unused: extra/kernel (3,)"]),
        (lambda w: {**w, "norm/beta": np.ones(3)}, ["misfit: norm/beta (3,) for norm/beta (16,)"]),
        (lambda w: {**w, "head/bias": np.ones(9)}, ["misfit: head/bias (9,) for head/bias (5,)", "skip_head=True"]),
        (
            lambda w: {**w, "pos_embed/table": np.ones((1, 8, 16))},
            ["misfit: pos_embed/table (1, 8, 16) for pos_embed/"],
        ),
        (lambda w: {}, ["missing: "]),
    ],
    ids=["architecture", "missing", "unused", "misfit", "classes", "positions", "empty"],
)
def test_checkpoint_that_does_not_fit(change, messages, tmp_path):
    """It says all that is wrong, and nothing is loaded, not even what fits."""
    model = TINY["vit"].build()
    before = model.get_weights()
    save_file(change(weights(shared("vit"))), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="other.safetensors'; .* doesn't fit model 'vit'; nothing was ") as caught:
        vitgraph.load_weights(model, tmp_path / "other.safetensors")
    for message in messages:
        assert message in str(caught.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_load_weights_arguments():
    with pytest.raises(ValueError, match="load_weights: source='timm'; allowed: None, a Source, vitgraph, .*vit/timm"):
        vitgraph.load_weights(shared("vit"), {}, source="timm")


def test_save_weights_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"save_weights: path=.*weights.h5'.*; allowed: .* ends in .safetensors"):
        vitgraph.save_weights(shared("vit"), tmp_path / "weights.h5")
    with pytest.raises(OSError, match="absent"):
        vitgraph.save_weights(shared("vit"), tmp_path / "absent" / "weights.safetensors")
    assert not list(tmp_path.iterdir())
