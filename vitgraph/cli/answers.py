"""Asking a model: `vitgraph predict`, `vitgraph evaluate`, `vitgraph embed`."""

import dataclasses
import json

from vitgraph.cli.arguments import add_command

_BATCH = 32


def add_commands(commands):
    command = add_command(commands, predict, "predict", "print the likeliest classes of images")
    command.add_argument("images", nargs="+", metavar="IMAGE", help="files of images")
    _add_model(command, "--model", required=True, metavar="MODEL")
    command.add_argument("--top", type=int, default=5, metavar="K", help="classes per image; default: 5")
    command.add_argument("--json", action="store_true", help="as JSON")
    text = "draw what the class token of a plain net attends to, in the one image given"
    command.add_argument("--attention", metavar="PNG", help=text)

    command = add_command(commands, evaluate, "evaluate", "count how often a model is right on a folder of images")
    _add_model(command, "model")
    command.add_argument("folder", help="a folder with one folder of images per class, or a manifest")
    command.add_argument("--confusion", metavar="PNG", help="draw which classes are taken for which")
    command.add_argument("--batch-size", type=int, default=_BATCH, metavar="N", help=f"default: {_BATCH}")
    command.add_argument("--skip-unreadable", action="store_true", help="leave out files that can't be read")
    command.add_argument("--json", action="store_true", help="as JSON, without a progress bar")

    text = "write what a net makes of a folder of images to parquet files, or go on with that"
    command = add_command(commands, embed, "embed", text)
    command.add_argument("images", help="a folder of images at any depth, or a manifest")
    command.add_argument("out", help="the folder to write")
    _add_model(command, "--model", required=True, metavar="MODEL")
    text = "features (default), scores or attention"
    command.add_argument("--output", choices=("features", "scores", "attention"), default="features", help=text)
    text = "a level of the features, such as P4; may be given several times; default: the last one"
    command.add_argument("--level", action="append", metavar="L", help=text)
    command.add_argument("--maps", action="store_true", help="whole maps, and not their means")
    command.add_argument("--batch-size", type=int, default=_BATCH, metavar="N", help=f"default: {_BATCH}")
    command.add_argument("--part-size", type=int, default=8192, metavar="N", help="images per file; default: 8192")


def _add_model(command, flag, **options):
    text = "one of `vitgraph list`, a folder of `vitgraph train`, a .keras or .safetensors file, a hub repository"
    command.add_argument(flag, help=text, **options)
    text = "a published tag or a checkpoint's path, where MODEL is one of `vitgraph list`; default: ImageNet's"
    command.add_argument("--weights", metavar="W", help=text)
    text = "turn pictures as their EXIF orientation says; default: as the model was trained"
    command.add_argument("--upright", action="store_true", default=None, help=text)


def _loaded(args):
    """(the model that the arguments name, its `Preprocessing`)."""
    import vitgraph

    if args.model not in vitgraph.list_models():
        if args.weights is not None:
            raise ValueError(f"--weights={args.weights!r}; allowed: only with a name of `vitgraph list` as the model")
        model = vitgraph.load(args.model)
    else:
        tags = vitgraph.list_weights(args.model)
        weights = args.weights or ("imagenet" if any(entry.default for entry in tags.values()) else None)
        if weights is None:
            known = ", ".join(tags) or "none is published"
            raise ValueError(f"--weights is missing; allowed: a checkpoint's path, or a tag of {args.model}: {known}")
        model = vitgraph.create(args.model, weights)
    return model, vitgraph.preprocessing(model, upright=args.upright)


def predict(args):
    import keras
    import numpy as np

    import vitgraph
    from vitgraph import plots

    if args.attention and len(args.images) > 1:
        raise ValueError(f"--attention={args.attention!r}; allowed: with one image, not {len(args.images)}")
    model, prepare = _loaded(args)
    rows = []
    for i in range(0, len(args.images), _BATCH):
        scores = model.predict_on_batch(prepare(args.images[i : i + _BATCH]))
        scores = keras.ops.convert_to_numpy(scores)
        if scores.ndim != 2:
            raise ValueError(f"{args.model!r} gives no class scores: it has no head")
        rows += vitgraph.decode_predictions(scores, args.top, _classes(model, scores.shape[1]))
    if args.attention:
        nothing, one = (0.0,) * len(prepare.mean), (1.0,) * len(prepare.mean)
        image = np.clip(dataclasses.replace(prepare, mean=nothing, std=one)(args.images[0])[0], 0, 1)
        plots.plot_attention(model, image, args.attention, mean=prepare.mean, std=prepare.std)
    if args.json:
        found = zip(args.images, rows, strict=True)
        print(json.dumps([{"image": name, "predictions": [p._asdict() for p in row]} for name, row in found], indent=2))
        return
    for name, row in zip(args.images, rows, strict=True):
        print(name)
        for p in row:
            print(f"  {p.score:8.4f}  {p.name}" + (f"  ({p.id})" if p.id != p.name else ""))


def _classes(model, count):
    """The model's classes; numbers where nobody has named them."""
    from vitgraph.classes import list_with

    return model if model.about.get("classes") or list_with(count) else list(map(str, range(count)))


def evaluate(args):
    import vitgraph

    model, prepare = _loaded(args)
    found = vitgraph.evaluate(
        model,
        args.folder,
        preprocessing=prepare,
        batch_size=args.batch_size,
        unreadable="skip" if args.skip_unreadable else "refuse",
        silent=args.json,
    )
    if args.confusion:
        vitgraph.plots.plot_confusion(found.confusion, args.confusion, class_names=found.class_names)
    if args.json:
        figures = {"count": found.count, "top1": found.top1, "top5": found.top5, "per_class": found.per_class}
        print(json.dumps({**figures, "confusion": found.confusion.tolist()}))
        return
    print(f"{found.count:,} images: top-1 {found.top1:.2%}, top-5 {found.top5:.2%}")
    width = max(map(len, found.class_names))
    print(f"{'class':<{width}}  {'images':>7}  {'recall':>7}  {'precision':>9}")
    for row in found.per_class:
        recall, precision = ("-" if row[key] is None else f"{row[key]:.1%}" for key in ("recall", "precision"))
        print(f"{row['name']:<{width}}  {row['count']:>7}  {recall:>7}  {precision:>9}")


def embed(args):
    import vitgraph

    model, prepare = _loaded(args)
    found = vitgraph.embed(
        model,
        args.images,
        args.out,
        output=args.output,
        levels=args.level,
        pooled=not args.maps,
        preprocessing=prepare,
        batch_size=args.batch_size,
        part_size=args.part_size,
    )
    bad = f"; {len(found.unreadable)} can't be read: {args.out}/_unreadable.csv" if found.unreadable else ""
    print(f"{found.count:,} images in {len(found.files)} files in {args.out}{bad}")
