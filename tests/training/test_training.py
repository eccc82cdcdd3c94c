"""Training: the papers' numbers, what decays, and a loop that goes on exactly, whatever happens to it."""

import _thread
import base64
import csv
import dataclasses
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
import torch

import vitgraph
from tests import ROOT
from tests.variants import TINY, assert_close, shared, value
from vitgraph import objectives
from vitgraph.checkpoints import read_checkpoint
from vitgraph.cli import training as cli_training
from vitgraph.cli.main import main
from vitgraph.images import Augmentation, from_arrays
from vitgraph.training import checkpoint, list_recipes, pretrain, recipe, train
from vitgraph.training.job import Job
from vitgraph.training.net import find_net
from vitgraph.training.optimizer import AdamW, Lamb, LayerwiseAdamW, LayerwiseLamb, decays, depths, learning_rates
from vitgraph.training.supervised import LOSSES

NAME = "vit_tiny_patch16_224"
SMALL = {"patch_size": 8, "dim": 16, "depth": 1, "num_heads": 2, "mlp_ratio": 2, "img_size": 16}
ARRAYS = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), "uint8"), np.arange(24) % 3


def short(**options):
    """Arguments of a training of two steps an epoch."""
    numbers = {"batch_size": 12, "epochs": 2, "warmup_epochs": 1}
    return {"input_size": 16, "model_arguments": SMALL, **numbers, "silent": True, **options}


# Recipes


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("deit", {"epochs": 300, "batch_size": 1024, "learning_rate": 1e-3, "weight_decay": 0.05, "warmup_epochs": 5}),
        ("mae", {"epochs": 800, "batch_size": 4096, "learning_rate": 2.4e-3, "beta_2": 0.95, "warmup_epochs": 40}),
        ("finetune", {"epochs": 100, "batch_size": 1024, "learning_rate": 4e-3, "layer_decay": 0.75}),
        ("deit3", {"epochs": 800, "batch_size": 2048, "learning_rate": 4e-3, "clip_norm": 1.0, "drop_path_rate": 0.05}),
        ("swin", {"epochs": 300, "learning_rate": 1e-3, "warmup_epochs": 20, "clip_norm": 5.0, "drop_path_rate": 0.2}),
        ("beit-finetune", {"epochs": 100, "learning_rate": 4e-3, "warmup_epochs": 20, "layer_decay": 0.65}),
        ("dino", {"epochs": 100, "batch_size": 512, "learning_rate": 1e-3, "weight_decay": 0.04, "clip_norm": 3.0}),
    ],
)
def test_recipes_are_the_papers(name, numbers):
    read = recipe(name)
    assert {number: pytest.approx(getattr(read, number)) for number in numbers} == numbers
    assert "arXiv" in read.source and "github.com" in read.source
    assert name in list_recipes()


def test_augmentation_of_recipes_is_the_papers():
    supervised = {"crop_scale": (0.08, 1.0), "flip": 0.5, "auto_augment": "rand-m9-mstd0.5-inc1", "mixup": 0.8}
    supervised |= {"cutmix": 1.0, "erasing": 0.25, "erasing_mode": "pixel", "mix_mode": "batch"}
    wanted = dict.fromkeys(("finetune", "swin", "beit-finetune"), supervised)
    wanted |= {"deit": {**supervised, "repeats": 3}, "mae": {"crop_scale": (0.2, 1.0), "flip": 0.5}, "dino": {}}
    own = {"repeats": 3, "auto_augment": "3a", "color_jitter": 0.3, "erasing": 0.0}
    wanted["deit3"] = {**supervised, **own}
    assert {name: recipe(name).augmentation for name in list_recipes()} == {
        name: Augmentation(**numbers) for name, numbers in wanted.items()
    }


def test_recipe_of_a_file_and_overrides(tmp_path):
    numbers = {"epochs": 3, "batch_size": 8, "base_learning_rate": 0.1, "augmentation": {"mixup": 0.5}}
    (tmp_path / "own.json").write_text(json.dumps(numbers))
    read = recipe(tmp_path / "own.json", epochs=4, mixup=0.2)
    assert (read.epochs, read.batch_size, read.augmentation.mixup) == (4, 8, 0.2)
    rates = learning_rates(recipe(tmp_path / "own.json", warmup_epochs=1, min_learning_rate=1e-3, batch_size=256), 5)
    np.testing.assert_allclose([rates(step) for step in (0, 1, 5, 10, 15)], [0, 0.02, 0.1, 0.0505, 0.001], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        (
            "diet",
            {},
            r"name_or_path='diet'; allowed: beit-finetune, deit, .*, or a .json file \(did you mean 'deit'\?\)",
        ),
        (None, {}, "name_or_path=None; allowed: one of list_recipes"),
        ("deit", {"epoch": 3}, "unknown argument 'epoch' .did you mean 'epochs'"),
        ("deit", {"augmentation": {"mixupp": 1}}, "unknown argument 'mixupp' .did you mean 'mixup'"),
        ("deit", {"augmentation": 5}, "augmentation=5; allowed: a dictionary of arguments of Augmentation"),
        ("deit", {"warmup_epochs": 300}, "warmup_epochs=300; allowed: less than epochs=300"),
        ("deit", {"warmup_epochs": float("nan")}, "warmup_epochs=nan; allowed: a number from 0"),
        ("deit", {"accumulation": 3}, "accumulation=3; allowed: a divisor of batch_size=1024"),
        ("deit", {"epochs": 1.5}, "epochs=1.5; allowed: an integer"),
        ("deit", {"epochs": True}, "epochs=True; allowed: an integer"),
        ("deit", {"layer_decay": 1.1}, "layer_decay=1.1; allowed: a number over 0, at most 1"),
        ("deit", {"label_smoothing": 1}, "label_smoothing=1; allowed: 0 <= rate < 1"),
        ("deit", {"optimizer": "sgd"}, "optimizer='sgd'; allowed: 'adamw', 'lamb'"),
        ("deit", {"loss": "binary"}, 'label_smoothing=0.1; allowed: 0 with loss="binary"'),
        ("deit", {"weight_decay": "much"}, "weight_decay='much'; allowed: a number"),
        ("deit", {"beta_1": (0.9,)}, r"beta_1=\(0.9,\); allowed: a number"),
        ("deit", {"mixup": (1,)}, r"mixup=\(1,\); allowed: a number from 0 to 100"),
        ("deit", {"min_learning_rate": 1.0}, "min_learning_rate=1.0; allowed: at most the learning rate, 0.001"),
    ],
)
def test_wrong_recipes(name, overrides, message):
    with pytest.raises((ValueError, TypeError), match=f"^recipe: {message}"):
        recipe(name, **overrides)


def test_numpy_numbers_and_lists_become_plain():
    made = recipe("deit", epochs=np.int64(30), mixup=np.float64(0.5), crop_scale=[0.5, 1])
    assert type(made.epochs) is int and type(made.augmentation.mixup) is float
    assert made.augmentation.crop_scale == (0.5, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "a whole JSON file"),
        ("\xff", "a whole JSON file"),
        ("[" * 100_000, "a whole JSON file"),
        ("[]", "a JSON file with a dictionary"),
        ('{"augmentation": []}', "a JSON file with a dictionary"),
        ('{"epochs": 1}', "not without batch_size, base_learning_rate"),
        ('{"epoch": 1}', "a recipe without 'epoch' .did you mean 'epochs'"),
        ('{"augmentation": {"epochs": 1}}', "a recipe without 'epochs'"),
        ('{"epochs": "1", "batch_size": 8, "base_learning_rate": 0.1}', "epochs='1'; allowed: an integer"),
        ('{"epochs": 1, "batch_size": 8, "base_learning_rate": NaN}', "base_learning_rate=nan; allowed: a number"),
    ],
)
def test_files_that_are_no_recipe(text, message, tmp_path):
    path = tmp_path / "own.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises((ValueError, TypeError), match=f"^recipe: .*{message}"):
        recipe(path)


# The optimizer


@pytest.mark.parametrize("name", TINY)
def test_what_decays_and_how_deep_it_stands(name):
    model = shared(name)
    small = (
        "bias", "q_bias", "v_bias", "beta", "gamma", "gate", "scale", "logit_scale", "table", "token", "latent",
        "freqs",
    )  # fmt: skip
    for variable in model.trainable_variables:
        assert variable.name in (*small, "kernel")
        is_position = re.search("_cpb_|_peg/|^pos_embed/", variable.path)
        assert decays(variable) == (variable.name == "kernel" and not is_position)
    found = depths(model)
    assert list(found) == [variable.path for variable in model.weights]
    last = max(found.values())
    assert set(found.values()) == set(range(last + 1))
    assert {depth for path, depth in found.items() if path.startswith("head")} == {last}
    assert {depth for path, depth in found.items() if path.startswith(("patch_embed", "stage_1_embed"))} <= {0}
    reached = [0]
    for path, depth in found.items():
        if "block_" in path and not path.startswith("stem_"):
            assert 0 < depth < last
            reached.append(depth)
    if not name.startswith(("crossvit", "tnt")):  # whose branches stand side by side
        assert reached == sorted(reached)


def test_depths_need_blocks():
    image = keras.Input((4,), name="image")
    with pytest.raises(ValueError, match="depths: model=.*; allowed: a graph of this package"):
        depths(keras.Model(image, keras.layers.Dense(2)(image), name="plain"))


STEPS = """
import keras
import numpy as np
from vitgraph.training import LayerwiseAdamW
def steps(optimizer, variables):
    optimizer.build(variables)
    for i in range(3):
        optimizer.apply([keras.ops.convert_to_tensor(np.full(v.shape, 0.1 * (i + 1), "float32")) for v in variables])
    return [keras.ops.convert_to_numpy(v).tolist() for v in variables]
def variables():
    return [keras.Variable(np.full((2, 2), 1.0, "float32"), name=name) for name in ("kernel", "table")]
def layerwise(**options):
    paths = [v.path for v in variables()]
    scales, decayed = dict(zip(paths, (0.5, 1.0))), paths[:1]
    return LayerwiseAdamW(0.01, 0.1, scales=scales, decayed=decayed, **options)
"""


@pytest.mark.parametrize(("plain", "layerwise"), [(AdamW, LayerwiseAdamW), (Lamb, LayerwiseLamb)])
def test_each_variable_has_its_own_rate(plain, layerwise):
    """As two optimizers: half the rate with decay for one variable, the whole without for the other."""
    scope: dict = {}
    exec(STEPS, scope)
    scope["LayerwiseAdamW"] = layerwise
    kernel, table = scope["steps"](scope["layerwise"](), scope["variables"]())
    assert_close(kernel, scope["steps"](plain(0.005, weight_decay=0.1), scope["variables"]()[:1])[0])
    assert_close(table, scope["steps"](keras.optimizers.Adam(0.01), scope["variables"]()[1:])[0])
    with pytest.raises(ValueError, match="scales has no entry for other"):
        scope["layerwise"]().build([keras.Variable(np.zeros((2, 2)), name="other")])


def test_adamw_is_that_of_pytorch():
    """Gradients of all sizes: those around epsilon tell where it is added."""
    random, shape = np.random.default_rng(0), (20, 30)
    start = random.standard_normal(shape)
    gradients = [10 ** random.uniform(-10, 0, shape) * random.choice([-1, 1], shape) for _ in range(5)]
    theirs = torch.nn.Parameter(torch.tensor(start))
    reference = torch.optim.AdamW([theirs], 0.01, (0.9, 0.95), 1e-6, 0.05)
    ours = keras.Variable(start, dtype="float64")
    optimizer = AdamW(0.01, 0.05, 0.9, 0.95, 1e-6)
    optimizer.build([ours])
    for gradient in gradients:
        theirs.grad = torch.tensor(gradient)
        reference.step()
        optimizer.apply([keras.ops.convert_to_tensor(gradient)])
    np.testing.assert_allclose(value(ours), theirs.detach().numpy(), rtol=1e-7, atol=1e-8)  # the rate is in float32


def test_binary_loss_is_that_of_pytorch():
    """Of two images with parts of two classes each, as DeiT III's code has it."""
    shares, scores = np.array([[0.9, 0.1, 0.0], [0.0, 0.5, 0.5]]), np.random.default_rng(0).standard_normal((2, 3))
    there = torch.tensor(shares).gt(0).double()
    expected = torch.nn.BCEWithLogitsLoss()(torch.tensor(scores), there)
    assert_close(LOSSES["binary"](from_logits=True)(shares, scores), expected)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_take_the_same_steps(backend, fresh_process):
    code = f"import os\nos.environ['KERAS_BACKEND'] = '{backend}'\n{STEPS}"
    code += "print(steps(layerwise(gradient_accumulation_steps=2, use_ema=True, global_clipnorm=0.2), variables()))"
    scope: dict = {}
    exec(STEPS, scope)
    options = {"gradient_accumulation_steps": 2, "use_ema": True, "global_clipnorm": 0.2}
    expected = scope["steps"](scope["layerwise"](**options), scope["variables"]())
    assert_close(json.loads(fresh_process(code)), expected)


def test_layerwise_optimizer_is_saved(tmp_path):
    model = TINY["vit"].build((16, 16, 3), dim=8, depth=1)
    scales = {variable.path: 0.5 for variable in model.trainable_variables}
    decayed = [variable.path for variable in model.trainable_variables if decays(variable)]
    model.compile(LayerwiseAdamW(0.01, scales=scales, decayed=decayed), "mse", run_eagerly=True)
    data = np.ones((4, 16, 16, 3), "float32"), np.ones((4, 5), "float32")
    model.fit(*data, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for m in (model, again):
        m.fit(*data, verbose=0)
    for a, b in zip(model.weights, again.weights, strict=True):
        assert_close(a, b)


# A whole training, and what may happen to it


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of images to train and to validate on: of each class another brightness."""
    root, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for part, count in (("train", 32), ("val", 8)):
        for i in range(count):
            folder = root / part / f"class_{i % 4}"
            folder.mkdir(parents=True, exist_ok=True)
            pixels = (random.integers(0, 60, (16, 16, 3)) + 45 * (i % 4)).astype("uint8")
            keras.utils.save_img(folder / f"{i}.png", pixels, data_format="channels_last", scale=False)
    return root


def command(folders, out):
    """A training in which everything runs: half batches, averages, layer-wise rates, stochastic depth."""
    numbers = {
        "epochs": 8, "batch-size": 16, "accumulation": 2, "base-learning-rate": 0.3, "warmup-epochs": 1,
        "layer-decay": 0.8, "ema-momentum": 0.8, "drop-path-rate": 0.2, "clip-norm": 1.0, "input-size": 16,
    }  # fmt: skip
    line = ["train", NAME, folders / "train", "--validation", folders / "val", "--out", out]
    line += [word for name, number in numbers.items() for word in (f"--{name}", number)]
    line += [word for name, number in SMALL.items() for word in ("--model", f"{name}={number}")]
    return list(map(str, line))


def process(arguments):
    """The command in a process of its own."""
    code = "import sys\nfrom vitgraph.cli import main\nsys.exit(main(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(folders, tmp_path_factory):
    """The folder of a training that nothing happened to."""
    out = tmp_path_factory.mktemp("whole")
    assert main(command(folders, out)) == 0
    return out


def history(folder):
    return checkpoint.read_state(folder / "last.safetensors")["history"]


def assert_same_training(folder, other):
    assert history(folder) == history(other)
    for name in ("last", "best", "weights"):
        a, b = (read_checkpoint(path / f"{name}.safetensors") for path in (folder, other))
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def test_what_a_training_leaves(whole, folders):
    names = {path.name for path in whole.iterdir()}
    assert names == {
        "run.json", "last.safetensors", "best.safetensors", "history.csv", "history.png", "tensorboard", "model.keras",
        "weights.safetensors", "confusion.png", "worst.png", "report.html",
    }  # fmt: skip
    report = (whole / "report.html").read_text()
    for name in ("history.png", "confusion.png", "worst.png"):
        assert base64.b64encode((whole / name).read_bytes()).decode() in report
    figures = history(whole)
    assert {len(values) for values in figures.values()} == {8}
    assert figures["loss"][-1] < figures["loss"][0]
    with (whole / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == figures["val_loss"]
    assert (whole / "history.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((whole / "run.json").read_text())["recipe"]["epochs"] == 8

    model = keras.saving.load_model(whole / "model.keras")
    again = vitgraph.create(NAME, whole / "weights.safetensors", input_shape=(16, 16, 3), num_classes=4, **SMALL)
    for a, b in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(value(a), value(b))
    # What is kept are the averages: they answer as it says that they did.
    mean, std = (np.array(numbers) for numbers in json.loads((whole / "run.json").read_text())["normalization"])
    files = sorted((folders / "val").glob("*/*.png"))
    x = np.stack([(keras.utils.img_to_array(keras.utils.load_img(path)) / 255 - mean) / std for path in files])
    y = np.array([int(path.parent.name[-1]) for path in files])
    scores = model.predict(x, verbose=0)
    assert -np.log(scores[np.arange(8), y]).mean() == pytest.approx(figures["val_ema_loss"][-1], rel=1e-4)
    assert (scores.argmax(-1) == y).mean() == figures["val_ema_accuracy"][-1]
    assert figures["val_ema_loss"] != figures["val_loss"]


def test_a_trained_model_knows_what_it_is(whole, folders):
    """Its classes, what images go through, its figures: read back it is as right as it was in training."""
    model = vitgraph.load(whole)
    assert model.about["classes"] == [f"class_{i}" for i in range(4)]
    assert model.about["figures"]["val_ema_loss"] == history(whole)["val_ema_loss"][-1]
    assert vitgraph.preprocessing(model).size == (16, 16) and vitgraph.preprocessing(model).upright
    weights = vitgraph.load(whole / "weights.safetensors")
    assert weights.about == model.about
    found = vitgraph.evaluate(weights, folders / "val", silent=True)
    assert found.top1 == history(whole)["val_ema_accuracy"][-1]
    assert found.confusion.sum() == found.count == 8


def test_tensorboard(whole):
    import tensorflow as tf

    found: dict = {}
    for path in (whole / "tensorboard").iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            for entry in tf.compat.v1.Event.FromString(record.numpy()).summary.value:
                found.setdefault(entry.tag, []).append(entry.simple_value)
    for name, values in history(whole).items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6)
    assert min(found["images_per_second"]) > 0


def test_a_finished_training_is_left_alone(whole, folders, capsys):
    before = {path: path.stat().st_mtime_ns for path in whole.iterdir() if path.name != "run.json"}
    start = time.perf_counter()
    assert main(command(folders, whole)) == 0
    assert time.perf_counter() - start < 3
    assert "finished  8 epochs: loss" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_another_training_in_its_folder_is_refused(whole, folders, capsys):
    before = {path: path.read_bytes() for path in whole.iterdir() if path.is_file()}
    assert main([*command(folders, whole), "--epochs", "9", "--seed", "1"]) == 2
    message = capsys.readouterr().err
    assert "without a training that has other settings" in message and "seed: 0 there, 1 here (and 1 more)" in message
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.heavy
def test_killed_it_goes_on_exactly(whole, folders, tmp_path, capsys):
    running = process(command(folders, tmp_path))
    lines = []
    while not lines or "epoch 3/8   done" not in lines[-1]:
        lines.append(running.stdout.readline())
        assert lines[-1], running.stderr.read()[-3000:]
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=60)
    assert 3 <= checkpoint.read_state(tmp_path / "last.safetensors")["epoch"] < 8
    (tmp_path / ".last.safetensors.half").write_bytes(b"what a killed process was writing")

    assert main(command(folders, tmp_path)) == 0
    shown = capsys.readouterr().out
    assert "resumes   after epoch" in shown and "epoch 3/8" not in shown
    assert_same_training(tmp_path, whole)
    assert not list(tmp_path.glob(".*"))


def test_interrupted_and_then_without_space(folders, tmp_path, capsys):
    """The second time no file may become as large as the checkpoint."""
    path = tmp_path / "last.safetensors"

    def interrupt():
        while not path.exists():
            time.sleep(0.001)
        _thread.interrupt_main()

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    try:
        assert main(command(folders, tmp_path)) == 130
    except KeyboardInterrupt:
        pytest.fail("the training ended before it was interrupted")
    finally:
        watcher.join()
    done = checkpoint.read_state(path)["epoch"]
    assert f"interrupted; the same command resumes after epoch {done}" in capsys.readouterr().err

    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) - 1, hard))
    try:
        assert main(command(folders, tmp_path)) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    message = capsys.readouterr().err
    assert "can't be written to" in message and "File too large" in message and message.count("\n") == 1
    assert f"the state after epoch {done} is in" in message
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_broken_checkpoints_are_refused(whole, folders, tmp_path, capsys):
    data = (whole / "last.safetensors").read_bytes()
    for damaged in (data[:5000], data[:-1] + bytes([data[-1] ^ 1])):
        (tmp_path / "last.safetensors").write_bytes(damaged)
        with pytest.raises(ValueError, match="isn't a whole checkpoint of a training"):
            checkpoint.read(tmp_path / "last.safetensors")
    (tmp_path / "last.safetensors").write_bytes(data[:5000])
    assert main(command(folders, tmp_path)) == 2
    assert "isn't a whole checkpoint of a training" in capsys.readouterr().err
    tensors, _ = checkpoint.read(whole / "last.safetensors")
    model = TINY["vit"].build()
    optimizer = keras.optimizers.AdamW(name="adamw")
    optimizer.build(model.trainable_variables)
    before = [value(variable) for variable in model.weights]
    with pytest.raises(ValueError, match="doesn't fit 'vit'; nothing was restored:\n  missing: model/block_1_norm1"):
        checkpoint.restore(model, optimizer, tensors)
    for a, b in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(a, value(b))


def test_a_loss_that_is_not_finite_stops(tmp_path):
    """The warm-up's first step is of length 0, the second too long by far: that is seen in the second epoch."""
    with pytest.raises(FloatingPointError, match=r"isn't finite in epoch 2.*the state after epoch 1 is in .*clip_norm"):
        train(NAME, ARRAYS, tmp_path, **short(epochs=3, base_learning_rate=1e25))
    tensors, state = checkpoint.read(tmp_path / "last.safetensors")
    assert state["epoch"] == 1
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())


def test_images_are_prepared_as_the_weights_that_training_begins_with_want():
    name, tag = "beit_base_patch16_224", "in22k_ft_in22k"
    numbers = recipe("finetune", batch_size=8)
    net = find_net(name, numbers, {}, input_size=None, channels=3, weights=tag, dtype=None, arguments={})
    job = Job("train", net, from_arrays(*ARRAYS), None, numbers, None, 0, True)
    assert job.normalization == ((0.5,) * 3, (0.5,) * 3)
    assert job.preparation == {"interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center"}


def test_weights_for_channels_in_another_order(tmp_path):
    with pytest.raises(ValueError, match="^train: weights='apple_in1k'; allowed: others: these take BGR"):
        train("mobilevit_xxs", ARRAYS, tmp_path, weights="apple_in1k", **short(model_arguments={}))


def test_a_graph_in_half_precision_under_xla(tmp_path):
    graph = TINY["vit"].build((16, 16, 3), patch_size=8, depth=1, num_classes=3, dtype="mixed_float16")
    before = graph.get_weights()
    result = train(graph, ARRAYS, tmp_path, recipe="finetune", jit_compile=True, **short(model_arguments=None))
    assert np.isfinite(result.history["loss"]).all()
    assert "optimizer/loss_scale/dynamic_scale" in checkpoint.read(result.state)[0]
    assert not any(np.array_equal(a, b) for a, b in zip(before, graph.get_weights(), strict=True) if a.any())
    assert result.best is None


# Pre-training


class Recall(objectives.Objective):
    """A tiny objective with random draws: features times noise are to be 1."""

    def __init__(self, encoder, strength=1.0, seed=None, name="recall"):
        super().__init__(encoder, seed, name, strength=strength)

    def wire(self):
        noise = keras.Input((), name="noise")
        image = self.encoder.input
        features = keras.layers.Dense(4, name="projector")(keras.layers.Flatten()(self.encoder(image)))
        loss = keras.ops.mean(keras.ops.square(self.strength * features * noise[:, None] - 1))
        return keras.Model({"image": image, "noise": noise}, {"loss": loss})

    def draw(self, images):
        return {"noise": keras.random.uniform(keras.ops.shape(images)[:1], seed=self.seed_generator)}


def test_pretraining_and_what_follows(tmp_path, monkeypatch):
    monkeypatch.setitem(objectives.OBJECTIVES, "recall", Recall)
    arguments = {**SMALL, "global_pool": "avg", "fc_norm": True}
    options = short(model_arguments=arguments, objective="recall", validation=0.5, batch_size=6)
    result = pretrain(NAME, ARRAYS[0], tmp_path / "a", objective_arguments={"strength": 0.5}, **options)
    assert list(result.history) == ["loss", "learning_rate", "val_loss"]
    encoder = keras.saving.load_model(result.model)
    assert encoder.output_shape == (None, 2, 2, 16)
    model = vitgraph.create(NAME, result.weights, skip_head=True, input_shape=(16, 16, 3), num_classes=3, **arguments)
    for variable in encoder.weights:
        layer, name = variable.path.split("/")
        assert_close(getattr(model.get_layer(layer), name), variable)

    options = short(model_arguments=arguments, recipe="finetune", weights=result.weights)
    tuned = train(NAME, ARRAYS, tmp_path / "b", **options)
    assert np.isfinite(tuned.history["loss"]).all()


# Wrong input

WRONG = {  # what is said before the first step
    "model='vit_tinny_patch16_224'; allowed: .* nearest: vit_tiny_patch16_224": {"model": "vit_tinny_patch16_224"},
    "batch_size=25; allowed: at most 24": {"batch_size": 25},
    "height and width of at least 8": {"input_size": 7},
    "input_size=0; allowed": {"input_size": 0},
    "images of 2 or more classes, not 1": {"images": (ARRAYS[0], np.zeros(24, int))},
    "arguments of build_vit, not 'depht' .did you mean 'depth'": {"model_arguments": {"depht": 2}},
    "validation=1.5; allowed": {"validation": 1.5},
    "unknown argument 'epoch' .did you mean 'epochs'": {"epoch": 2},
    "unknown argument 'valdation' .did you mean 'validation'": {"valdation": 0.1},
    "no checkpoint at 'absent.safetensors'": {"weights": "absent.safetensors"},
    "out=.*; allowed: a folder": {"out": __file__},
    "arguments of build_vit, not 'num_classes'": {"model_arguments": {"num_classes": 3}},
    "depth=-1; allowed": {"model_arguments": {"depth": -1}},
    "channels=5; allowed: 1 or 3": {"channels": 5},
    "normalization=.*; allowed: .* 3, one per channel": {"normalization": ((0.5, 0.5), (0.5, 0.5))},
    "std.*|normalization=.*; allowed": {"normalization": ((0.5,) * 3, (0.0,) * 3)},
    "jit_compile='x'; allowed": {"jit_compile": "x"},
    "seed=-1; allowed": {"seed": -1},
    "warmup_epochs=nan; allowed": {"warmup_epochs": float("nan")},
    "images=.*; allowed: uint8, or floats from 0 to 1, not object": {"images": (np.full((24, 4, 4, 3), None), None)},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_input(message, tmp_path):
    options = {"model": NAME, "images": ARRAYS, "out": tmp_path / "out", **WRONG[message]}
    with pytest.raises((ValueError, TypeError, OSError), match=message):
        train(options.pop("model"), options.pop("images"), options.pop("out"), **short(**options))
    assert not list(tmp_path.iterdir())


def test_wrong_graphs(tmp_path):
    tiny = TINY["vit"]
    for graph, message in (
        (tiny.build((16, 16, 3), patch_size=8, include_top=False), "a graph with include_top=True"),
        (tiny.build((16, 16, 3), patch_size=8, num_classes=7), "a graph with 3 scores, .* not 7"),
        (tiny.build((16, 16, 3), patch_size=8, classifier_activation="sigmoid"), "classifier_activation .* 'sigmoid'"),
        (tiny.build_open(patch_size=8), "input_size=None; allowed: a size"),
    ):
        with pytest.raises(ValueError, match=f"^train: .*{message}"):
            train(graph, ARRAYS, tmp_path, **short(model_arguments=None, input_size=None))
    with pytest.raises(TypeError, match="^train: model=.*; allowed: one of vitgraph.list_models"):
        train(keras.layers.Dense(2), ARRAYS, tmp_path, **short(model_arguments=None))
    for options in ({"weights": "in1k"}, {"model_arguments": {"depth": 1}}, {"drop_path_rate": 0.1}):
        with pytest.raises(ValueError, match="none with a graph, which is taken as it is"):
            train(graph, ARRAYS, tmp_path, **{**short(model_arguments=None), **options})


def test_wrong_objectives(tmp_path, monkeypatch):
    monkeypatch.setitem(objectives.OBJECTIVES, "recall", Recall)
    with pytest.raises(ValueError, match=r"objective='recal'; allowed: byol, .*recall, .*\(did you mean 'recall'\?\)"):
        pretrain(NAME, ARRAYS[0], tmp_path, objective="recal", **short())
    with pytest.raises(ValueError, match=r"arguments of recall: strength, .* \(did you mean 'strength'\?\)"):
        pretrain(NAME, ARRAYS[0], tmp_path, objective="recall", objective_arguments={"strenght": 1}, **short())


# The command line


def test_every_number_of_a_recipe_has_a_flag():
    fields = {field.name for field in dataclasses.fields(vitgraph.training.Recipe)}
    assert set(cli_training.NUMBERS) == fields - {"augmentation", "source"}


@pytest.mark.parametrize("name", ["train", "pretrain"])
def test_help_is_worth_reading(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for heading in ("images:", "model:", "recipe:", "run:", "examples:"):
        assert f"\n{heading}\n" in shown
    assert shown.count(f"\n  vitgraph {name} ") >= 2
    assert max(map(len, shown.splitlines())) <= 120
