"""The model card: what a model is, in words, and for the hub's search."""

import json

_MOST_NAMES = 100


def card(model, about, repository, description):
    """A model card as the hub wants it: Markdown under a header of YAML."""
    height, width, channels = model.inputs[0].shape[1:]
    is_classifier = len(model.output.shape) == 2
    origin = about.get("source") if about.get("figures") else None
    parts = [
        f"---\n{_header(about, is_classifier)}---\n",
        f"# {repository}\n",
        description,
        f"`{about.get('variant', about['builder'].removeprefix('build_'))}` in Keras, with {model.count_params():,} "
        f"parameters, on images of {_size(height)} x {_size(width)} x {channels}.",
        f"Its training began with the weights `{origin}`." if origin else None,
        _figures(about.get("figures", {})),
        _classes(about.get("classes")),
        "## Use\n",
        _use(repository, is_classifier),
    ]
    return "\n".join(f"{part}\n" if part and not part.endswith("\n") else part for part in parts if part)


def _header(about, is_classifier):
    """Values are written as JSON, which YAML contains."""
    facts = {"library_name": "vitgraph", "tags": ["keras", "vision transformer"]}
    if "license" in about:
        facts["license"] = about["license"]
    if is_classifier:
        facts["pipeline_tag"] = "image-classification"
    if str(about.get("source", "")).startswith("hf-hub:"):
        facts["base_model"] = about["source"].removeprefix("hf-hub:")
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in facts.items())


def _figures(figures):
    if not figures:
        return None
    rows = "".join(f"| {name} | {value:.4g} |\n" for name, value in figures.items())
    return f"## Figures\n\nAfter the last epoch of its training:\n\n| figure | value |\n|---|---:|\n{rows}"


def _classes(classes):
    if not classes:
        return None
    if isinstance(classes, str):
        return f"## Classes\n\nThose of {classes}."
    more = f" and {len(classes) - _MOST_NAMES} more" if len(classes) > _MOST_NAMES else ""
    return f"## Classes\n\n{len(classes)}: {', '.join(classes[:_MOST_NAMES])}{more}."


def _use(repository, is_classifier):
    lines = [
        "import vitgraph\n",
        f'model = vitgraph.load("{repository}")',
        'images = vitgraph.preprocessing(model)(["picture.jpg"])',
    ]
    if is_classifier:
        lines.append("print(vitgraph.decode_predictions(model.predict(images), classes=model))")
    return "```python\n" + "\n".join(lines) + "\n```\n"


def _size(side):
    return "any" if side is None else side
