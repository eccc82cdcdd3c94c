"""The command: what it prints, what it writes, and how it refuses."""

import contextlib
import inspect
import json
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

import vitgraph
from tests import ROOT
from tests.parity import parameters
from vitgraph import export
from vitgraph.cli.main import main
from vitgraph.registry import variant

SMALL = ["--input-size", "64", "--num-classes", "3"]


def command(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "vitgraph", *map(str, arguments)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def test_list(capsys):
    assert main(["list", "pvt*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == vitgraph.list_models("pvt*")
    assert "224 x 224" in lines[0]
    net = ["pvt_v2_b0", "224", "x", "224", "3,666,760", "build_pvt_v2"]
    assert lines[4].split() == [*net, "in1k", "(70.654),", "opengvlab_in1k", "(70.5)"]


@pytest.mark.parametrize(("pattern", "like"), [("swin", "swin*"), ("pvt_v2_b0", "pvt_v2_b0*"), ("*_384", "*_384")])
def test_list_finds_the_beginning_of_names(pattern, like, capsys):
    assert main(["list", pattern]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == vitgraph.list_models(like)


def test_list_says_how_good_weights_are(capsys):
    assert main(["list", "crossformer_tiny"]) == 0
    assert capsys.readouterr().out.split("  ")[-2:] == ["build_crossformer", "in1k (81.5)\n"]


def test_list_as_json_says_of_every_variant_what_is_so(capsys):
    assert main(["list", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in shown] == vitgraph.list_models()
    counts = parameters()
    for entry in shown:
        build, row = variant(entry["name"])
        shape = row.get("input_shape", inspect.signature(build).parameters["input_shape"].default)
        assert (*entry["input_size"], entry["builder"]) == (*shape[:2], build.__name__)
        assert entry["parameters"] == counts[entry["name"]]
        assert all(f"{key}=" in entry["arguments"] for key in row if key != "input_shape")
        tags = vitgraph.list_weights(entry["name"])
        assert entry["weights"] == list(tags)
        assert entry["top1"] == {tag: facts.top1 for tag, facts in tags.items() if facts.top1 is not None}


@pytest.mark.parametrize("line", [["list", "swin"], ["--version"], ["--help"], ["train", "--help"], ["list", "absent"]])
def test_quick_answers_import_no_keras(line):
    code = f"""
import sys, time
start = time.process_time()
sys.argv = ["vitgraph"]  # the command, which loads what it needs
from vitgraph.cli import main
try:
    main({line})
except SystemExit:
    pass
assert not {{"keras", "tensorflow", "numpy"}} & set(sys.modules)
assert time.process_time() - start < 0.5
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_summary(capsys):
    assert main(["summary", "pvt_v2_b0", "--input-size", "64x96", "--layers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("pvt_v2_b0: 3,666,760 parameters")
    shapes = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines[1:]}
    assert (shapes["P2"], shapes["P5"]) == ("16 x 24 x 32", "2 x 3 x 256")
    assert shapes["output"] == "1000"
    assert shapes["weights"].startswith("in1k (apache-2.0, top-1 70.654 %), ")
    assert " ".join(shapes["stage_4_block_1_attn_kv"].split()) == "Dense 2 x 3 x 512 131,584"


def test_summary_of_any_size_without_top(capsys):
    assert main(["summary", "vit_tiny_patch16_224", "--input-size", "any", "--no-top"]) == 0
    out = capsys.readouterr().out
    assert "input    ? x ? x 3" in out
    assert "output   ? x ? x 192" in out


def test_export(capsys, tmp_path):
    path = tmp_path / "pvt.tflite"
    arguments = ["export", "pvt_v2_b0", path, *SMALL, "--batch", 1, "--preprocessing", "in1k"]
    assert main([str(argument) for argument in arguments]) == 0
    assert str(path) in capsys.readouterr().out
    scores = export.load(path)(np.zeros((1, 64, 64, 3), "uint8"))["output_0"]
    assert scores.shape == (1, 3)


def test_export_of_a_net_that_knows_itself(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = {"patch_size": 8, "dim": 16, "depth": 1, "num_heads": 2, "num_classes": 3}
    vitgraph.build_vit((32, 32, 3), **net).save("net.keras")
    line = "export net.keras net.tflite --form float16 --preprocessing --batch 1 --input-size 48x32"
    assert main(line.split(" ")) == 0
    assert "net.tflite: " in capsys.readouterr().out
    assert export.load("net.tflite")(np.zeros((1, 48, 32, 3), "uint8"))["output_0"].shape == (1, 3)
    assert main(["export", "net.keras", "saved", "--frozen", "--features"]) == 0
    assert set(export.load("saved", signature="features")(np.zeros((2, 32, 32, 3), "float32"))) == {"P3"}
    for flags, words in {
        "--weights in1k": "has its own",
        "--preprocessing in1k": "allowed: --preprocessing without a tag",
        "--form float16": "allowed: with litert and openvino",
        "--format onnx --frozen": "allowed: with saved_model",
        "--format litert --form half": "'dynamic_int8'",
        "--format litert --form int8 --images absent --preprocessing": "a folder that exists",
    }.items():
        assert main(["export", "net.keras", "other.tflite" if "litert" in flags else "other", *flags.split()]) == 2
        assert words in capsys.readouterr().err
    assert not list(tmp_path.glob("other*"))


@pytest.mark.parametrize("ending", [".safetensors", ".keras"])
def test_convert(ending, capsys, tmp_path):
    model = vitgraph.create("pvt_v2_b0", input_shape=(64, 64, 3), num_classes=3)
    source, out = tmp_path / "source.safetensors", tmp_path / f"out{ending}"
    vitgraph.save_weights(model, source)
    assert main(["convert", str(source), "pvt_v2_b0", str(out), *SMALL]) == 0
    assert "read as vitgraph" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, out.name])
    if ending == ".keras":
        read = keras.saving.load_model(out)
    else:
        read = vitgraph.create("pvt_v2_b0", out, input_shape=(64, 64, 3), num_classes=3)
    images = np.random.default_rng(0).standard_normal((2, 64, 64, 3), "float32")
    np.testing.assert_array_equal(read(images), model(images))


COLOURS = "train pvt_v2_b0 images --out out --recipe finetune --batch-size 2"  # with a mean and a standard deviation
REFUSED = {  # the words that the line must have
    "list nothing*": "no model matches 'nothing*'",
    "list swim": "no model matches",
    "summary pvt_b0": "nearest: pvt_v2_b0",
    "summary pvt_v2_b0 --input-size 8": "height and width of at least 32",
    "summary pvt_v2_b0 --num-classes 0": "num_classes=0",
    "export pvt_v2_b0 model.onnx --format litert --input-size 32": "ends in '.tflite'",
    "export pvt_v2_b0 nowhere/pvt.tflite --input-size 32": "no folder nowhere",
    "export pvt_v2_b0 pvt.tflite --weights absent.safetensors": "no checkpoint at 'absent.safetensors'",
    "export pvt_v2_b0 pvt.tflite --weights in22k": "in1k",
    "export pvt_v2_b0 pvt.tflite --preprocessing half": "allowed: in1k",
    "export pvt_v2_b0 pvt.tflite --batch 0 --input-size 32": "batch_size=0",
    "convert absent.pth pvt_v2_b0 out.safetensors": "no checkpoint at 'absent.pth'",
    "convert broken.safetensors pvt_v2_b0 out.safetensors --input-size 32": "broken.safetensors",
    "convert other.npz pvt_v2_b0 out.keras --input-size 32": "doesn't fit model 'pvt_v2_b0'",
    "convert other.npz pvt_v2_b0 out.h5": "ends in .safetensors or .keras",
    "convert other.npz pvt_v2_b0 nowhere/out.keras": "no folder 'nowhere'",
    f"{COLOURS} --mean 0,0 --std 1,1": "each one number, or 3, one per channel",
    f"{COLOURS} --mean 0,0,0 --std 0,0,0": "normalization=((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))",
    f"{COLOURS} --mean nan --std 1": "normalization=(nan, 1.0)",
    "train pvt_v2_b0 images --out out --std 1,1,1": "--mean and --std go together",
    "train pvt_v2_b0 images --out out --base-learning-rate inf": "base_learning_rate=inf",
    "train pvt_v2_b0 images --out out --model include_top=true": "not 'include_top'",
    "train pvt_v2_b0 images --out out --recipe deep.json": "recipe='deep.json'",
    "pretrain vit_tiny_patch16_224 images --out out --model include_top=true": "not 'include_top'",
    "pretrain vit_tiny_patch16_224 images --out out --augment mixup=0.8": "mixup=0.8; allowed: 0 without classes",
    "pretrain vit_tiny_patch16_224 images --out out --augment cutmix=1": "cutmix=1; allowed: 0 without classes",
    "pretrain vit_tiny_patch16_224 images --out out --label-smoothing 0.1": "label_smoothing=0.1; allowed: 0",
    "demo --epochs 0": "epochs=0",
    "demo --out broken.safetensors": "broken.safetensors",
}


@pytest.mark.parametrize("line", REFUSED)
def test_wrong_input_is_one_line_and_leaves_nothing(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("broken.safetensors").write_bytes(b"broken")
    np.savez("other.npz", some=np.zeros(3), thing=np.zeros(4))
    pathlib.Path("deep.json").write_text("[" * 100_000)
    for label in "ab":
        path = pathlib.Path("images", label, "0.png")
        path.parent.mkdir(parents=True)
        keras.utils.save_img(path, np.zeros((8, 8, 3)), data_format="channels_last")
    before = sorted(tmp_path.rglob("*"))
    assert main(line.split()) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"vitgraph {line.split()[0]}: ")
    assert message.count("\n") == 1
    assert REFUSED[line] in message
    assert sorted(tmp_path.rglob("*")) == before


def test_what_nobody_thought_of_is_one_line_too(capsys, monkeypatch):
    def fail(args):
        raise RuntimeError("a fault\nof many lines\nof its own")

    monkeypatch.setattr("vitgraph.cli.models.show_summary", fail)
    assert main(["summary", "pvt_v2_b0"]) == 2
    assert capsys.readouterr().err == "vitgraph summary: RuntimeError: a fault of many lines (and 1 more)\n"


@pytest.mark.parametrize(
    "line", ["", "nonsense", "summary", "summary pvt_v2_b0 --input-size 3by4", "export a b --batch x"]
)
def test_wrong_arguments_are_one_line(line, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(line.split())
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("vitgraph")
    assert message.count("\n") == 1


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    examples = [line.split() for line in shown.splitlines() if line.startswith("  vitgraph ")]
    commands = {*["list", "summary", "export", "convert", "pretrain", "train", "predict", "evaluate", "embed", "demo"]}
    assert {example[1] for example in examples} == commands


def test_process_refuses_without_a_traceback():
    process = command("summary", "pvt_b0")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("vitgraph summary: ") and err.count("\n") == 1  # without a line of TensorFlow's log


def test_reader_that_has_enough():
    process = command("list")
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) == 0
    assert "Broken" not in err


def test_interrupted_quietly(tmp_path):
    process = command("demo", "--out", tmp_path)
    assert process.stdout.readline()
    for _ in range(6):  # JAX' callback of the garbage collector may catch the first, and says so
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            _, err = process.communicate(timeout=20)
            break
    assert process.returncode == 130
    assert str(ROOT / "vitgraph") not in err
