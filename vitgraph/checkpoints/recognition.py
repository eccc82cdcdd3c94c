"""What kind of checkpoint tensors are: the table that reads them, and what they seem to be where none does."""

import functools
import re
from typing import Any

from vitgraph.checkpoints.names import SOURCES
from vitgraph.checkpoints.source import Source
from vitgraph.checkpoints.wrappers import prefixes, without_prefix

KINDS = ("vitgraph", *sorted(SOURCES, key=lambda kind: (not kind.startswith("vit/"), kind)))
"""Of tables that fit a checkpoint equally well the first is taken: our own names, then ViT's tables, then by name."""

_OWN_HEAD = r"(head|fc_norm|attn_pool|cls_stage)\w*/.*"
"""Our own names of what only a graph with its top has."""

_FOREIGN = (  # patterns of names, and what has them
    (r"layer[1-4]\.\d+\.(conv|bn)\d\.\w+|fc\.\w+", "a ResNet"),
    (r"(stages\.\d+\.blocks\.\d+\.(conv_dw|dwconv)|stages\.\d+\.\d+\.dwconv|convnext\.).*", "a ConvNeXt"),
    (r"(blocks\.\d+\.\d+\.(conv_pw|conv_dw|bn\d|se)|features\.\d+\.\d+\.block).*", "an EfficientNet or MobileNet"),
    (r"(bert|roberta)\..*|(.*\.)?embeddings\.word_embeddings\..*", "a BERT"),
    (r"(model\.)?layers\.\d+\.(self_attn|mlp)\.\w+_proj\..*|(.*\.)?wte\..*", "a language model"),
    (r"(model\.)?(diffusion_model|down_blocks|up_blocks|first_stage_model)\..*", "a diffusion model"),
    (r"(class_embed|bbox_embed|rpn|roi_heads|query_embed)\..*", "a detector"),
)


def prepared(tensors, kind):
    """The tensors with the names that the table's entries have."""
    return tensors if kind == "vitgraph" else table(kind).prepare(tensors)


def table(kind):
    return kind if isinstance(kind, Source) else SOURCES[kind]


def names_of(kind, path):
    """The names of the tensors for the variable with this path, and the function or None."""
    return ([path], None) if kind == "vitgraph" else table(kind).names(path)


def find(model, tensors, kind=None):
    """How a checkpoint is read: (its kind, the tensors by the names of that kind, the share of variables found).

    It is read as what most of the graph's variables are found in, and of which least is left over.

    Args:
        kind: the only one that comes into question; None: all do.
    """
    paths = [variable.path for variable in model.weights]
    insides = [without_prefix(tensors, prefix) if prefix else tensors for prefix in prefixes(tensors)]
    best: Any = None
    for each in (kind,) if kind else KINDS:
        names = [names_of(each, path)[0] for path in paths]
        used = {name for n in names for name in n}
        for i, inside in enumerate(insides):
            named = prepared(inside, each)
            found = sum(bool(n) and all(name in named for name in n) for n in names)
            fit = found, -len(unused(model, named, each, used, skip_head=False)), -i
            if best is None or fit > best[0]:
                best = fit, each, named
    (found, *_), each, named = best
    return each, named, found / max(1, len(paths))


def unused(model, tensors, kind, used, skip_head):
    """The names of tensors that the graph should have a counterpart of, but doesn't have."""
    ignored, head = r"(?!)", _OWN_HEAD
    if kind != "vitgraph":
        ignored, head = table(kind).ignored, table(kind).head
    headless = skip_head or not any(layer.name.startswith("head") for layer in model.layers)
    allowed = re.compile("|".join([r".*num_batches_tracked", ignored, *([head] if headless else [])]))
    return [name for name in tensors if name not in used and not allowed.fullmatch(name) and tensors[name].size]


def seems(tensors):
    """What a checkpoint that no table of a model reads seems to be, in words."""
    if any("/" in name and name.split("/")[-1] in ("kernel", "gamma", "table") for name in tensors):
        return "it has this package's names, of another net"
    insides = [without_prefix(tensors, prefix) if prefix else tensors for prefix in prefixes(tensors)]
    shares = {kind: max(_share(inside, kind) for inside in insides) for kind in KINDS[1:]}
    likeliest = max(shares, key=lambda kind: shares[kind])
    if shares[likeliest] > 0.7:
        return f"it has names of {likeliest}"
    for pattern, what in _FOREIGN:
        if sum(bool(re.fullmatch(pattern, name)) for name in tensors) > len(tensors) / 3:
            return f"it has names of {what}"
    return f"it has names that no table here knows, such as {next(iter(tensors))!r}"


def _share(tensors, kind):
    """The share of the tensors that have a name of this kind."""
    names = prepared(tensors, kind)
    return sum(bool(_pattern(kind).fullmatch(name)) for name in names) / max(1, len(names))


@functools.cache
def _pattern(kind):
    """A pattern of all names that a table's entries may give."""
    found = set()
    for pattern, templates, *_ in table(kind).renames:
        groups = re.findall(r"\((?!\?)([^()]*)\)", pattern)
        end = "" if "/" in pattern else r"[./]\w+"
        for template in [templates] if isinstance(templates, str) else templates:
            parts = re.split(r"\{(\d)\S*?\}", template)  # text and numbers of groups in turn
            filled = [f"(?:{groups[int(part)]})" if i % 2 else re.escape(part) for i, part in enumerate(parts)]
            found.add("".join(filled) + end)
    return re.compile("|".join(sorted(found)))
