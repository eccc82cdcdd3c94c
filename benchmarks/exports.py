"""Every architecture in every form that it can be exported in: how far off, how large, how often the same class.

A tiny net of each builder, in which all of its mechanisms run, learns scikit-learn's handwritten digits for a while and
is exported. Its files are asked about the held-out digits. What can't be written is told with its reason.
"""

import argparse
import pathlib
import sys
import tempfile

from benchmarks.options import opened, set_environment, words
from benchmarks.progress import Progress
from benchmarks.report import tables
from benchmarks.report.store import write

TRAINED = 1437
"""Of 1797 digits; the others are held out."""

CALIBRATION = 128
"""Digits that the ranges of int8 come from."""

FORMS = {  # name: function of `vitgraph.export`, ending of the file, its options; "images" stands for digits
    "saved_model": ("to_saved_model", "", {}),
    "saved_model frozen": ("to_saved_model", "", {"frozen": True}),
    "litert float32": ("to_litert", ".tflite", {}),
    "litert float16": ("to_litert", ".tflite", {"form": "float16"}),
    "litert dynamic int8": ("to_litert", ".tflite", {"form": "dynamic_int8"}),
    "litert int8": ("to_litert", ".tflite", {"form": "int8", "images": True}),
    "litert int16x8": ("to_litert", ".tflite", {"form": "int16x8", "images": True}),
    "onnx": ("to_onnx", ".onnx", {}),
    "openvino": ("to_openvino", ".xml", {}),
    "openvino float16": ("to_openvino", ".xml", {"precision": "float16"}),
    "openvino int8": ("to_openvino", ".xml", {"precision": "int8", "images": True}),
}
SETTINGS = ("epochs", "tuned")


def digits():
    """(images (N, 64, 64, 3), float32, classes (N,)) in a random order."""
    import numpy as np
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = ((data.images[order] / 16 - 0.3) / 0.38).astype("float32")
    return images.repeat(8, axis=1).repeat(8, axis=2)[..., None].repeat(3, axis=3), data.target[order]


def trained(name, images, classes, epochs):
    """The tiny net of that name, with logits of ten classes."""
    import keras

    from tests.variants import TINY

    keras.utils.set_random_seed(0)
    model = TINY[name].build(num_classes=10)
    steps = epochs * -(-TRAINED // 64)
    optimizer = keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(5e-3, steps), global_clipnorm=1.0)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    model.fit(images[:TRAINED], classes[:TRAINED], batch_size=64, epochs=epochs, verbose=0)
    return model


def measure(model, form, images):
    """{"size", "difference", "agreement"} of one form on held-out images; {"error": why} where there is none."""
    import numpy as np

    from vitgraph import export

    function, ending, options = FORMS[form]
    held_out = images[TRAINED:]
    if "images" in options:
        options = {**options, "images": images[:CALIBRATION]}
    with tempfile.TemporaryDirectory() as folder:
        try:
            report = getattr(export, function)(model, pathlib.Path(folder, f"net{ending}"), **options)
            (scores,) = export.load(report.path)(held_out).values()
        except Exception as error:  # each exporter has errors of its own; the table tells them
            return {"error": " ".join(f"{type(error).__name__}: {error}".split())[:600]}
    wanted = model.predict(held_out, verbose=0)
    return {
        "size": report.size,
        "difference": float(np.abs(scores - wanted).max() / np.abs(wanted).max()),
        "agreement": float(np.mean(scores.argmax(1) == wanted.argmax(1))),
    }


def run(options, results):
    """Measures what isn't there yet; keeps the figures after each form."""
    images, classes = digits()
    todo = {name: [form for form in options.forms if f"{name}: {form}" not in results] for name in options.models}
    progress = Progress(max(1, sum(map(len, todo.values()))))
    for name, forms in todo.items():
        if not forms:
            continue
        progress.say(f"{name}: learning")
        model = trained(name, images, classes, options.epochs)
        right = model.predict(images[TRAINED:], verbose=0).argmax(1) == classes[TRAINED:]
        for form in forms:
            progress.say(f"{name}: {form}")
            figures = measure(model, form, images)
            results[f"{name}: {form}"] = {**figures, "model": name, "form": form, "accuracy": float(right.mean())}
            progress.step()
        write(options.out / "exports.md", table(results))
    progress.clear()


def table(results):
    """A row per net: agreement, largest difference as a share of the largest score, size; then what failed and why."""
    rows, reasons = {}, []
    for entry in results.values():
        cells = rows.setdefault(entry["model"], {"accuracy": f"{100 * entry['accuracy']:.0f}"})
        cells[entry["form"]] = _cell(entry)
        if "error" in entry:
            reasons.append(f"- {entry['model']}, {entry['form']}: {entry['error'][:300]}")
    forms = [form for form in FORMS if any(form in cells for cells in rows.values())]
    lines = [[name, *(cells.get(key, "") for key in ("accuracy", *forms))] for name, cells in rows.items()]
    parts = [tables.grid(["net", "right, %", *forms], lines)]
    parts.append("What failed, and why:\n\n" + "\n".join(reasons) if reasons else "Nothing failed.")
    return "\n\n".join(parts) + "\n"


def _cell(entry):
    if "error" in entry:
        return "**failed**"
    return f"{100 * entry['agreement']:.1f}, {entry['difference']:.0e}, {entry['size'] / 1000:.0f} kB"


def parse(arguments):
    from tests.variants import TINY

    parser = argparse.ArgumentParser(prog="python -m benchmarks.exports", description=__doc__)
    parser.add_argument("--models", type=words, default=[*TINY], help=f"of {', '.join(TINY)}; with commas")
    parser.add_argument("--forms", type=words, default=[*FORMS], help=f"of {', '.join(FORMS)}; with commas")
    parser.add_argument("--epochs", type=int, default=15, help="rounds through the digits that a net learns")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for figures and table")
    parser.add_argument("--tuned", action="store_true", help="oneDNN on, and memory that is kept")
    parser.add_argument("--resume", action="store_true", help="go on with the figures in --out")
    options = parser.parse_args(arguments)
    for name, given, allowed in (("models", options.models, TINY), ("forms", options.forms, FORMS)):
        unknown = [word for word in given if word not in allowed]
        if unknown or not given:
            parser.error(f"--{name}: {', '.join(unknown) or 'nothing'}; allowed: {', '.join(allowed)}")
    if options.epochs < 1:
        parser.error(f"--epochs: {options.epochs}; allowed: 1 or more")
    return options


def main(arguments=None):
    options = parse(arguments)
    set_environment(options)
    results = opened("exports", options, SETTINGS)
    run(options, results)
    sys.stdout.write(table(results))


if __name__ == "__main__":
    main()
