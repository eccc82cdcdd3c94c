"""Writing files: `vitgraph export`, `vitgraph convert`."""

import pathlib

from vitgraph.cli.arguments import add_command, add_model_arguments, created, input_size

_ENDINGS = {".tflite": "litert", ".onnx": "onnx", ".xml": "openvino"}
_OPTIONS = {  # {format: {flag: argument of the function}}
    "litert": {"form": "form", "images": "images"},
    "openvino": {"form": "precision", "images": "images"},
    "saved_model": {"frozen": "frozen", "features": "features"},
    "onnx": {},
}


def add_commands(commands):
    command = add_command(commands, export, "export", "write a SavedModel, LiteRT, ONNX or OpenVINO file, and check it")
    add_model_arguments(
        command, "one of `vitgraph list`, a folder of `vitgraph train`, or a file or repository of `vitgraph.load`"
    )
    command.add_argument("out", help="the file to write or, for a SavedModel, the folder")
    text = "default: by OUT's ending, .tflite, .onnx or .xml (OpenVINO), else SavedModel"
    command.add_argument("--format", choices=tuple(_OPTIONS), help=text)
    command.add_argument(
        "--weights", metavar="W", help="a checkpoint's path or timm's tag, such as in1k; default: random"
    )
    command.add_argument("--batch", type=int, metavar="N", help="fix the batch size; default: any")
    text = "take raw uint8 pixels, normalised as timm's TAG wants them; without TAG, as the model itself does"
    command.add_argument("--preprocessing", metavar="TAG", nargs="?", const=True, help=text)
    text = "numbers in the file: float32, float16, int8; of LiteRT dynamic_int8, int16x8; of OpenVINO bfloat16"
    command.add_argument("--form", metavar="FORM", help=text)
    text = "with int8 and int16x8, a folder of images such as the model will see; with --preprocessing"
    command.add_argument("--images", metavar="FOLDER", help=text)
    command.add_argument(
        "--frozen", action="store_true", help="a SavedModel with weights as constants, which is faster"
    )
    command.add_argument("--features", action="store_true", help="a SavedModel that also gives the maps of all levels")

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
    from vitgraph import export
    from vitgraph.checkpoints.about import preprocessing_of

    kind = args.format or _ENDINGS.get(pathlib.Path(args.out).suffix, "saved_model")
    options = _options(args, kind)
    tag = _tag(args)
    model = _model(args)
    if args.preprocessing:
        model = export.with_preprocessing(model, preprocessing=preprocessing_of(tag) if tag else None)
    report = getattr(export, f"to_{kind}")(model, args.out, batch_size=args.batch, **options)
    operations = f", {len(report.ops)} kinds of operations" if report.ops else ""
    print(f"{report.path}: {report.size / 1e6:.1f} MB{operations}, at most {report.difference:.1e} off the model")


def _options(args, kind):
    """The arguments of one format's function; the flags of the others are refused."""
    options = {}
    for flag in ("form", "images", "frozen", "features"):
        value = getattr(args, flag)
        if value and flag not in _OPTIONS[kind]:
            formats = " and ".join(name for name, flags in _OPTIONS.items() if flag in flags)
            raise ValueError(f"--{flag} with {kind}; allowed: with {formats}")
        if value:
            options[_OPTIONS[kind][flag]] = value
    return options


def _tag(args):
    """The published checkpoint whose normalisation was asked for by its tag, or None."""
    import vitgraph

    if args.preprocessing in (None, True):
        return None
    tags = vitgraph.list_weights(args.name) if args.name in vitgraph.list_models() else {}
    if args.preprocessing not in tags:
        allowed = ", ".join(tags) or "--preprocessing without a tag"
        raise ValueError(f"--preprocessing {args.preprocessing!r} of {args.name}; allowed: {allowed}")
    return tags[args.preprocessing]


def _model(args):
    """The model that was asked for: a variant, or one that knows what it is."""
    import vitgraph

    path = pathlib.Path(args.name)
    if args.name in vitgraph.list_models() or not (path.exists() or "/" in args.name or path.suffix):
        return created(args, weights=args.weights)  # which knows the nearest names
    for flag, value in (("weights", args.weights), ("num-classes", args.num_classes), ("no-top", args.no_top)):
        if value:
            raise ValueError(f"--{flag}: {args.name!r} has its own; allowed: with a name of `vitgraph list`")
    model = vitgraph.load(args.name)
    return (
        model
        if args.input_size is None
        else vitgraph.change_input_shape(model, (*args.input_size, model.input_shape[-1]))
    )


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
