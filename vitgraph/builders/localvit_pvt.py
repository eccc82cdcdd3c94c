"""LocalViT on PVT: a pyramid whose feed-forward layers look at each position's neighbours.

Paper: Li et al., "LocalViT: Bringing Locality to Vision Transformers", arXiv:2104.05707.
Official code: github.com/ofsoundof/LocalViT, models/localvit_pvt.py; checkpoints there.

The stages are those of PVT (see `pvt.py`), the second half of each block is that of LocalViT (see `locality.py`). The
official code has squeeze-excitation and square images only.
"""

from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.locality_feed_forward import Locality
from vitgraph.wiring.pyramid import Pyramid

VARIANTS: dict[str, dict] = {"localvit_pvt_tiny": {}}


@builder(pools=("token", "avg", "max"))
def build_localvit_pvt(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_sizes=(4, 2, 2, 2),
    dims=(64, 128, 320, 512),
    depths=(2, 2, 2, 2),
    num_heads=(1, 2, 5, 8),
    mlp_ratios=(8, 8, 4, 4),
    sr_ratios=(8, 4, 2, 1),
    act="hard_silu",
    channel_attention="se",
    reduction=None,
    depthwise="middle",
    class_token=True,
    qkv_bias=True,
    qk_scale=None,
    norm_eps=1e-6,
    img_size=None,
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="localvit_pvt",
):
    """Builds a LocalViT-PVT (arXiv:2104.05707): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, or both None. The least is what stages and
            `sr_ratios` reduce to 1: 32 unless they are changed.
        include_top: False ends the graph at the last, normed map (B, H / 32, W / 32, dims[-1]).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "token" for the class token, "avg" or "max" over the map: (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_sizes, dims, depths, num_heads, mlp_ratios, sr_ratios: see `build_pvt`.
        act, channel_attention, depthwise: see `build_localvit`.
        reduction: "se" squeezes the widened channels so many times; None: as many as the stage is wide.
        class_token, qkv_bias, qk_scale: see `build_pvt`.
        norm_eps: epsilon of the blocks' norms and the last one; those of the embeddings, the reductions and the batch
            norms have 1e-5.
        img_size: the image size whose grids the position tables have; None: the input's, or 224 x 224 where that is
            open.
        drop_rate: dropout before the head.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of attention's projection, of attention.
        drop_path_rate: stochastic depth of the last block's attention; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5".

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_localvit_pvt")
    p = Pyramid(
        patch_sizes, dims, depths, num_heads, mlp_ratios, sr_ratios, class_token, qkv_bias, qk_scale, norm_eps,
        img_size, pos_drop_rate, proj_drop_rate, attn_drop_rate, drop_path_rate,
    )  # fmt: skip
    p.check(check, shape_of(input_shape, input_tensor))
    locality = Locality(act, channel_attention, reduction, depthwise)
    for dim, mlp_ratio in zip(dims, mlp_ratios, strict=True):
        locality.check(check, dim, int(dim * mlp_ratio))

    inputs = begin(input_shape, input_tensor)
    x = p.net(
        inputs,
        lambda x, grid, hidden, drop_path, block: locality(x, grid, hidden, block),
        include_top=include_top,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        pooling=pooling,
        drop_rate=drop_rate,
    )
    return finish(inputs, x, name)
