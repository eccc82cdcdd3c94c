"""Names in LeViT's checkpoints: timm's, Facebook's, and the transformers library's."""

import re

from vitgraph.checkpoints.names._transformers import as_in_files
from vitgraph.checkpoints.source import Source


def _normed(pattern, module, linear):
    """The entries of a linear layer or convolution and of the batch norm after it, which are one module of theirs."""
    return (pattern, f"{module}.{linear}"), (f"{pattern}_norm", f"{module}.bn")


def _transformer(ours, attention, mlp, *, linear, inner, fc1, fc2):
    """The entries of a block or of a downsampling.

    Args:
        ours, attention, mlp: prefixes of our names, and of theirs of the attention and the feed-forward layer.
        linear: their name of the linear layer before a norm.
        inner: their name of what follows an activation or a subsampling.
        fc1, fc2: their names of the two layers of the feed-forward layer.
    """
    return (
        (f"{ours}_attn_bias/table", f"{attention}.attention_biases"),
        *_normed(f"{ours}_attn_qkv", f"{attention}.qkv", linear),
        *_normed(f"{ours}_attn_kv", f"{attention}.kv", linear),
        *_normed(f"{ours}_attn_q", f"{attention}.q.{inner}", linear),
        *_normed(f"{ours}_attn_proj", f"{attention}.proj.{inner}", linear),
        *_normed(f"{ours}_mlp_fc1", f"{mlp}.{fc1}", linear),
        *_normed(f"{ours}_mlp_fc2", f"{mlp}.{fc2}", linear),
    )


def _source(*renames, head, **options):
    heads = (r"(head|head_dist)_norm", "{0}.bn"), (r"(head|head_dist)", f"{{0}}.{head}")
    return Source((*renames, *heads), ignored=r".*\.attention_bias_idxs", head=r"head(_dist)?\..*", **options)


def _timm(**options):
    names = {"linear": "linear", "inner": "ln", "fc1": "ln1", "fc2": "ln2"}
    block, down = "stages.{0:-1}.blocks.{1}.", "stages.{0:-1}.downsample."
    return _source(
        *_normed(r"stem_conv(\d)", "stem.conv{0}", "linear"),
        *_transformer(r"stage_(\d)_block_(\d+)", f"{block}attn", f"{block}mlp", **names),
        *_transformer(r"stage_(\d)_down", f"{down}attn_downsample", f"{down}mlp", **names),
        head="linear",
        **options,
    )


def _facebook(depths):
    """The table of Facebook's checkpoints, which number the layers of all stages in one row: it depends on `depths`."""
    names = {"linear": "c", "inner": "1", "fc1": "0", "fc2": "2"}
    renames, at = [], 0
    for i in range(4):
        renames += _normed(f"stem_conv{i + 1}", f"patch_embed.{2 * i}", "c")
    for i, depth in enumerate(depths, start=1):
        if i > 1:  # `m` is the module inside a residual connection
            renames += _transformer(f"stage_{i}_down", f"blocks.{at}", f"blocks.{at + 1}.m", **names)
            at += 2
        for j in range(depth):
            renames += _transformer(f"stage_{i}_block_{j}", f"blocks.{at}.m", f"blocks.{at + 1}.m", **names)
            at += 2
    return _source(*renames, head="l")


def _layer(ours, theirs, **names):
    """The entries of layers with a batch norm, {our name: theirs}, of the transformers library."""
    for mine, yours in names.items():
        yield f"{ours}_{mine}", f"{theirs}.{yours}.linear"
        yield f"{ours}_{mine}_norm", f"{theirs}.{yours}.batch_norm"


def _transformers():
    stage, stem = "levit.encoder.stages.{0:-1}.", "levit.patch_embeddings.embedding_layer_{0}."
    block, down = r"stage_(\d)_block_(\d+)", r"stage_(\d)_down"
    attn, mlp = stage + "attention.{1}.module", stage + "mlp.{1}.module"
    down_attn, down_mlp = stage.replace("-1", "-2") + "down_attention", stage.replace("-1", "-2") + "down_mlp.module"
    fc = {"mlp_fc1": "linear_up", "mlp_fc2": "linear_down"}
    heads = {"head": "classifier", "head_dist": "classifier_distill"}
    return Source(
        renames=(
            (r"stem_conv(\d)", stem + "convolution"),
            (r"stem_conv(\d)_norm", stem + "batch_norm"),
            (f"{block}_attn_bias/table", f"{attn}.attention_biases"),
            *_layer(block, attn, attn_qkv="queries_keys_values", attn_proj="projection"),
            *_layer(block, mlp, **fc),
            (f"{down}_attn_bias/table", f"{down_attn}.attention_biases"),
            *_layer(down, down_attn, attn_q="queries", attn_kv="keys_values", attn_proj="projection"),
            *_layer(down, down_mlp, **fc),
            *((f"{ours}_norm", f"{theirs}.batch_norm") for ours, theirs in heads.items()),
            *((ours, f"{theirs}.linear") for ours, theirs in heads.items()),
        ),
        ignored=r".*\.attention_bias_idxs",
        head=r"classifier(_distill)?\..*",
        prepare=_told_apart,
    )


_PREFIXED = as_in_files("levit.", r"classifier")


def _told_apart(tensors):
    """The tensors with names that say what a layer of a stage is, instead of its number in the row of them all."""
    tensors = _PREFIXED(tensors)
    pattern = re.compile(r"(levit\.encoder\.stages\.(\d+)\.)layers\.(\d+)\.(.*)")
    found = {name: pattern.fullmatch(name) for name in tensors}
    ends = {m[2]: int(m[3]) for m in found.values() if m and m[4].startswith("keys_values.")}

    def new(name, match):
        if not match:
            return name
        number, end = int(match[3]), ends.get(match[2], 1 << 30)
        kind = ("attention", "mlp")[number % 2]
        place = f"{kind}.{number // 2}" if number < end else f"down_{kind}"
        return f"{match[1]}{place}.{match[4]}"

    return {new(name, match): tensors[name] for name, match in found.items()}


SOURCES = {
    "timm": _timm(),
    "timm_conv": _timm(shapes=((r"stages\..*\.linear\.weight", (..., ..., 1, 1)),)),  # the same in convolutions
    "facebook": _facebook((4, 4, 4)),
    "facebook_128s": _facebook((2, 3, 4)),
    "transformers": _transformers(),
}
