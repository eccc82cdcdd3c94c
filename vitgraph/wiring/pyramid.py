"""PVT's pyramid of transformer stages, which LocalViT shares."""

import dataclasses

from vitgraph.blocks import PositionTable, PrependTokens, Residual, Stage, ToMap, ToTokens
from vitgraph.blocks.base import pair
from vitgraph.contract import is_sides
from vitgraph.wiring.layers import (
    conv,
    cross_attention,
    drop_path_rates,
    dropout,
    layer_norm,
    planned_size,
    spatial_reduction,
    token_top,
)


@dataclasses.dataclass(frozen=True)
class Pyramid:
    """The numbers of a pyramid of transformer stages, one a stage where they are sequences, and its wiring."""

    patch_sizes: tuple
    dims: tuple
    depths: tuple
    num_heads: tuple
    mlp_ratios: tuple
    sr_ratios: tuple
    class_token: bool
    qkv_bias: bool
    qk_scale: float | None
    norm_eps: float
    img_size: int | tuple | None
    pos_drop: float
    proj_drop: float
    attn_drop: float
    drop_path: float

    def check(self, check, shape):
        """Everything that may be wrong with the numbers, for an input of this shape."""
        check.per_stage(dims=self.dims, depths=self.depths, num_heads=self.num_heads, sr_ratios=self.sr_ratios)
        check.same_length(dims=self.dims, patch_sizes=self.patch_sizes, mlp_ratios=self.mlp_ratios)
        check.over_zero(mlp_ratios=self.mlp_ratios)
        check.heads_divide(self.dims, self.num_heads)
        good = all(is_sides(patch) for patch in self.patch_sizes)
        check.that(good, "patch_sizes", self.patch_sizes, "a positive integer or (rows, columns), one a stage")
        good = not self.class_token or self.sr_ratios[-1] == 1
        check.that(good, "sr_ratios", self.sr_ratios, "1 in the last stage with class_token=True: no map is there")
        if self.qk_scale is not None:
            check.over_zero(qk_scale=self.qk_scale)
        stride, smallest = 1, 1
        for patch, ratio in zip(self.patch_sizes, self.sr_ratios, strict=True):
            stride *= max(pair(patch))
            smallest = max(smallest, stride * ratio)
        check.smallest(smallest, input_shape=shape)
        if self.img_size is not None:
            check.sides(img_size=self.img_size)
            check.smallest(stride, img_size=pair(self.img_size))

    def net(self, image, feed_forward, *, include_top, pooling, **top):
        """Image -> what the graph ends in.

        Args:
            image: (B, H, W, C).
            feed_forward: the second half of a block, (x, grid, hidden, drop_path, block's name) -> x: on a map, and on
                tokens where a class token stands before the positions of the map `grid`.
            include_top, pooling, **top: see `token_top`.
        """
        x, size, stride = image, list(planned_size(image, self.img_size)), [1, 1]
        rates = iter(drop_path_rates(self.drop_path, sum(self.depths)))
        for i, depth in enumerate(self.depths):
            stage, patch = f"stage_{i + 1}", pair(self.patch_sizes[i])
            size = [n // p for n, p in zip(size, patch, strict=True)]
            stride = [n * p for n, p in zip(stride, patch, strict=True)]
            prefix = int(self.class_token and i == len(self.depths) - 1)
            x, grid = self._embed(x, self.dims[i], patch, size, prefix, stage)
            for j in range(depth):
                block, drop_path = f"{stage}_block_{j}", next(rates)
                x = self._attention(x, i, drop_path, block)
                x = feed_forward(x, grid, int(self.dims[i] * self.mlp_ratios[i]), drop_path, block)
            if prefix and not include_top and pooling != "token":  # then the last level is a map as the others are
                x, prefix = ToMap(prefix, name=f"{stage}_map")(x, grid), 0
            x = Stage(stride, prefix, f"{stage}_embed_norm" if prefix else None, name=stage)(x)
        x = layer_norm(x, self.norm_eps, "norm")
        return token_top(x, grid, include_top=include_top, pooling=pooling, **top)

    def _embed(self, x, dim, patch, size, prefix, stage):
        """Map -> patches with their positions, as a map, or after a class token; and the map that they lie on."""
        x = conv(x, dim, patch, patch, f"{stage}_embed")
        x = grid = layer_norm(x, 1e-5, f"{stage}_embed_norm")
        if prefix:
            x = PrependTokens(name="cls_token")(ToTokens(name="tokens")(x))
        x = PositionTable(size, prefix, "bilinear", antialias=False, name=f"{stage}_pos_embed")(x, grid)
        return dropout(x, self.pos_drop, f"{stage}_pos_drop"), grid

    def _attention(self, x, i, drop_path, block):
        """The first half of stage i's blocks, on a map, or on tokens where nothing is reduced."""
        y, attn = layer_norm(x, self.norm_eps, f"{block}_norm1"), f"{block}_attn"
        reduced = spatial_reduction(y, self.sr_ratios[i], attn)
        y = cross_attention(y, reduced, self.num_heads[i], attn, self.qkv_bias, self.attn_drop, self.qk_scale)
        return Residual(drop_path=drop_path, dropout=self.proj_drop, name=f"{block}_res1")(x, y)
