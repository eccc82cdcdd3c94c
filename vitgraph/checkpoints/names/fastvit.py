"""Names in FastViT's checkpoints: timm's and the official ones, as they are trained and reparameterized."""

from vitgraph.checkpoints.source import Source, normed

_BLOCK = r"stage_(\d)_block_(\d+)_"


def _branches(ours, theirs, conv, scale, identity):
    """The entries of a sum of branches, and of the convolution that it becomes."""
    return (
        *normed(f"{ours}_conv", f"{theirs}.{conv}.0"),
        *normed(f"{ours}_scale", f"{theirs}.{scale}"),
        (f"{ours}_identity", f"{theirs}.{identity}"),
        (ours, f"{theirs}.reparam_conv"),
    )


def _large_kernel(ours, theirs, large):
    return (
        *normed(f"{ours}_large", f"{theirs}.{large}"),
        *normed(f"{ours}_small", f"{theirs}.small_conv"),
        (ours, f"{theirs}.reparam_conv"),
    )


def _block(theirs, mlp, gamma, *branches):
    """The entries of a block; `gamma` is what they add to the names of layer scales."""
    return (
        *_branches(_BLOCK + "mixer_mixed", f"{theirs}.token_mixer.mixer", *branches),
        (_BLOCK + "mixer_norm", f"{theirs}.token_mixer.norm.{branches[-1]}"),
        (_BLOCK + "mixer/gamma", f"{theirs}.token_mixer.layer_scale{gamma}"),
        (_BLOCK + "mixer", f"{theirs}.token_mixer.reparam_conv"),
        (_BLOCK + "norm1", f"{theirs}.norm"),
        (_BLOCK + "attn_(qkv|proj)", f"{theirs}.token_mixer.{{2}}"),
        *normed(_BLOCK + "mlp_conv", f"{theirs}.{mlp}.conv"),
        (_BLOCK + r"mlp_(fc\d)", f"{theirs}.{mlp}.{{2}}"),
        (_BLOCK + "res/gamma", f"{theirs}.layer_scale{gamma}"),
        (_BLOCK + r"res(\d)/gamma", f"{theirs}.layer_scale_{{2}}{gamma}"),
    )


_SHAPES = (  # linear layers that are convolutions there, and layer scales
    (r".*\.(mlp|convffn)\.fc\d\.weight", (..., ..., 1, 1)),
    (r".*\.layer_scale(_\d)?(\.gamma)?", (..., 1, 1)),
)


def _timm():
    names, down = ("conv_kxk", "conv_scale", "identity"), "stages.{0:-1}.downsample.proj."
    return Source(
        renames=(
            *_branches(r"stem_(\d)", "stem.{0}", *names),
            *_large_kernel(r"stage_(\d)_embed_0", f"{down}0", "large_conv"),
            (r"stage_(\d)_embed_se_(fc\d)", f"{down}0.se.{{1}}"),
            *_branches(r"stage_(\d)_embed_1", f"{down}1", *names),
            (r"stage_(\d)_pos_conv", "stages.{0:-1}.pos_emb.pos_enc"),
            (r"stage_(\d)_pos", "stages.{0:-1}.pos_emb.reparam_conv"),
            *_block("stages.{0:-1}.blocks.{1}", "mlp", ".gamma", *names),
            *_branches("last", "final_conv", *names),
            (r"last_se_(fc\d)", "final_conv.se.{0}"),
            ("head", "head.fc"),
        ),
        shapes=_SHAPES,
    )


def _official(encoded):
    """Apple's, which number stages, embeddings and position encodings in one row; `encoded`: stage 4 has the last."""
    names, renames = ("rbr_conv", "rbr_scale", "rbr_skip"), []
    for stage in range(1, 5):
        at = 2 * (stage - 1)
        down, blocks = f"network.{at - 1}.proj.", f"network.{at + (encoded and stage == 4)}.{{1}}"
        renames += [
            *_large_kernel(f"stage_({stage})_embed_0", f"{down}0", "lkb_origin"),
            (f"stage_({stage})_embed_se_fc1", f"{down}0.se.reduce"),
            (f"stage_({stage})_embed_se_fc2", f"{down}0.se.expand"),
            *_branches(f"stage_({stage})_embed_1", f"{down}1", *names),
            *((p.replace(r"stage_(\d)", f"stage_({stage})"), t) for p, t in _block(blocks, "convffn", "", *names)),
        ]
    return Source(
        renames=(
            *_branches(r"stem_(\d)", "patch_embed.{0}", *names),
            *renames,
            ("stage_4_pos_conv", "network.6.pe"),
            ("stage_4_pos", "network.6.reparam_conv"),
            *_branches("last", "conv_exp", *names),
            ("last_se_fc1", "conv_exp.se.reduce"),
            ("last_se_fc2", "conv_exp.se.expand"),
            ("head", "head"),
        ),
        shapes=_SHAPES,
    )


SOURCES = {"timm": _timm(), "official": _official(False), "official_encoded": _official(True)}
