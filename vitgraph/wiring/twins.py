"""The stages that both Twins share."""

import dataclasses
import math
from collections.abc import Sequence

from vitgraph.blocks import DepthwiseConv2D, Residual, Stage
from vitgraph.contract import at_least, has_hidden, heads_divide
from vitgraph.wiring.border import Border
from vitgraph.wiring.layers import conv, cross_attention, drop_path_rates, dropout, layer_norm, mlp, spatial_reduction


@dataclasses.dataclass(frozen=True, kw_only=True)
class Twins:
    """The numbers of the stages of both Twins, called as builders call them, and their wiring."""

    border: Border
    patch_sizes: Sequence[int]
    dims: Sequence[int]
    depths: Sequence[int]
    num_heads: Sequence[int]
    mlp_ratios: Sequence[float]
    sr_ratios: Sequence[int]
    peg_kernel_size: int
    qkv_bias: bool
    norm_eps: float
    drop_rate: float
    pos_drop_rate: float
    proj_drop_rate: float
    attn_drop_rate: float
    drop_path_rate: float

    def __post_init__(self):
        heads_divide(self.dims, self.num_heads)
        has_hidden(self.dims, self.mlp_ratios, "mlp_ratios")
        least = max(self._stride(i) * ratio for i, ratio in enumerate(self.sr_ratios))
        at_least(least, self.border.shape)

    def model(self, attention):
        """Image -> the model; `attention` is a function (x, i, j, name) -> x of block j of stage i."""
        x, rates = self.border.image, iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        for i, depth in enumerate(self.depths):
            stage, patch = f"stage_{i + 1}", self.patch_sizes[i]
            x = conv(x, self.dims[i], patch, patch, f"{stage}_embed")
            x = layer_norm(x, 1e-5, f"{stage}_embed_norm")
            x = dropout(x, self.pos_drop_rate, f"{stage}_embed_drop")
            for j in range(depth):
                block, drops = f"{stage}_block_{j}", {"drop_path": next(rates), "dropout": self.proj_drop_rate}
                y = attention(layer_norm(x, self.norm_eps, f"{block}_norm1"), i, j, f"{block}_attn")
                x = Residual(**drops, name=f"{block}_res1")(x, y)
                y = layer_norm(x, self.norm_eps, f"{block}_norm2")
                y = mlp(y, int(self.dims[i] * self.mlp_ratios[i]), "gelu", f"{block}_mlp", self.proj_drop_rate)
                x = Residual(**drops, name=f"{block}_res2")(x, y)
                if j == 0:
                    y = DepthwiseConv2D(self.peg_kernel_size, name=f"{stage}_peg")(x)
                    x = Residual(name=f"{stage}_peg_res")(x, y)
            x = Stage(self._stride(i), name=stage)(x)
        return self.border.end(layer_norm(x, self.norm_eps, "norm"), self.drop_rate)

    def global_attention(self, x, i, j, name):
        """PVT's attention, to keys and values from a reduced map."""
        source, options = spatial_reduction(x, self.sr_ratios[i], name), {"drop_rate": self.attn_drop_rate}
        return cross_attention(x, source, self.num_heads[i], name, qkv_bias=self.qkv_bias, **options)

    def _stride(self, i):
        """Pixels per position of stage i's map."""
        return math.prod(self.patch_sizes[: i + 1])
