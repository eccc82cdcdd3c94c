"""The demonstration: `vitgraph demo`."""

import sys

from vitgraph.cli.arguments import add_command


def add_commands(commands):
    text = "draw what two nets see in a photograph, train a classifier in a minute, export it"
    command = add_command(commands, demo, "demo", text)
    command.add_argument("--out", default="out", metavar="DIR", help="the folder to write to; default: out")
    command.add_argument("--epochs", type=int, default=15, metavar="N", help="passes over the images; default: 15")
    command.add_argument(
        "--accuracy", type=float, default=0.95, metavar="A", help="accuracy that must be reached; default: 0.95"
    )
    command.add_argument(
        "--weights",
        nargs=2,
        metavar=("PVT", "VIT"),
        help="checkpoints of pvt_v2_b0 and vit_tiny_patch16_224 for the pictures",
    )


def demo(args):
    from vitgraph import demo

    try:
        demo.run(args.out, epochs=args.epochs, accuracy=args.accuracy, weights=args.weights)
    except demo.CheckFailed as error:
        print(f"vitgraph demo: {error}", file=sys.stderr)
        return 1
    return 0
