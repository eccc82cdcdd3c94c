"""Is a table of positions read as one of the grid that it is for?"""

import json

import keras
import numpy as np
import pytest
from safetensors import safe_open

import vitgraph
from tests.checkpoints.test_weights import golden, tiny_swin, tiny_vit
from tests.variants import TINY, shared, value
from vitgraph.blocks import (
    AxisOffsets,
    BlockPositions,
    GridBias,
    OffsetBias,
    PositionTable,
    WindowBias,
    WindowOffsetBias,
)
from vitgraph.checkpoints import load_weights, read_checkpoint, resample, save_weights
from vitgraph.checkpoints.derived import weights_per_block
from vitgraph.checkpoints.tables import grids_of
from vitgraph.cli.main import main

WITH_TABLES = [name for name in TINY if grids_of(shared(name)) and name != "swin"]


def tables(model):
    """[(layer, function: its table -> an array (entries, ...), (rows, columns) of the entries)]."""
    kinds = {
        PositionTable: lambda layer, table: (table[0, layer.prefix :], layer.grid),
        BlockPositions: lambda layer, table: (table[0, 0], layer.block_size),
        OffsetBias: lambda layer, table: (table.T, layer.grid),
        WindowOffsetBias: lambda layer, table: (table.T, layer.window_size),
        WindowBias: lambda layer, table: (table, [2 * n - 1 for n in layer.window_size]),
        AxisOffsets: lambda layer, table: (table, [2 * n - 1 for n in layer.grid]),
        GridBias: lambda layer, table: (table[: len(table) - 3 * layer.prefix], [2 * n - 1 for n in layer.grid]),
    }
    for layer in model.layers:
        for kind, read in kinds.items():
            if isinstance(layer, kind):
                yield layer, read


def with_rows(model):
    """Every table's numbers tell the row of the grid, and nothing of the column."""
    for layer, read in tables(model):
        table = np.zeros(layer.table.shape, "float32")
        entries, (rows, columns) = read(layer, table)
        entries += np.repeat(np.arange(1, rows + 1), columns)[:, None]
        if isinstance(layer, BlockPositions):
            table[:] = table[:, :1]
        layer.table.assign(table)
    return model


def assert_rows(model):
    for layer, read in tables(model):
        entries, (rows, columns) = read(layer, value(layer.table))
        grid = entries.reshape(rows, columns, -1)
        np.testing.assert_allclose(grid, grid[:, :1] + 0 * grid, atol=1e-4)
        assert rows == 1 or np.ptp(grid[:, 0, 0]) > 0.3


@pytest.mark.parametrize("name", WITH_TABLES)
def test_our_own_files_know_their_grid(name, tmp_path):
    """As many positions in another shape, and fewer."""
    path = save_weights(with_rows(TINY[name].build((64, 144, 3))), tmp_path / "oblong.safetensors")
    for shape in ((96, 96, 3), (64, 64, 3)):
        model = TINY[name].build(shape)
        assert load_weights(model, path) == "vitgraph"
        assert_rows(model)


@pytest.mark.parametrize("name", ["vit", "levit", "nest", "beit", "pvt"])
def test_keras_files_know_their_grid(name, tmp_path):
    with_rows(TINY[name].build((64, 144, 3))).save(tmp_path / "oblong.keras")
    model = TINY[name].build((96, 96, 3))
    load_weights(model, tmp_path / "oblong.keras")
    assert_rows(model)


@pytest.mark.parametrize(("old", "new"), [((2, 5), 4), ((2, 5), (5, 2)), ((3, 3), (2, 4)), ((1, 5), 2)])
def test_our_own_files_know_their_windows(old, new, tmp_path):
    one = with_rows(tiny_swin((64, 64, 3), window_sizes=(old, old)))
    other = tiny_swin((64, 64, 3), window_sizes=(new, new))
    load_weights(other, save_weights(one, tmp_path / "oblong.safetensors"))
    assert_rows(other) if old[0] > 1 else None
    table, sides = value(one.get_layer("stage_1_block_0_attn_bias").table), np.broadcast_to(new, 2)
    expected = resample.relative_bias_table(table, old, tuple(int(n) for n in sides))
    np.testing.assert_array_equal(value(other.get_layer("stage_1_block_0_attn_bias").table), expected)


@pytest.mark.parametrize("name", WITH_TABLES)
def test_grid_of_a_file_that_does_not_say_it(name):
    """One grid speaks for the tables of all stages; without it our names are those of a net of the same grid."""
    one, other = with_rows(TINY[name].build((64, 144, 3))), TINY[name].build((96, 96, 3))
    plain = {v.path: value(v) for v in one.weights}
    grids = grids_of(one)
    for grid in (grids, next(iter(grids.values()))):
        load_weights(other, plain, grid=grid)
        assert_rows(other)
    copy = TINY[name].build((64, 144, 3))
    load_weights(copy, plain)
    for a, b in zip(one.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(value(a), value(b))


def test_foreign_tables_are_square_unless_something_says_otherwise():
    _, weights, _, _ = golden("vit_eps")  # 4 x 4 patches
    table = np.random.default_rng(0).normal(size=weights["pos_embed"].shape).astype("float32")
    weights = {**weights, "pos_embed": table}
    model = tiny_vit(input_shape=(16, 64, 3))
    for grid, old in ((None, (4, 4)), ((2, 8), (2, 8)), ((8, 2), (8, 2)), ({"pos_embed": (1, 16)}, (1, 16))):
        load_weights(model, weights, grid=grid)
        expected = resample.position_table(table, 1, old, (2, 8))
        np.testing.assert_allclose(value(model.get_layer("pos_embed").table), expected, atol=1e-6)


def test_foreign_tables_that_are_not_square():
    _, weights, _, _ = golden("vit_eps")
    weights = {**weights, "pos_embed": np.ones((1, 7, 24), "float32")}
    load_weights(tiny_vit(input_shape=(16, 24, 3)), weights)
    for grid in (None, (2, 4), (1, 5)):
        with pytest.raises(ValueError, match=r"pos_embed \(1, 7, 24\) for (.|\n)*grid=\(rows, columns\)"):
            load_weights(tiny_vit(), weights, grid=grid)
    load_weights(tiny_vit(), weights, grid=(2, 3))


def test_a_grid_that_the_table_does_not_have_is_refused():
    """Also where the table has the right shape as it is."""
    model, weights, _, _ = golden("vit_eps")
    for grid in ((3, 5), {"pos_embed": (4, 5)}):
        with pytest.raises(ValueError, match="misfit: pos_embed"):
            load_weights(model, weights, grid=grid)
    with pytest.raises(ValueError, match="load_weights: grid=.*; allowed: grids of this model's tables .*: pos_embed"):
        load_weights(model, weights, grid={"pos_embeds": (4, 4)})


def test_a_foreign_map_says_its_grid():
    model, weights, _, _ = golden("pit_eps")
    table = np.random.default_rng(0).normal(size=(1, 8, 3, 12)).astype("float32")
    load_weights(model, {**weights, "pos_embed": table})
    rows = table.reshape(1, 8, 36).transpose(0, 2, 1)
    expected = resample.position_table(rows, 0, (3, 12), (7, 7))
    np.testing.assert_allclose(value(model.get_layer("pos_embed").table), expected, atol=1e-6)


def test_windows_have_a_grid_of_their_own():
    _, weights, _, _ = golden("swin_eps")
    model = tiny_swin((64, 64, 3))
    load_weights(model, weights, grid=(4, 9))  # the map's, which says nothing of the windows
    kind = "relative_position_bias_table"
    oblong = {k: np.ones((3 * 9, v.shape[1]), "float32") if k.endswith(kind) else v for k, v in weights.items()}
    with pytest.raises(ValueError, match="misfit: .*bias_table"):
        load_weights(model, oblong)
    load_weights(model, oblong, grid=dict.fromkeys(grids_of(model), (2, 5)))
    load_weights(model, oblong, grid=(2, 5))


def test_a_file_that_was_read_keeps_its_grid(tmp_path):
    path = save_weights(with_rows(TINY["vit"].build((64, 144, 3))), tmp_path / "oblong.safetensors")
    model = TINY["vit"].build((96, 96, 3))
    load_weights(model, read_checkpoint(path))
    assert_rows(model)


def test_derived_checkpoints_keep_the_grid():
    pretrained = with_rows(TINY["beit"].build((64, 144, 3), rel_pos_bias="shared"))
    finetuned = TINY["beit"].build((96, 96, 3), rel_pos_bias="block")
    load_weights(finetuned, weights_per_block(pretrained))
    assert_rows(finetuned)


def test_the_header_says_the_grids(tmp_path):
    path = save_weights(tiny_vit(input_shape=(32, 72, 3)), tmp_path / "own.safetensors")
    with safe_open(path, framework="numpy") as file:
        assert json.loads(file.metadata()["vitgraph.grids"]) == {"pos_embed": [4, 9]}


def test_the_command_line_takes_a_grid(tmp_path):
    one = with_rows(vitgraph.create("vit_tiny_patch16_224", input_shape=(32, 128, 3), num_classes=3))
    np.savez(tmp_path / "oblong.npz", **{v.path: value(v) for v in one.weights})
    files = str(tmp_path / "oblong.npz"), "vit_tiny_patch16_224", str(tmp_path / "out.safetensors")
    assert main(["convert", *files, "--grid", "2x8", "--input-size", "64", "--num-classes", "3"]) == 0
    table = read_checkpoint(files[-1])["pos_embed/table"][0, 1:, 0].reshape(4, 4)
    np.testing.assert_allclose(table, table[:, :1] + 0 * table, atol=1e-5)


def test_scores_of_another_size_are_those_of_the_open_net(tmp_path):
    """The graph of any size resamples its table itself."""
    one = vitgraph.build_vit((64, 144, 3), patch_size=16, dim=16, depth=1, num_heads=2, num_classes=5)
    any_size = vitgraph.build_vit(
        (None, None, 3), patch_size=16, dim=16, depth=1, num_heads=2, num_classes=5, img_size=(64, 144)
    )
    other = vitgraph.build_vit((96, 96, 3), patch_size=16, dim=16, depth=1, num_heads=2, num_classes=5)
    path = save_weights(one, tmp_path / "oblong.safetensors")
    load_weights(any_size, path)
    load_weights(other, path)
    image = keras.random.normal((2, 96, 96, 3), seed=0)
    np.testing.assert_allclose(value(other(image)), value(any_size(image)), atol=1e-6)
