"""Writing files: `vitgraph export`, `vitgraph convert`."""

import pathlib

from vitgraph.cli.arguments import add_command, add_model_arguments, created, input_size


def add_commands(commands):
    command = add_command(commands, export, "export", "write a SavedModel, LiteRT or ONNX file, and check it")
    add_model_arguments(command)
    command.add_argument("out", help="the file to write or, for a SavedModel, the folder")
    command.add_argument(
        "--format",
        choices=("litert", "saved_model", "onnx"),
        help="default: by OUT's ending, .tflite or .onnx, else SavedModel",
    )
    command.add_argument(
        "--weights", metavar="W", help="a checkpoint's path or timm's tag, such as in1k; default: random"
    )
    command.add_argument("--batch", type=int, metavar="N", help="fix the batch size; default: any")
    command.add_argument(
        "--preprocessing", metavar="TAG", help="take raw uint8 pixels, normalised as timm's TAG wants them"
    )

    text = "convert a timm, official or own checkpoint to a file of this package, whole or not at all"
    command = add_command(commands, convert, "convert", text)
    command.usage = (
        "vitgraph convert CHECKPOINT NAME OUT [--input-size SIZE] [--num-classes N] [--no-top] [--grid GRID]\n"
        "       vitgraph convert MODEL OUT --names timm|official|transformers"
    )
    command.add_argument("checkpoint", help="the file to read: .safetensors, .npz, .keras, or with torch .pth")
    add_model_arguments(command)
    text = "the checkpoint's patches, 14x28 (rows x columns), where they aren't a square"
    command.add_argument("--grid", type=input_size, metavar="GRID", help=text)
    text = "the file to write: .safetensors for weights, .keras for the whole model"
    command.add_argument("out", nargs="?", help=text)
    text = "the other way: write MODEL, a file or folder that says what it is, under the names of timm, of its authors"
    command.add_argument("--names", metavar="NAMES", help=f"{text} (official) or of transformers")


def export(args):
    import vitgraph
    from vitgraph import export

    tags = vitgraph.list_weights(args.name)
    if args.preprocessing not in (None, *tags):
        raise ValueError(f"--preprocessing {args.preprocessing!r} of {args.name}; allowed: {', '.join(tags) or 'none'}")
    kind = args.format or {".tflite": "litert", ".onnx": "onnx"}.get(pathlib.Path(args.out).suffix, "saved_model")
    model = created(args, weights=args.weights)
    if args.preprocessing:
        model = export.with_preprocessing(model, tags[args.preprocessing].mean, tags[args.preprocessing].std)
    report = getattr(export, f"to_{kind}")(model, args.out, batch_size=args.batch)
    operations = f", {len(report.ops)} kinds of operations" if report.ops else ""
    print(f"{report.path}: {report.size / 1e6:.1f} MB{operations}, at most {report.difference:.1e} off the model")


def convert(args):
    import vitgraph
    from vitgraph.scratch import written

    if args.names is not None:
        _convert_back(args)
        return
    if args.out is None:
        raise ValueError("out is missing; allowed: vitgraph convert CHECKPOINT NAME OUT, or MODEL OUT --names NAMES")
    out = pathlib.Path(args.out)
    if out.suffix not in (".safetensors", ".keras"):
        raise ValueError(f"out={args.out!r}; allowed: a name that ends in .safetensors or .keras")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(out.parent)!r}")
    model = created(args)
    kind = vitgraph.load_weights(model, args.checkpoint, grid=args.grid)
    with written(out) as path:
        vitgraph.save_weights(model, path) if out.suffix == ".safetensors" else model.save(path)
    print(f"{out}: {model.count_params():,} parameters of {args.checkpoint}, read as {kind}")


def _convert_back(args):
    """MODEL and OUT stand where CHECKPOINT and NAME stand the other way."""
    from safetensors.numpy import save

    import vitgraph
    from vitgraph.checkpoints import to_source
    from vitgraph.scratch import written

    out = pathlib.Path(args.name)
    if args.out is not None or out.suffix != ".safetensors":
        raise ValueError(f"{args.out or args.name!r}; allowed with --names: MODEL OUT, where OUT ends in .safetensors")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(out.parent)!r}")
    model = vitgraph.load(args.checkpoint)
    tensors = to_source(model, args.names)
    with written(out) as path:
        path.write_bytes(save(tensors, metadata={"format": "pt"}))
    print(f"{out}: {model.count_params():,} parameters of {args.checkpoint}, under the names of {args.names}")
