"""Looking at models: `vitgraph list`, `vitgraph summary`."""

from vitgraph.cli.arguments import add_command, add_model_arguments, created


def add_commands(commands):
    command = add_command(commands, show_list, "list", "published variants: name, input size, how they are built")
    command.add_argument("pattern", nargs="?", default="*", help="a shell pattern, such as 'vit_*_384'; default: all")

    text = "a model's parameters, the shapes of its pyramid, its published weights"
    command = add_command(commands, show_summary, "summary", text)
    add_model_arguments(command)
    command.add_argument("--layers", action="store_true", help="all layers, too: name, class, output, parameters")


def show_list(args):
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


def show_summary(args):
    import vitgraph

    model = created(args)
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


def _shape(tensor):
    return " x ".join("?" if n is None else str(n) for n in tensor.shape[1:])
