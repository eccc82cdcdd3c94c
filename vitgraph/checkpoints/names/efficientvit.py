"""timm's names in checkpoints of MIT's EfficientViT."""

from vitgraph.checkpoints.source import Source, inverse_of, normed


def _grouped(arrays, shape):
    """The kernel of a convolution in groups (groups d, d, 1, 1), in our order (groups, in, out)."""
    groups, width, _ = shape
    return arrays[0].reshape(groups, width, width).transpose(0, 2, 1)


@inverse_of(_grouped)
def _of_grouped(value, count, layer):
    return [value.transpose(0, 2, 1).reshape(-1, value.shape[1], 1, 1)]


def _normed(ours, theirs):
    return normed(ours, theirs, norm="norm")


_BLOCK, _THEIRS = r"stage_(\d)_block_(\d+)_", "stages.{0:-1}.blocks.{1}."
_CONV = r"(inverted_conv|depth_conv|point_conv|spatial_conv|conv\d)"
_ATTENTION = _THEIRS + "context_module.main."

SOURCES = {
    "timm": Source(
        renames=(
            *_normed("stem_conv", "stem.in_conv"),
            *_normed(r"stem_block_(\d+)_" + _CONV, "stem.res{0}.main.{1}"),
            *_normed(_BLOCK + _CONV, _THEIRS + "main.{2}"),
            *_normed(_BLOCK + "local_" + _CONV, _THEIRS + "local_module.main.{2}"),
            *_normed(_BLOCK + "attn_(qkv|proj)", _ATTENTION + "{2}"),
            (_BLOCK + "attn_sums", _ATTENTION + "aggreg.0.0"),
            (_BLOCK + "attn_mixed_sums/kernel", _ATTENTION + "aggreg.0.1.weight", _grouped),
            *_normed("head_conv", "head.in_conv"),
            ("head_fc", "head.classifier.0"),
            ("head_norm", "head.classifier.1"),
            ("head", "head.classifier.4"),
        ),
    )
}
