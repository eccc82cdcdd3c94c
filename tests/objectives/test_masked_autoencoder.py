"""From MAE's pre-training to fine-tuning; what docs/masked-autoencoder.md says is so."""

import keras
import numpy as np
import pytest

import vitgraph
from tests import ROOT
from tests.guides import blocks, printed
from tests.variants import assert_close, value
from vitgraph.blocks import SinCosTable
from vitgraph.objectives import sincos_positions
from vitgraph.plots import plot_reconstruction

GUIDE = ROOT / "docs" / "masked-autoencoder.md"
DECODER = {"decoder_dim": 8, "decoder_depth": 1, "decoder_heads": 2}


def vit(**arguments):
    plain = {"include_top": False, "patch_size": 8, "dim": 16, "depth": 1, "num_heads": 2, "mlp_ratio": 2}
    return vitgraph.build_vit((32, 32, 3), **{**plain, **arguments})


def test_guide(tmp_path, monkeypatch, capsys):
    """Each line that prints says what."""
    monkeypatch.chdir(tmp_path)
    code = "".join(blocks(GUIDE.read_text()))
    exec(compile(code, GUIDE.name, "exec"), {})
    says = printed(code)
    assert says and capsys.readouterr().out.splitlines() == says


def test_fixed_positions(tmp_path):
    """They are MAE's, aren't trained, and stay fixed in what is read back."""
    encoder = sincos_positions(vit())
    table = SinCosTable((4, 4), 1)
    table(np.zeros((1, 17, 16), "float32"), np.zeros((1, 4, 4, 16), "float32"))
    model = vitgraph.masked_autoencoder(encoder, **DECODER)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for fixed in (model, again):
        assert_close(fixed.encoder.get_layer("pos_embed").table, table.table)
        assert not [v.path for v in fixed.trainable_variables if v.path.startswith("pos_embed")]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: sincos_positions(vit(pos_embed="none")), "vit.*; allowed: a graph with a learned table"),
        (lambda: sincos_positions(vit(dim=18)), "a multiple of 4, not 18"),
    ],
    ids=["no table", "width"],
)
def test_positions_that_cannot_be(make, says):
    with pytest.raises(ValueError, match=f"sincos_positions: encoder=.*{says}"):
        make()


def test_picture(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    model = vitgraph.masked_autoencoder(vit(), **DECODER)
    photographs = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    plot_reconstruction(model, photographs, tmp_path / "two.png")
    plot_reconstruction(model, np.concatenate([photographs] * 2), tmp_path / "four.png")
    two, four = (imread(tmp_path / name) for name in ("two.png", "four.png"))
    assert four.shape[0] > 1.7 * two.shape[0] and four.shape[1] == two.shape[1]
    with pytest.raises(ValueError, match=r"images=<array \(2, 16, 32, 3\) float64>; allowed: \(B, 32, 32, 3\)"):
        plot_reconstruction(model, photographs[:, :16], tmp_path / "none.png")
    with pytest.raises(TypeError, match="plot_reconstruction: model=.*; allowed: a masked autoencoder or SimMIM"):
        plot_reconstruction(model.encoder, photographs, tmp_path / "none.png")


def test_shown_tokens_know_nothing_of_the_hidden():
    """What the encoder makes of the tokens that are left is the same whatever the others hold."""
    model = vitgraph.masked_autoencoder(vit(), **DECODER)
    inner = keras.Model(model.graph.input, model.graph.get_layer("decoder_embed").input)
    random = np.random.default_rng(0)
    images, noise = random.random((1, 32, 32, 3), "float32"), random.random((1, 16), "float32")
    mask = np.argsort(np.argsort(noise)) >= 4
    hidden = np.kron(mask.reshape(1, 4, 4), np.ones((1, 8, 8)))[..., None] > 0
    other = np.where(hidden, random.random(images.shape, "float32"), images)
    seen = [inner({"image": keras.ops.array(x), "noise": keras.ops.array(noise)}) for x in (images, other)]
    np.testing.assert_array_equal(value(seen[0]), value(seen[1]))
