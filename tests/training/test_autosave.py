"""Inside an epoch: a training that ends there goes on with the next batch, as if nothing had happened."""

import os
import signal

import pytest

from tests.training.test_training import ARRAYS, NAME, SMALL, assert_same_training
from vitgraph.cli.main import main
from vitgraph.training import checkpoint, train
from vitgraph.training.progress import Progress

NUMBERS = {
    "recipe": "deit", "base_learning_rate": 0.1, "input_size": 16, "epochs": 2, "warmup_epochs": 1, "batch_size": 4,
    "accumulation": 2, "ema_momentum": 0.9, "model_arguments": {**SMALL, "drop_rate": 0.1}, "validation": 0.25,
    "silent": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    train(NAME, ARRAYS, folder, **NUMBERS)
    return folder


@pytest.fixture
def at_step_three_of_epoch_two(monkeypatch):
    """A function: what it is given happens after that batch, before the state might be kept."""

    def happens(act):
        real = Progress.on_train_batch_end

        def then(self, batch, logs=None):
            real(self, batch, logs)
            if self.epoch == 1 and batch == 2:
                act()

        monkeypatch.setattr(Progress, "on_train_batch_end", then)

    yield happens
    monkeypatch.undo()


def test_told_to_end(whole, at_step_three_of_epoch_two, tmp_path, monkeypatch, capsys):
    at_step_three_of_epoch_two(lambda: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        train(NAME, ARRAYS, tmp_path / "out", **NUMBERS)
    assert ended.value.code == 143 and signal.getsignal(signal.SIGTERM) == before
    assert "the state after epoch 1 and step 3 of epoch 2 is in" in capsys.readouterr().out
    monkeypatch.undo()
    train(NAME, ARRAYS, tmp_path / "out", **NUMBERS)
    assert_same_training(tmp_path / "out", whole)


def test_kept_every_few_minutes(whole, at_step_three_of_epoch_two, tmp_path, monkeypatch):
    def fail():
        raise RuntimeError("as if the machine had gone")

    at_step_three_of_epoch_two(fail)
    with pytest.raises(RuntimeError):
        train(NAME, ARRAYS, tmp_path / "out", save_minutes=1e-9, **NUMBERS)
    state = checkpoint.read_state(tmp_path / "out" / "last.safetensors")
    assert state["epoch"] == 1 and state["step"] in (1, 2)
    monkeypatch.undo()
    train(NAME, ARRAYS, tmp_path / "out", save_minutes=None, **NUMBERS)
    assert_same_training(tmp_path / "out", whole)


def test_command_says_how_it_goes_on(at_step_three_of_epoch_two, tmp_path, capsys):
    from PIL import Image

    for i, pixels in enumerate(ARRAYS[0]):
        path = tmp_path / "images" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    at_step_three_of_epoch_two(lambda: os.kill(os.getpid(), signal.SIGINT))
    options = "--input-size 16 --epochs 2 --warmup-epochs 0 --batch-size 4 --base-learning-rate 0.1 --save-minutes 1e-9"
    sizes = [part for name, number in SMALL.items() for part in ("--model", f"{name}={number}")]
    arguments = ["train", NAME, str(tmp_path / "images"), "--out", str(tmp_path / "out"), *options.split(), *sizes]
    assert main(arguments) == 130
    assert "the same command resumes after epoch 1 and step " in capsys.readouterr().err
