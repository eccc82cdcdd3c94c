"""The command `vitgraph`: each subcommand is a few lines over the library, which it imports when it runs."""

import argparse
import functools
import os
import pathlib
import sys

from vitgraph.cli import training as cli_training

EXAMPLES = """\
examples:
  vitgraph list 'pvt*'
  vitgraph summary swin_tiny_patch4_window7_224 --input-size 384x256
  vitgraph export pvt_v2_b0 pvt.tflite --weights in1k --preprocessing in1k --batch 1
  vitgraph convert swin_base_patch4_window7_224.pth swin_base_patch4_window7_224 swin.safetensors
  vitgraph pretrain vit_small_patch16_224 photographs --out mae --batch-size 512
  vitgraph train vit_small_patch16_224 flowers --validation 0.1 --out tuned --weights mae/weights.safetensors
  vitgraph demo

Exit codes: 0 done; 1 the demo's own checks failed, or a loss is no longer finite; 2 wrong input, said in one line;
130 interrupted.
"""


# What is installed with which extra, for the advice when it is not there.
_EXTRAS = {
    "ai_edge_litert": "export",
    "matplotlib": "demo",
    "onnx": "export",
    "onnxruntime": "export",
    "sklearn": "demo",
    "tf2onnx": "export",
}


def main(argv=None):
    """Runs one command line, by default the process's own: the exit code.

    Raises:
        SystemExit: after --help and --version, and where the arguments themselves are wrong (code 2).
    """
    args = _parser().parse_args(argv)
    # TensorFlow keeps its memory then; what it gave back would be paged in anew at each step, half of some steps' time.
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
    try:
        code = args.run(args) or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `vitgraph list | head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        message = f"{error.name} is not installed: pip install 'vitgraph[{_EXTRAS[error.name]}]'"
    except (ValueError, TypeError, OSError) as error:
        message = _one_line(error)
    print(f"vitgraph {args.command}: {message}", file=sys.stderr)
    return 2


def list_models(args):
    import vitgraph
    from vitgraph.registry import variant

    names = vitgraph.list_models(args.pattern)
    if not names:
        raise ValueError(f"no model matches {args.pattern!r}; `vitgraph list` has all {len(vitgraph.list_models())}")
    for name in names:
        build, row = variant(name)
        height, width, _ = row.get("input_shape", (224, 224, 3))
        shown = ", ".join(f"{k}={v!r}" for k, v in row.items() if k not in ("input_shape", "img_size"))
        print(f"{name:<{max(map(len, names))}}  {height:>3} x {width:<3}  {build.__name__}({shown})")


def summary(args):
    import vitgraph

    model = _create(args, include_top=not args.no_top)
    print(f"{model.name}: {model.count_params():,} parameters, {len(model.layers)} layers")
    print(f"input    {_shape(model.input)}")
    for level, tensor in vitgraph.pyramid(model).output.items():
        print(f"{level:<8} {_shape(tensor)}")
    print(f"output   {_shape(model.output)}")
    tags = [f"{tag} ({entry.license})" for tag, entry in vitgraph.list_weights(args.name).items()]
    print(f"weights  {', '.join(tags) or 'none published'}")
    if args.layers:
        for layer in model.layers:
            print(f"{layer.name:<34} {type(layer).__name__:<24} {_shape(layer.output):<22} {layer.count_params():>11,}")


def export(args):
    import vitgraph
    from vitgraph import export

    tags = vitgraph.list_weights(args.name)
    if args.preprocessing not in (None, *tags):
        raise ValueError(f"--preprocessing {args.preprocessing!r} of {args.name}; allowed: {', '.join(tags) or 'none'}")
    kind = args.format or {".tflite": "litert", ".onnx": "onnx"}.get(pathlib.Path(args.out).suffix, "saved_model")
    model = _create(args, weights=args.weights, include_top=not args.no_top)
    if args.preprocessing:
        model = export.with_preprocessing(model, tags[args.preprocessing].mean, tags[args.preprocessing].std)
    report = getattr(export, f"to_{kind}")(model, args.out, batch_size=args.batch)
    operations = f", {len(report.ops)} kinds of operations" if report.ops else ""
    print(f"{report.path}: {report.size / 1e6:.1f} MB{operations}, at most {report.difference:.1e} off the model")


def convert(args):
    import vitgraph
    from vitgraph.checkpoints.files import save_model

    out = pathlib.Path(args.out)
    if out.suffix not in (".safetensors", ".keras"):
        raise ValueError(f"out={args.out!r}; allowed: a name that ends in .safetensors or .keras")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(out.parent)!r}")
    model = _create(args, include_top=not args.no_top)
    kind = vitgraph.load_weights(model, args.checkpoint)
    if out.suffix == ".safetensors":
        vitgraph.save_weights(model, out)
    else:
        save_model(model, out)
    print(f"{out}: {model.count_params():,} parameters of {args.checkpoint}, read as {kind}")


def demo(args):
    from vitgraph import demo

    try:
        demo.run(args.out, epochs=args.epochs, accuracy=args.accuracy, weights=args.weights)
    except demo.CheckFailed as error:
        print(f"vitgraph demo: {error}", file=sys.stderr)
        return 1
    return 0


def _create(args, **options):
    import vitgraph

    if args.input_size is not None:
        options["input_shape"] = (*args.input_size, 3)
    if args.num_classes is not None:
        options["num_classes"] = args.num_classes
    return vitgraph.create(args.name, **options)


class _Parser(argparse.ArgumentParser):
    """One line for wrong arguments, without the usage before it."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser():
    parser = _Parser(
        prog="vitgraph",
        description="Vision transformers as static Keras graphs: look at them, train them, export them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = _command(commands, list_models, "list", "the published variants: name, input size, how they are built")
    command.add_argument("pattern", nargs="?", default="*", help="a shell pattern, such as 'vit_*_384'; default: all")

    command = _command(
        commands, summary, "summary", "a model's parameters, the shapes of its pyramid, its published weights"
    )
    _model_arguments(command)
    command.add_argument("--layers", action="store_true", help="every layer too: name, class, output, parameters")

    command = _command(commands, export, "export", "write a SavedModel, LiteRT or ONNX file that is checked")
    _model_arguments(command)
    command.add_argument("out", help="the file or, for a SavedModel, the folder to write")
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
        "--preprocessing", metavar="TAG", help="take raw uint8 pixels, normalised as timm's TAG wants it"
    )

    command = _command(
        commands, convert, "convert", "a timm, official or own checkpoint into a file of ours, whole or not at all"
    )
    command.add_argument("checkpoint", help="what to read: .safetensors, .npz, .keras, or with torch .pth")
    _model_arguments(command)
    command.add_argument("out", help="what to write: weights.safetensors, or model.keras with the graph")

    cli_training.add_commands(functools.partial(_command, commands), _input_size)

    command = _command(
        commands, demo, "demo", "pictures of a photograph, a classifier trained in a minute and exported"
    )
    command.add_argument("--out", default="out", metavar="DIR", help="the folder to write to; default: out")
    command.add_argument("--epochs", type=int, default=15, metavar="N", help="passes over the images; default: 15")
    command.add_argument(
        "--accuracy", type=float, default=0.95, metavar="A", help="what must be reached; default: 0.95"
    )
    command.add_argument(
        "--weights",
        nargs=2,
        metavar=("PVT", "VIT"),
        help="checkpoints of pvt_v2_b0 and vit_tiny_patch16_224 for the pictures",
    )
    return parser


def _command(commands, run, name, text):
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.set_defaults(run=run)
    return command


def _model_arguments(command):
    command.add_argument("name", help="one of `vitgraph list`")
    command.add_argument(
        "--input-size",
        type=_input_size,
        metavar="SIZE",
        help="384, 384x256 (height x width), or any; default: the variant's",
    )
    command.add_argument("--num-classes", type=int, metavar="N", help="classes of the head; default: 1000")
    command.add_argument("--no-top", action="store_true", help="without the head: the graph ends at the last map")


def _input_size(text):
    """(height, width) of "384", "384x256" or "any"."""
    if text == "any":
        return None, None
    sides = text.split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: 384, 384x256 (height x width), any")
    return int(sides[0]), int(sides[-1])


class _Version(argparse.Action):
    """Imports the package only when it is asked for."""

    def __call__(self, parser, namespace, values, option_string=None):
        import vitgraph

        print(f"vitgraph {vitgraph.__version__}")
        parser.exit()


def _shape(tensor):
    return " x ".join("?" if n is None else str(n) for n in tensor.shape[1:])


def _one_line(error):
    """The message's first line, the first item of a list below it, and how many more there are."""
    first, *items = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if not items:
        return first
    return f"{first} {items[0]}" + (f" (and {len(items) - 1} more)" if len(items) > 1 else "")
