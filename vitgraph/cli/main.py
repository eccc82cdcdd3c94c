"""The command `vitgraph`. Each subcommand is a few lines over the library, which it imports when it runs."""

import argparse
import contextlib
import importlib
import os
import sys

from vitgraph.cli import answers, demo, files, models, training
from vitgraph.cli.arguments import Parser

EXAMPLES = """\
examples:
  vitgraph list swin
  vitgraph list 'vit_*_384' --json
  vitgraph summary swin_tiny_patch4_window7_224 --input-size 384x256
  vitgraph predict cat.jpg dog.jpg --model pvt_v2_b0 --weights in1k
  vitgraph evaluate tuned flowers/test --confusion confusion.png
  vitgraph export pvt_v2_b0 pvt.tflite --weights in1k --preprocessing in1k --batch 1
  vitgraph convert swin_base_patch4_window7_224.pth swin_base_patch4_window7_224 swin.safetensors
  vitgraph pretrain vit_small_patch16_224 photographs --out mae --batch-size 512
  vitgraph train vit_small_patch16_224 flowers --validation 0.1 --out tuned --weights mae/weights.safetensors
  vitgraph embed photographs embedded --model vit_small_patch14_dinov2 --weights lvd142m
  vitgraph demo

Exit codes: 0 done; 1 the demo's own checks failed, or a loss is no longer finite; 2 wrong input, explained in one line;
130 interrupted.
"""


def main(argv=None):
    """Runs a command line, by default that of the process, and returns the exit code.

    Raises:
        SystemExit: after --help and --version, and if the arguments can't be parsed (code 2).
    """
    args = _parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Else TensorFlow gives memory back after each step, and the next step waits for it: up to half of its time.
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
    try:
        if args.command != "list":
            _import_all()
        code = args.run(args) or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `vitgraph list | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
        message = _one_line(error).removeprefix(f"{args.command}: ")
    except Exception as error:  # what nobody thought of; with `python -X dev` it shows where
        if sys.flags.dev_mode:
            raise
        message = f"{type(error).__name__}: {_one_line(error)}"
    print(f"vitgraph {args.command}: {message}", file=sys.stderr)
    return 2


def _parser():
    parser = Parser(
        prog="vitgraph",
        description="Vision transformers as static Keras graphs: look at them, train them, export them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (models, answers, files, training, demo):
        group.add_commands(commands)
    return parser


def _import_all():
    """Imports the package, without the lines that TensorFlow logs before its level of logging is known."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a process without standard error
            kept = os.dup(2)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, 2)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            stack.callback(os.close, nowhere)
            os.dup2(nowhere, 2)
        importlib.import_module("vitgraph.api")


class _Version(argparse.Action):
    """Imports the package only when it is asked for."""

    def __call__(self, parser, namespace, values, option_string=None):
        import vitgraph

        print(f"vitgraph {vitgraph.__version__}")
        parser.exit()


def _one_line(error):
    """The message's first line, the first item of a list below it, and how many more there are."""
    first, *items = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if not items:
        return first
    return f"{first} {items[0]}" + (f" (and {len(items) - 1} more)" if len(items) > 1 else "")
