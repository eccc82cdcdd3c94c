"""Do the benchmarks make of recorded figures what they say? Nothing here is timed."""

import json
import math

import numpy as np
import pytest

from benchmarks import (
    build,
    candidates,
    depthwise,
    latency,
    options,
    photographs,
    pipeline,
    reproduction,
    steps,
    throughput,
)
from benchmarks.children import feed_images
from benchmarks.processes import Worker, backend_of
from benchmarks.report import plots, ratios, store, tables
from tests.variants import CLASSES, TINY
from vitgraph import list_models


def row(candidate, mode, rounds, **more):
    """A measured row, with CPU time of a second thread."""
    turns = [{"wall_s": 8 / speed, "cpu_s": 16 / speed, "memory_mib": 900.0} for speed in rounds]
    made = {"candidate": candidate, "mode": mode, "versions": [f"{candidate} 1.0"], "parameters": 1234567}
    made |= {"build_s": 1.0, "compile_s": 2.0}
    ratios.summarise(made, turns, batch=8, steps=1)
    return {**made, **more}


def entry(model="pvt_v2_b0", task="inference"):
    rows = [
        row("vitgraph", "graph", [10, 20, 30]),
        row("vitgraph", "xla", [5, 6, 7]),
        row("timm", "eager", [5, 40, 10]),
        row("kecam", "graph", [20, 20, 20]),
        {"candidate": "zeromodels", "mode": "graph", "error": "LookupError: no | such net\nand more"},
    ]
    ratios.compare(rows)
    ratios.add_flops(rows, 1e9, 40e9)
    return {"model": model, "task": task, "dtype": "float32", "batch": 8, "size": 224, "rows": rows}


def test_ratios_are_of_rounds_side_by_side():
    assert ratios.median_of_ratios([10, 20, 30], [5, 40, 10]) == {"median": 2, "low": 0.5, "high": 3}
    with pytest.raises(ValueError):
        ratios.median_of_ratios([1, 2], [1])
    with pytest.raises(ValueError, match="no rounds"):
        ratios.median_of_ratios([], [])


def test_geometric_mean():
    assert ratios.geometric_mean([0.5, 2, 8]) == pytest.approx(2)
    assert ratios.geometric_mean([]) is None


def test_a_row_holds_medians_spread_and_shares():
    ours = entry()["rows"][0]
    assert ours["images_per_s"] == 20
    assert ours["spread"] == [10, 30]
    assert ours["images_per_cpu_s"] == pytest.approx(10)
    assert ours["ratio"] == 1  # to timm the rounds' ratios are 2, 0.5, 3, to kecam 0.5, 1, 1.5
    assert (ours["flops_per_s"], ours["share"]) == (20e9, 0.5)


def test_our_fastest_mode_is_compared_with_each_peer_that_was_measured():
    found = ratios.against_peers(entry()["rows"])
    assert list(found) == ["timm", "kecam"]
    assert found["timm"]["median"] == 2
    assert ratios.against_peers(entry()["rows"][2:]) == {}


def test_tables():
    text = tables.of_model(entry())
    assert "| vitgraph | graph | 20.0 | 10.0 to 30.0 | 1.00 | 10.0 |" in text
    assert "| 20.0 | 50 | 1,234,567 |" in text
    assert "absent: LookupError: no / such net |" in text
    assert len({line.count("|") for line in text.splitlines()}) == 1
    lines = tables.summary([entry(), entry("pit_s_224")]).splitlines()
    assert lines[2] == "| pvt_v2_b0 | graph | 20.0 | 2.00 (0.50 to 3.00) | 1.00 (0.50 to 1.50) | 1.00 |"
    assert lines[-1] == "| geometric mean (models) |  |  | 2.00 (2) | 1.00 (2) | 1.00 (2) |"


def test_pictures(tmp_path):
    assert plots.draw([entry(), entry("pit_s_224")], tmp_path / "bars.png", "inference")
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")
    assert not plots.draw([{**entry(), "rows": entry()["rows"][-1:]}], tmp_path / "none.png", "nothing measured")
    assert [path.name for path in tmp_path.iterdir()] == ["bars.png"]


def test_figures_are_kept_and_gone_on_with(tmp_path):
    path, about = tmp_path / "out" / "figures.json", {"cpus": 2, "rounds": 7}
    kept = store.Results(path, about)
    kept["one"] = {"rows": []}
    with pytest.raises(FileExistsError, match="--resume"):
        store.Results(path, about)
    with pytest.raises(ValueError, match="rounds=7"):
        store.Results(path, {**about, "rounds": 3}, resume=True)
    again = store.Results(path, about, resume=True)
    assert "one" in again
    assert "two" not in again
    assert [file.name for file in path.parent.iterdir()] == ["figures.json"]
    path.write_text("{}")
    with pytest.raises(ValueError, match="no figures"):
        store.Results(path, about, resume=True)


def test_a_rerun_skips_what_is_there(tmp_path, monkeypatch, capsys):
    arguments = ["--models", "pvt_v2_b0,pit_s_224", "--peers", "", "--modes", "graph", "--out", str(tmp_path)]
    measured = []

    def measure(options, results, configuration, progress):
        measured.append(configuration[0])
        if len(measured) == 2:
            raise KeyboardInterrupt
        return entry(*configuration[:2])

    monkeypatch.setattr(throughput, "measure", measure)
    monkeypatch.setattr(throughput, "products", lambda *given: None)
    with pytest.raises(KeyboardInterrupt):
        throughput.main(arguments)
    throughput.main([*arguments, "--resume"])
    assert measured == ["pvt_v2_b0", "pit_s_224", "pit_s_224"]
    assert "geometric mean" in capsys.readouterr().out
    report = (tmp_path / "throughput.md").read_text()
    assert "## Inference, float32, batch 8\n" in report
    assert "throughput_inference_float32_batch8.png" in report
    assert len(json.loads((tmp_path / "throughput.json").read_text())["results"]) == 2


@pytest.mark.parametrize(
    ("main", "arguments", "message"),
    [
        (throughput.main, ["--models", "pvt_v2_b9"], "nearest: pvt_v2_b"),
        (throughput.main, ["--models", "goals", "--modes", "graphs"], "--modes: 'graphs'; allowed: graph, xla"),
        (throughput.main, ["--models", "goals", "--batches", "0"], "--batches"),
        (throughput.main, ["--models", "goals", "--peer-python", "nowhere"], "can't be run"),
        (latency.main, ["--models", "goals", "--forms", "int4"], "--forms: 'int4'"),
        (build.main, ["--rounds", "0"], "--rounds: 0; allowed: above 0"),
    ],
)
def test_bad_options_end_the_program_at_once(main, arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([*arguments, "--out", str(tmp_path / "out")])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_sets_of_models_are_published():
    assert set(options.models("goals")) <= set(list_models())
    largest = options.models("largest")
    assert {"pvt_v2_b5", "swin_large_patch4_window12_384"} <= set(largest) <= set(list_models())
    peers = {*candidates.KECAM, *candidates.ZEROMODELS, *candidates.KERAS_HUB}
    assert peers <= set(list_models())


def test_modes():
    assert candidates.modes("timm", ["graph", "xla"]) == ["eager", "compile"]
    assert candidates.modes("vitgraph", ["graph", "graph_folded"], "training") == ["graph"]
    assert candidates.modes("kecam", ["jax"]) == []
    assert candidates.modes("kecam", ["xla", "graph_as_written"]) == ["graph_as_written", "xla"]
    assert candidates.modes("timm", ["graph_as_written"], "training") == ["eager"]
    assert candidates.modes("timm", ["frozen", "openvino", "openvino_int8"]) == ["openvino", "openvino_int8"]
    assert candidates.modes("vitgraph", ["frozen", "openvino"], "training") == []
    assert [backend_of(mode) for mode in ("xla_folded", "jax", "torch")] == ["tensorflow", "jax", "torch"]
    assert [backend_of("openvino", name) for name in ("vitgraph", "timm")] == ["tensorflow", "torch"]


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # OpenVINO's converter
def test_one_runtime_for_nets_of_both_frameworks():
    import keras
    import torch

    random, labels = np.random.default_rng(0), np.zeros(2, "int32")
    images = random.random((2, 8, 8, 3), "float32")
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(inputs)))
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten())
    theirs = module(torch.from_numpy(images).permute(0, 3, 1, 2)).detach().numpy()
    for net, wanted in ((model, model.predict(images, verbose=0)), (module, theirs)):
        step = steps.make(net, "openvino", "inference", "float32", images, labels)
        np.testing.assert_allclose(step.read(step.run()), wanted, rtol=1e-4, atol=1e-5)


def test_latency_tables():
    rows = [
        {"candidate": name, "form": "int8", "threads": 2, "bytes": 2**21, "difference": 0.015, "export_s": 3.0}
        for name in ("vitgraph", "kecam", "zeromodels")
    ]
    for made, seconds in zip(rows, (0.1, 0.2, 0.3), strict=True):
        latency.summarise(made, [{"wall_s": seconds, "cpu_s": 0.4, "memory_mib": 100.0}] * 3, steps=10)
    latency.compare(rows)
    assert rows[0]["ratio"] == pytest.approx(2)
    text = latency.of_model("pit_s_224", {"rows": rows})
    assert "| vitgraph | int8, 2 threads | 10.0 | 10.0 to 10.0 | 2.00 | 40.0 | 2.0 | 1.5e-02 | 100 | 3.0 |" in text


def test_build_takes_medians():
    turns = [{"build_s": seconds, "parameters": 5} for seconds in (1.0, 9.0, 2.0)]
    assert build.median(turns) == {"build_s": 2.0, "parameters": 5}
    assert build.median([{"build_s": 1.0}, {"error": "gone"}]) == {"error": "gone"}


def test_a_training_step_learns():
    model = TINY["vit"].build((32, 32, 3))
    images = np.random.default_rng(0).random((CLASSES, 32, 32, 3), "float32")
    step = steps.make(model, "graph", "training", "float32", images, np.arange(CLASSES, dtype="int32"))
    before = [array.copy() for array in step.weights()]
    losses = [float(step.read(step.run())) for _ in range(3)]
    assert losses == sorted(losses, reverse=True)
    assert math.isfinite(losses[0])
    assert all((a != b).any() for a, b in zip(before, step.weights(), strict=True))
    assert candidates.rates(model) == []


def test_dropout_is_found():
    import keras

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dropout(0.1, name="drop"), keras.layers.Dense(1)])
    assert candidates.rates(model) == ["drop"]


def test_a_process_that_ends_is_an_error():
    import sys

    worker = Worker(sys.executable, program="nowhere")
    assert "No module named benchmarks.children.nowhere" in worker.ask(steps=1)["error"]
    worker.close()


def test_depthwise_forms_are_measured_in_every_shape(monkeypatch, capsys):
    monkeypatch.setattr(depthwise, "NUMBERS", 2**10)
    depthwise.main(["--kernels=3", "--strides=1,2", "--dilations=1,2", "--channels=16", "--batch=2", "--rounds=1"])
    heads, _, *rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert heads == ["kernel, step, dilation", "map", *depthwise.FORMS["tensorflow"]]
    assert [row[0] for row in rows] == ["3, 1, 1", "3, 1, 2", "3, 2, 1"]
    for row in rows:
        assert row[1] == "2 x 7 x 7 x 16"
        assert all(float(number) > 0 for cell in row[2:] for number in cell.strip(")").split(" ("))


@pytest.mark.parametrize("arguments", ["--kernels 0", "--channels 16,x", "--rounds 0", "--strides -1"])
def test_depthwise_refuses_what_is_no_number(arguments, capsys):
    with pytest.raises(SystemExit):
        depthwise.parse(arguments.split())
    assert arguments.split()[0] in capsys.readouterr().err


def test_loaders_are_compared_round_by_round():
    rows = {name: {} for name in ("vitgraph", "timm", "decoding")}
    for (name, made), speeds in zip(rows.items(), ([300, 200, 400], [200, 250, 200], [600, 600, 600]), strict=True):
        turns = [{"wall_s": 64 / speed, "cpu_s": 128 / speed, "memory_mib": 900.0} for speed in speeds]
        made["candidate"] = name
        ratios.summarise(made, turns, batch=64, steps=1)
    ratio = "1.50 (0.80 to 2.00)"
    assert pipeline.cells("deit", rows) == ["deit", "300", "200", ratio, "150", "100", ratio, "50", "33"]
    missing = rows | {"timm": {"candidate": "timm", "error": "ModuleNotFoundError: no timm"}}
    assert "timm: absent" in pipeline.cells("deit", missing)[1]


def test_photographs_are_written_and_fed(tmp_path):
    photographs.write(tmp_path, 4)
    assert sorted(path.parent.name for path in tmp_path.rglob("*.jpg")) == [f"class_{i}" for i in range(4)]
    assert feed_images.begin("vitgraph", "evaluation", str(tmp_path), 2, 1)["versions"]
    figures = feed_images.run(2)
    assert figures["wall_s"] > 0 and figures["cpu_s"] > 0 and figures["memory_mib"] > 0


@pytest.mark.parametrize("arguments", ["--recipes simclr", "--rounds 0", "--workers 0", "--seconds -1"])
def test_pipeline_refuses_what_it_has_not(arguments, capsys):
    with pytest.raises(SystemExit):
        pipeline.parse(arguments.split())
    assert arguments.split()[0] in capsys.readouterr().err


def test_accuracies_are_compared_with_their_standard_errors(tmp_path):
    results = store.Results(tmp_path / "figures.json", {"versions": {"timm": "1.0"}})
    for loop, values in {"vitgraph": (0.90, 0.92), "timm": (0.87, 0.89)}.items():
        for seed, value in enumerate(values):
            results[f"digits/{loop}/{seed}"] = value
    text = reproduction.report(results, ["digits"], 2)
    assert "| digits | 1438 | 359 | 25 | 91.00 ± 1.00 | 88.00 ± 1.00 | 3.00 ± 1.41 | no |" in text
    assert "| digits | timm | 87.0, 89.0 |" in text


def test_a_digit_is_either_learnt_or_held_out():
    (seen, classes), (held_out, _) = reproduction.parts("digits")
    copies = reproduction.DATA["digits"].copies
    assert seen.dtype == np.uint8 and seen.max() == 255 and len(seen) == len(classes)
    kinds = {picture.tobytes() for picture in seen}
    assert len(kinds) == len(seen) // copies and not kinds & {picture.tobytes() for picture in held_out}
