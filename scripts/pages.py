"""The pages of the documentation site that are derived from the code: mkdocs calls these functions.

One page per architecture (figure, pyramid, variants, checkpoints, arguments), the reference of the public functions,
and the pages that stand elsewhere in the checkout.
"""

import csv
import inspect
import os
import pathlib
import re
import sys
import textwrap
import typing

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402
from mkdocs.structure.files import File  # noqa: E402

import vitgraph  # noqa: E402
from vitgraph.blocks.base import pair  # noqa: E402
from vitgraph.contract.docstrings import ENTRY, SECTION  # noqa: E402
from vitgraph.contract.fitting import said  # noqa: E402
from vitgraph.graphs.levels import levels_of  # noqa: E402
from vitgraph.registry import BUILDERS  # noqa: E402

ELSEWHERE = {  # page: where it stands in the checkout
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "benchmarks.md": "benchmarks/README.md",
}
MODULES = (
    "vitgraph",
    *(f"vitgraph.{name}" for name in ("objectives", "training", "export", "images", "plots", "blocks")),
)


def on_config(config):
    """Fills the folders of the navigation with their pages."""
    pages = {
        "architectures": [{title(build): f"architectures/{file_of(build)}"} for build in BUILDERS],
        "reference": [{module: f"reference/{module}.md"} for module in MODULES],
    }
    config.nav = [
        {label: pages.get(entry, entry) if isinstance(entry, str) else entry for label, entry in item.items()}
        if isinstance(item, dict)
        else item
        for item in config.nav
    ]
    return config


def on_files(files, config):
    for build in BUILDERS:
        files.append(File.generated(config, f"architectures/{file_of(build)}", content=architecture(build)))
    for name in MODULES:
        files.append(File.generated(config, f"reference/{name}.md", content=reference(sys.modules[name])))
    for page, place in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / place).read_text()))
    for picture in (ROOT / "benchmarks").glob("*.png"):
        files.append(File.generated(config, picture.name, abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links between files of the checkout become links between pages."""
    for target, place in ELSEWHERE.items():
        markdown = re.sub(rf"\]\((\.\./)*{re.escape(place)}(#[\w-]+)?\)", rf"]({target}\2)", markdown)
    return re.sub(r"\]\(docs/", "](", markdown) if page.file.src_uri in ELSEWHERE else markdown


def title(build):
    """The architecture's name, which its file begins with: "PVT v2: ..." -> "PVT v2"."""
    return re.split(r"[:,.]", sys.modules[build.__module__].__doc__)[0]


def file_of(build):
    return f"{build.__module__.rpartition('.')[2]}.md"


def architecture(build):
    """The page of one architecture."""
    module = sys.modules[build.__module__]
    head, _, rest = inspect.cleandoc(module.__doc__).partition("\n")
    parts = [f"# {title(build)}", linked(head), linked(rest), "## What it makes of an image", pyramid(build)]
    rows = [row for row in VARIANTS if row["builder"] == build.__name__]
    if rows:
        parts += ["## Variants", variants(rows)]
        checkpoints = table_of_checkpoints(rows)
        parts += ["## Checkpoints", checkpoints] if checkpoints else []
    return "\n\n".join([*parts, f"## {build.__name__}", described(build)]) + "\n"


def linked(text):
    """The text with links to papers and repositories."""
    text = re.sub(r"arXiv:(\d{4}\.\d{5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
    return re.sub(r"(?<![\w/.])(github\.com/[\w-]+/[\w.-]*\w)", r"[\1](https://\1)", text)


def pyramid(build):
    """A picture of the levels of the default net: the image, divided as each level divides it."""
    with keras.StatelessScope(initialize_variables=False):
        model = build(include_top=False)
    height, width, _ = model.input_shape[1:]
    squares = [square(0, None, "image", f"{height} × {width}")]
    for i, (level, stage) in enumerate(levels_of(model).items(), start=1):
        channels = stage.output.shape[-1]
        grid = [-(-n // stage.stride) for n in (height, width)]
        squares.append(square(i, 120 / (width / stage.stride), level, f"{grid[0]} × {grid[1]} × {channels}"))
    content = "".join(squares)
    return f'<svg viewBox="0 0 {140 * len(squares)} 165" width="{140 * len(squares)}" role="img">{content}</svg>'


def square(i, step, label, size):
    """A square of the picture with lines at every `step`."""
    left, lines = 140 * i + 10, ""
    if step is not None:
        places = [step * n for n in range(1, int(119.9 / step) + 1)]
        path = "".join(f"M{left + p:.1f} 5v120M{left} {5 + p:.1f}h120" for p in places)
        lines = f'<path d="{path}" stroke="currentColor" stroke-width="0.5" opacity="0.6"/>'
    frame = (
        f'<rect x="{left}" y="5" width="120" height="120" fill="#5c6bc0" fill-opacity="0.25" stroke="currentColor"/>'
    )
    words = "".join(
        f'<text x="{left + 60}" y="{y}" text-anchor="middle" fill="currentColor" font-size="13">{text}</text>'
        for y, text in ((142, label), (159, size))
    )
    return frame + lines + words


def variants(rows):
    lines = ["| name | input | parameters | arguments |", "|---|---|---:|---|"]
    for row in rows:
        arguments = f"`{row['arguments']}`" if row["arguments"] else "the defaults"
        lines.append(
            f"| `{row['name']}` | {row['height']} × {row['width']} | {int(row['parameters']):,} | {arguments} |"
        )
    return "\n".join(lines)


def table_of_checkpoints(rows):
    lines = ["| variant | tag | classes | input | top-1 | licence | |", "|---|---|---:|---:|---:|---|---|"]
    for row in rows:
        for tag, entry in vitgraph.list_weights(row["name"]).items():
            size = " × ".join(map(str, dict.fromkeys(pair(entry.input_size))))
            top1 = "" if entry.top1 is None else f"{entry.top1:g} %"
            notes = f"[by hand]({entry.page})" if entry.page else entry.notes
            cells = f"`{row['name']}`", f"`{tag}`", entry.num_classes or "no head", size, top1, entry.license, notes
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def reference(module):
    """A page with what a module offers; builders have pages of their own."""
    entries = {name: getattr(module, name) for name in getattr(module, "__all__", sorted(vars(module)))}
    public = {
        name: x
        for name, x in entries.items()
        if getattr(x, "__module__", "").startswith("vitgraph") and x not in BUILDERS and x.__doc__
    }
    parts = [f"# {module.__name__}", inspect.cleandoc(module.__doc__)]
    for name, entry in public.items():
        parts += [f"## {name}", described(entry)]
    return "\n\n".join(parts) + "\n"


def described(entry):
    """The docstring of a function or class: its arguments become a table with their defaults and what is allowed."""
    before, *sections = SECTION.split(inspect.cleandoc(entry.__doc__))
    parts = [linked(before)]
    for section in sections:
        label, _, text = section.partition(":\n")
        if label == "Args":
            parts.append(arguments(entry, text))
        elif label == "Example":
            parts.append(f"```pycon\n{textwrap.dedent(text)}\n```")
        else:
            parts.append(f"**{label}**: {linked(textwrap.dedent(text))}")
    return "\n\n".join(parts)


def arguments(entry, text):
    """A table of the entries "name: what it is" of a docstring."""
    function = entry.__init__ if inspect.isclass(entry) else entry
    parameters = inspect.signature(function).parameters
    kinds = typing.get_type_hints(inspect.unwrap(function), include_extras=True)
    lines = ["| argument | default | allowed | |", "|---|---|---|---|"]
    for label, words in ENTRY.findall(text):
        parameter = parameters.get(label.lstrip("*"))
        default = shown(parameter.default) if parameter and parameter.default is not parameter.empty else ""
        allowed = said(kinds[label]) if label in kinds and kinds[label] is not typing.Any else ""
        cells = f"`{label}`", default, allowed, linked(" ".join(words.split()))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def shown(default):
    return f"`{getattr(default, '__name__', repr(default))}`"


with (ROOT / "vitgraph" / "cli" / "variants.csv").open() as file:
    VARIANTS = list(csv.DictReader(file))
