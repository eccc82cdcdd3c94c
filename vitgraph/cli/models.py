"""Looking at models: `vitgraph list`, `vitgraph summary`."""

import csv
import difflib
import fnmatch
import importlib.resources
import json

from vitgraph.cli.arguments import add_command, add_model_arguments, created

_PACKAGE = importlib.resources.files("vitgraph")
_VARIANTS, _PUBLISHED = _PACKAGE / "cli" / "variants.csv", _PACKAGE / "checkpoints" / "published.csv"


def add_commands(commands):
    text = (
        "published variants: name, input size (height x width), parameters, builder, tags of published weights with "
        "their top-1 in percent where it is known"
    )
    command = add_command(commands, show_list, "list", text)
    text = "the beginning of names, such as swin, or a shell pattern, such as '*_384'; default: all"
    command.add_argument("pattern", nargs="?", default="*", help=text)
    command.add_argument("--json", action="store_true", help="as JSON, with the arguments of the builders")

    text = "a model's parameters, the shapes of its pyramid, its published weights"
    command = add_command(commands, show_summary, "summary", text)
    add_model_arguments(command)
    command.add_argument("--layers", action="store_true", help="all layers, too: name, class, output, parameters")


def show_list(args):
    variants = _variants()
    pattern = args.pattern if set(args.pattern) & set("*?[") else f"{args.pattern}*"
    shown = [variant for name, variant in variants.items() if fnmatch.fnmatchcase(name, pattern)]
    if not shown:
        near = difflib.get_close_matches(args.pattern, variants, n=3, cutoff=0.5)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise ValueError(f"no model matches {args.pattern!r}; `vitgraph list` has all {len(variants)}{hint}")
    if args.json:
        print(json.dumps(shown, indent=2))
        return
    widths = [max(len(variant[key]) for variant in shown) for key in ("name", "builder")]
    for v in shown:
        height, width = v["input_size"]
        size, tags = f"{height:>3} x {width:<3}", ", ".join(_with_top1(tag, v["top1"]) for tag in v["weights"])
        print(f"{v['name']:<{widths[0]}}  {size}  {v['parameters']:>13,}  {v['builder']:<{widths[1]}}  {tags}".rstrip())


def _variants():
    """{name: what is shown of it}, from tables, as this needs neither Keras nor the nets."""
    tags: dict[str, dict[str, str]] = {}
    for row in _rows(_PUBLISHED):
        tags.setdefault(row["variant"], {})[row["tag"]] = row["top1"]
    return {
        row["name"]: {
            "name": row["name"],
            "input_size": [int(row["height"]), int(row["width"])],
            "parameters": int(row["parameters"]),
            "builder": row["builder"],
            "arguments": row["arguments"],
            "weights": [*tags.get(row["name"], {})],
            "top1": {tag: float(top1) for tag, top1 in tags.get(row["name"], {}).items() if top1},
        }
        for row in _rows(_VARIANTS)
    }


def _with_top1(tag, known):
    return f"{tag} ({known[tag]:g})" if tag in known else tag


def _rows(table):
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def show_summary(args):
    import vitgraph

    model = created(args)
    print(f"{model.name}: {model.count_params():,} parameters, {len(model.layers)} layers")
    print(f"input    {_shape(model.input)}")
    for level, tensor in vitgraph.pyramid(model).output.items():
        print(f"{level:<8} {_shape(tensor)}")
    print(f"output   {_shape(model.output)}")
    tags = [f"{tag} ({_facts(entry)})" for tag, entry in vitgraph.list_weights(args.name).items()]
    print(f"weights  {', '.join(tags) or 'none published'}")
    if args.layers:
        for layer in model.layers:
            print(f"{layer.name:<34} {type(layer).__name__:<24} {_shape(layer.output):<22} {layer.count_params():>11,}")


def _facts(entry):
    """What is shown of a published checkpoint."""
    top1 = "" if entry.top1 is None else f", top-1 {entry.top1:g} %"
    return entry.license + top1 + (f", by hand from {entry.page}" if entry.page else "")


def _shape(tensor):
    return " x ".join("?" if n is None else str(n) for n in tensor.shape[1:])
