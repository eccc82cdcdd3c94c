"""What several commands share: the parser's manners, how values are read, and the arguments about a model."""

import argparse
import json


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the arguments, without the usage before it."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_command(commands, run, name, text):
    """Adds a command: `run` is called with the arguments, and returns the exit code or None."""
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.set_defaults(run=run)
    return command


def add_model_arguments(command, text="one of `vitgraph list`"):
    """The arguments by which `create` builds a model; `created` does so."""
    command.add_argument("name", help=text)
    command.add_argument(
        "--input-size",
        type=input_size,
        metavar="SIZE",
        help="384, 384x256 (height x width), or any; default: the variant's",
    )
    command.add_argument("--num-classes", type=int, metavar="N", help="number of classes; default: 1000")
    command.add_argument("--no-top", action="store_true", help="without the head: the graph ends in its last map")


def created(args, **options):
    """The model that the arguments of a command ask for."""
    import vitgraph

    if args.input_size is not None:
        options["input_shape"] = (*args.input_size, 3)
    if args.num_classes is not None:
        options["num_classes"] = args.num_classes
    return vitgraph.create(args.name, include_top=not args.no_top, **options)


def input_size(text):
    """(height, width) of "384", "384x256" or "any"."""
    if text == "any":
        return None, None
    sides = text.split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: 384, 384x256 (height x width), any")
    return int(sides[0]), int(sides[-1])


def add_pairs(group, flag, text):
    """A flag that may be given several times, each time as KEY=VALUE."""
    group.add_argument(flag, type=_pair, action="append", default=[], metavar="KEY=VALUE", help=text)


def _pair(text):
    """("mixup", 0.8) of "mixup=0.8"; what isn't JSON is a string."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: KEY=VALUE")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value


def number_or_text(text):
    try:
        return float(text)
    except ValueError:
        return text


def numbers(text):
    """(0.5, 0.4, 0.3) of "0.5,0.4,0.3"; 0.5 of "0.5"."""
    try:
        first, *others = map(float, text.split(","))
        return (first, *others) if others else first
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: numbers with commas between them") from None
