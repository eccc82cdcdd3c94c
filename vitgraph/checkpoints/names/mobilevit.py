"""Names in MobileViT's checkpoints: timm's, Apple's (ml-cvnets), and the transformers library's."""

from vitgraph.checkpoints.names._transformers import as_in_files, block
from vitgraph.checkpoints.source import Source

BLOCK = r"stage_(\d)_block_(\d+)_"
LAYER = BLOCK + r"layer_(\d+)_"
_INVERTED = {"conv1_1x1": "exp_1x1", "conv2_kxk": "conv_3x3", "conv3_1x1": "red_1x1"}

TIMM = (
    (BLOCK + r"conv_1x1", "stages.{0:-1}.{1}.conv_1x1"),
    (BLOCK + r"(conv\w+)_norm", "stages.{0:-1}.{1}.{2}.bn"),
    (BLOCK + r"(conv\w+)", "stages.{0:-1}.{1}.{2}.conv"),
    (LAYER + r"norm", "stages.{0:-1}.{1}.norm"),
    (LAYER + r"(norm\d)", "stages.{0:-1}.{1}.transformer.{2}.{3}"),
    (LAYER + r"(attn|mlp)_(\w+)", "stages.{0:-1}.{1}.transformer.{2}.{3}.{4}"),
    (r"stem_norm", "stem.bn"),
    (r"stem", "stem.conv"),
    (r"last_conv_norm", "final_conv.bn"),
    (r"last_conv", "final_conv.conv"),
    (r"head", "head.fc"),
)


def cvnets_convolution(ours, theirs):
    """The entries of a convolution and of its norm, as ml-cvnets names them."""
    return (ours, f"{theirs}.block.conv"), (f"{ours}_norm", f"{theirs}.block.norm")


CVNETS_INVERTED = tuple(
    entry
    for ours, theirs in _INVERTED.items()
    for entry in cvnets_convolution(BLOCK + ours, "layer_{0}.{1}.block." + theirs)
)


def transformers(body, mobile, *layers):
    """The table of the transformers library's checkpoints.

    Args:
        body: what the names of all but the head begin with.
        mobile: {our name of a convolution of a MobileViT block: theirs}.
        *layers: entries of the transformer's layers.
    """

    def convolution(ours, theirs):
        return (ours, f"{theirs}.convolution"), (f"{ours}_norm", f"{theirs}.normalization")

    stage = body + "encoder.layer.{0:-1}."
    places = {r"stage_([12])_block_(\d+)_": "layer.{1}.", r"stage_(\d)_block_0_": "downsampling_layer."}
    inverted = {"conv1_1x1": "expand_1x1", "conv2_kxk": "conv_3x3", "conv3_1x1": "reduce_1x1"}
    return Source(
        renames=(
            *convolution("stem", f"{body}conv_stem"),
            *convolution("last_conv", f"{body}conv_1x1_exp"),
            *(
                entry
                for ours, theirs in inverted.items()
                for place, of in places.items()
                for entry in convolution(place + ours, stage + of + theirs)
            ),
            *(entry for ours, theirs in mobile.items() for entry in convolution(BLOCK + ours, stage + theirs)),
            *layers,
            (LAYER + "norm", stage + "layernorm"),
            (r"head", "classifier"),
        ),
        head=r"classifier\..*",
        prepare=as_in_files(body, r"classifier\.|segmentation_head\."),
    )


_MOBILE = {
    "conv_kxk": "local_rep.conv_3x3",
    "conv_1x1": "local_rep.conv_1x1",
    "conv_proj": "conv_proj",
    "conv_fusion": "fusion",
}

SOURCES = {
    "timm": Source(renames=TIMM),
    "cvnets": Source(
        renames=(
            *cvnets_convolution("stem", "conv_1"),
            *cvnets_convolution("last_conv", "conv_1x1_exp"),
            *CVNETS_INVERTED,
            *(e for ours, t in _MOBILE.items() for e in cvnets_convolution(BLOCK + ours, "layer_{0}.{1}." + t)),
            (LAYER + r"norm", "layer_{0}.{1}.global_rep.{2}"),
            (LAYER + r"norm1", "layer_{0}.{1}.global_rep.{2}.pre_norm_mha.0"),
            (LAYER + r"attn_qkv", "layer_{0}.{1}.global_rep.{2}.pre_norm_mha.1.qkv_proj"),
            (LAYER + r"attn_proj", "layer_{0}.{1}.global_rep.{2}.pre_norm_mha.1.out_proj"),
            (LAYER + r"norm2", "layer_{0}.{1}.global_rep.{2}.pre_norm_ffn.0"),
            (LAYER + r"mlp_fc1", "layer_{0}.{1}.global_rep.{2}.pre_norm_ffn.1"),
            (LAYER + r"mlp_fc2", "layer_{0}.{1}.global_rep.{2}.pre_norm_ffn.4"),
            (r"head", "classifier.fc"),
        ),
        head=r"classifier\..*",
    ),
    "transformers": transformers(
        "mobilevit.",
        {"conv_kxk": "conv_kxk", "conv_1x1": "conv_1x1", "conv_proj": "conv_projection", "conv_fusion": "fusion"},
        *block(LAYER, "mobilevit.encoder.layer.{0:-1}.transformer.layer.{2}."),
    ),
}
