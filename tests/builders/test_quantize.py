"""Are quantised and LoRA-tuned nets, read back by another process, exactly what was saved?

Quantised answers are compared with the float ones by the root mean square of their difference, relative to that of the
float answers; two nets that have nothing to do with each other differ by about 1.4.
"""

import gc

import keras
import numpy as np
import pytest

from tests.variants import CLASSES, EVERY_LAYER, TINY, images, value, with_random_weights
from vitgraph import export

# int8 rounds weights and inputs to 127 steps, 0.5 % a layer; int4 rounds weights to 7 steps, 10 % a layer.
QUANTISED = {"int8": 0.05, "int4": 0.4}

RELOAD = """
import gc, pathlib, sys
import keras, numpy as np, vitgraph
gc.freeze()
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
    model, case = keras.models.load_model(path), np.load(path.with_suffix(".npz"))
    np.testing.assert_array_equal(model(case["x"]), case["y"], err_msg=path.stem)
    special = [layer.name for layer in model.layers if layer.quantization_mode or getattr(layer, "lora_rank", None)]
    print(path.stem, *special)
"""


@pytest.fixture
def reloaded(tmp_path, fresh_process):
    """A function that saves models {name: model} and has another process read them and compare their answers.

    It gives {name: its quantised or LoRA layers}, as the other process found them.
    """

    def run(models):
        for name, model in models.items():
            model.save(tmp_path / f"{name}.keras")
            np.savez(tmp_path / f"{name}.npz", x=images(), y=value(model(images())))
        lines = [line.split() for line in fresh_process(RELOAD, tmp_path).splitlines()]
        return {name: layers for name, *layers in lines}

    return run


@pytest.fixture
def quantised():
    """A function that quantises a model. Keras collects garbage once a layer: not among all that was made before."""

    def run(model, mode):
        gc.freeze()
        model.quantize(mode)

    yield run
    gc.unfreeze()


# `Model.quantize` says so of every layer without a matrix of weights, Keras' own included.
quantises = pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method implemented:UserWarning")


PROJECTIONS = ("vit", "swin", "pvt_v2", "levit", "cait", "mobilevit_v2", "vit_modern")
"""A net for each way in which queries, keys and values are projected."""


@pytest.mark.heavy
@quantises
def test_quantised(reloaded, quantised):
    """int8 in nets that have every layer; int4 and files, which are Keras' `Dense`'s own, in those projections."""
    models, dense = {}, {}
    for mode, names in {"int8": dict.fromkeys((*EVERY_LAYER, *PROJECTIONS)), "int4": PROJECTIONS}.items():
        for name in names:
            model, case = with_random_weights(TINY[name].build()), f"{name}_{mode}"
            exact = value(model(images(8)))
            quantised(model, mode)
            change = np.sqrt(np.mean((value(model(images(8))) - exact) ** 2) / np.mean(exact**2))
            assert 0 < change < (np.inf if TINY[name].discrete else QUANTISED[mode]), case
            layers = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dense)]
            assert layers == [layer.name for layer in model.layers if layer.quantization_mode], case
            if name in PROJECTIONS:
                models[case], dense[case] = model, layers
    assert reloaded(models) == dense


def test_lora_on_what_attention_projects_from(reloaded):
    models = {name: with_random_weights(TINY[name].build()) for name in PROJECTIONS}
    tuned = {}
    for name, model in models.items():
        plain = value(model(images()))
        for layer in model.layers:
            layer.trainable = layer.name.endswith(("_qkv", "_q", "_kv", "_in_proj"))
            if layer.trainable:
                layer.enable_lora(2)
        tuned[name] = [layer.name for layer in model.layers if layer.trainable]
        np.testing.assert_array_equal(model(images()), plain)

        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.02), loss, run_eagerly=True)  # once, not worth being traced
        model.fit(images(), np.arange(2) % CLASSES, verbose=0)
        trained = {variable.name for variable in model.trainable_variables}
        assert trained >= {"lora_kernel_a", "lora_kernel_b"} and "kernel" not in trained, name
        assert np.abs(value(model(images())) - plain).max() > 1e-3, name
    assert reloaded(models) == tuned


@quantises
def test_quantised_and_exported(tmp_path, quantised):
    for mode in QUANTISED:
        model = with_random_weights(TINY["vit"].build())
        quantised(model, mode)
        export.to_saved_model(model, tmp_path / mode)
        if mode == "int8":
            with pytest.raises(ValueError, match="name=vit.*; allowed: the model before it was quantised, or int4"):
                export.to_litert(model, tmp_path / "net.tflite")
        else:
            assert export.to_litert(model, tmp_path / "net.tflite").difference < 1e-5
