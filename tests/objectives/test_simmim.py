"""From SimMIM's pre-training, with one table of positions, to fine-tuning with many; what docs/simmim.md says is so."""

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import vitgraph
from tests import GOLDEN, ROOT
from tests.guides import blocks, printed
from tests.variants import assert_same, images, value
from vitgraph.checkpoints.derived import weights_per_block

GUIDE = ROOT / "docs" / "simmim.md"
X = images(2, 32)


def checkpoint(name):
    tensors = load_file(GOLDEN / f"official_simmim__{name}.safetensors")
    return {key.removeprefix("weights/"): array for key, array in tensors.items() if key.startswith("weights/")}


def tokens(model):
    return keras.Model(model.input, model.stages[-1].output)(X)


@pytest.fixture(scope="module")
def pretrained():
    model = beit(rel_pos_bias="shared", global_pool="token", include_top=False)
    assert vitgraph.load_weights(model, checkpoint("vit"), source="beit/simmim") == "beit/simmim"
    return model


def beit(**arguments):
    return vitgraph.build_beit((32, 32, 3), patch_size=8, dim=24, depth=2, num_heads=3, mlp_ratio=2, **arguments)


def test_simmim_checkpoint_starts_fine_tuning(pretrained):
    """Each block begins with the shared table, the norm after pooling with the last one; only the head is its own."""
    model = beit(num_classes=5)
    assert vitgraph.load_weights(model, checkpoint("vit"), skip_head=True) == "beit/simmim"
    assert_same(tokens(model), tokens(pretrained))
    assert_same(model.get_layer("fc_norm").gamma, pretrained.get_layer("norm").gamma)


def test_own_weights_start_fine_tuning(pretrained):
    model = beit(include_top=False, global_pool="token")
    vitgraph.load_weights(model, weights_per_block(pretrained))
    assert_same(model(X), pretrained(X))
    model.get_layer("block_0_attn_bias").table.assign_add(np.eye(52, 3))
    assert not np.allclose(value(model(X)), value(pretrained(X)))


def test_simmim_checkpoint_of_a_swin():
    sizes = {"patch_size": 2, "dim": 8, "depths": (2, 2, 1), "num_heads": (1, 2, 4), "mlp_ratios": (2, 2, 2)}
    sizes["window_sizes"] = 4
    model, weights = vitgraph.build_swin((32, 32, 3), num_classes=5, **sizes), checkpoint("swin")
    assert vitgraph.load_weights(model, weights, skip_head=True) == "swin/simmim"
    assert_same(model.get_layer("norm").beta, weights["encoder.norm.bias"])


def test_guide(tmp_path, monkeypatch, capsys):
    """Its code runs as it stands, and prints what its comments say."""
    monkeypatch.chdir(tmp_path)
    code = "".join(blocks(GUIDE.read_text()))
    says = printed(code)
    exec(compile(code, GUIDE.name, "exec"), {})
    assert says and capsys.readouterr().out.splitlines() == says
