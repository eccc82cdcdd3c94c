"""MAE, the masked autoencoder: from a quarter of the patches, the pixels of the others.

Paper: He et al., "Masked Autoencoders Are Scalable Vision Learners", arXiv:2111.06377.
Official code: github.com/facebookresearch/mae.

    image                                                   (B, H, W, C)
      encoder up to its positions                           (B, prefix + N, dim)
      keep: a random share of the patches                   (B, prefix + K, dim)
      the encoder's blocks and norm
      decoder_embed                                         (B, prefix + K, decoder_dim)
      restore: mask tokens where patches were left out      (B, prefix + N, decoder_dim)
      decoder_pos_embed, decoder blocks, decoder_norm
      decoder_pred: pixels                                  (B, N, p p C)
      mean squared error over the patches left out

The encoder's position table is trained, as its builder has it; in the official code it is fixed, of sines and cosines,
as the decoder's is here: `sincos_positions` makes it so. Other prefix tokens (registers, distillation) are kept as the
class token is.
"""

from typing import Annotated, Literal

import keras
from keras import ops

from vitgraph import contract as c
from vitgraph.blocks import (
    DropPrefix,
    KeepTokens,
    MaskedSquaredError,
    NormalizePatches,
    NystromAttention,
    Patchify,
    PositionTable,
    RandomSubset,
    RestoreTokens,
    SinCosTable,
    ToTokens,
    Unpatchify,
)
from vitgraph.blocks.base import pair
from vitgraph.blocks.positions.tables import sincos_table
from vitgraph.checkpoints.names._plain_transformers import mae_pretraining
from vitgraph.checkpoints.names.vit import SOURCES as VIT_SOURCES
from vitgraph.checkpoints.source import Source
from vitgraph.objectives.base import Objective, features, image_of, policy_of, positioned, replay
from vitgraph.objectives.pictures import pictures
from vitgraph.wiring import layers as w
from vitgraph.wiring.transformer import Transformer, pre_norm_block

TABLES = {"sincos": SinCosTable, "learn": PositionTable}

SOURCES = {
    "official": Source(  # the official pre-training of a ViT, with its decoder
        renames=(
            (r"restore/token", "mask_token"),
            (r"decoder_pos_embed/table", "decoder_pos_embed"),
            (r"decoder_block_(\d+)_(attn|mlp)_(\w+)", "decoder_blocks.{0}.{1}.{2}"),
            (r"decoder_block_(\d+)_(norm\d)", "decoder_blocks.{0}.{1}"),
            (r"(decoder_embed|decoder_norm|decoder_pred)", "{0}"),
            *VIT_SOURCES["timm"].renames,
        )
    ),
    "transformers": mae_pretraining(),
}
"""Checkpoints that `load_weights(model, checkpoint, source=SOURCES["official"])` reads into the whole objective."""


class MaskedAutoencoder(Objective):
    """The model that `masked_autoencoder` returns."""

    def wire(self):
        image, start = image_of(self.encoder), positioned(self.encoder)
        end, stage, grid = features(self.encoder)
        self.patch_size, self.grid = pair(stage.stride), tuple(grid.shape[1:3])
        sides, count = tuple(image.shape[1:3]), self.grid[0] * self.grid[1]
        whole = all(n * p == side for n, p, side in zip(self.grid, self.patch_size, sides, strict=True))
        c.require(whole, "encoder", f"a graph whose patches, here of {stage.stride} pixels, divide the image, {sides}")
        kept = int(count * (1 - self.masking_ratio))
        c.require(0 < kept < count, "masking_ratio", f"a share that leaves 1 to {count - 1} of {count} patches")
        pixels = Patchify(self.patch_size, dtype="float32", name="pixels")(image)
        normed = self.norm_pix_loss
        c.require(pixels.shape[-1] > 1 or not normed, "norm_pix_loss", "False for patches of one number")

        noise = keras.Input((count,), name="noise")
        mask = RandomSubset(count - kept, dtype="float32", name="mask")(noise)
        with policy_of(self.encoder):
            x = KeepTokens(kept, stage.prefix, name="keep")(start, noise)
            x = self._encode(start, end, x)
            x = self._decode(x, noise, grid, stage.prefix, pixels.shape[-1])
        targets = ToTokens(dtype="float32", name="targets")(pixels)
        targets = NormalizePatches(dtype="float32", name="normalized")(targets) if normed else targets
        loss = MaskedSquaredError(dtype="float32", name="loss")(x, targets, mask)
        return keras.Model({"image": image, "noise": noise}, {"loss": loss, "prediction": x, "mask": mask})

    def _encode(self, start, end, x):
        """The encoder's blocks and norm on the tokens that are left."""
        allowed = "a graph whose blocks take any number of tokens, and nothing but tokens"
        fixed = any(isinstance(layer, NystromAttention) for layer in self.encoder.layers)
        c.require(not fixed, "encoder", f"{allowed}; its landmarks depend on their number")
        return replay(start, end, x, "encoder", allowed=allowed)

    def _decode(self, x, noise, grid, prefix, pixels):
        """(B, prefix + K, C) -> (B, N, pixels)."""
        t = Transformer(
            dim=self.decoder_dim, num_heads=self.decoder_heads, mlp_ratio=self.decoder_mlp_ratio,
            head_dim=self.decoder_head_dim, qkv_bias=self.decoder_qkv_bias, norm_eps=self.norm_eps,
        )  # fmt: skip
        x = w.dense(x, t.dim, "decoder_embed")
        x = RestoreTokens(prefix, name="restore")(x, noise)
        x = TABLES[self.decoder_pos_embed](self.grid, prefix, name="decoder_pos_embed")(x, grid)
        for i in range(self.decoder_depth):
            x = pre_norm_block(x, t, 0.0, f"decoder_block_{i}")
        x = t.norm(x, "decoder_norm") if self.decoder_norm else x
        x = w.dense(x, pixels, "decoder_pred")
        return DropPrefix(prefix, name="prediction")(x) if prefix else x

    def draw(self, images):
        shape = ops.shape(images)[0], self.grid[0] * self.grid[1]
        return {"noise": keras.random.uniform(shape, seed=self.seed_generator)}

    def reconstruct(self, images):
        """Images with patches left out, the same with what the decoder draws in their place, and the mask.

        Args:
            images: (B, H, W, C), as in training.

        Returns:
            Arrays (B, H, W, C), (B, H, W, C), and (B, H / p, W / p), which is 1 where a patch was left out. With
            `norm_pix_loss` the mean and deviation of each patch drawn are the image's own.
        """
        images, outputs = ops.convert_to_tensor(images, "float32"), self.predict(images, verbose=0)
        patches = Patchify(self.patch_size)(images)
        drawn = ops.convert_to_tensor(outputs["prediction"])
        if self.norm_pix_loss:
            pixels = ops.reshape(patches, ops.shape(drawn))
            unbiased = pixels.shape[-1] / (pixels.shape[-1] - 1)
            deviation = ops.sqrt(ops.var(pixels, axis=-1, keepdims=True) * unbiased + 1e-6)
            drawn = drawn * deviation + ops.mean(pixels, axis=-1, keepdims=True)
        drawn = ops.convert_to_numpy(Unpatchify(self.patch_size)(drawn, patches))
        return pictures(images, drawn, outputs["mask"].reshape(-1, *self.grid))


@c.public
def masked_autoencoder(
    encoder: c.Graph,
    masking_ratio: c.Share = 0.75,
    decoder_dim: c.Width = 512,
    decoder_depth: Annotated[int, c.between(1, 128)] = 8,
    decoder_heads: c.Count = 16,
    decoder_mlp_ratio: c.Ratio = 4.0,
    decoder_head_dim: c.Width | None = None,
    decoder_qkv_bias: bool = True,
    decoder_norm: bool = True,
    decoder_pos_embed: Literal["sincos", "learn"] = "sincos",
    norm_eps: c.Epsilon = 1e-6,
    norm_pix_loss: bool = False,
    seed: c.Seed | None = None,
    name: c.Name = "masked_autoencoder",
) -> MaskedAutoencoder:
    """Trains a plain graph to draw the patches that it isn't shown (arXiv:2111.06377).

    `predict` draws a mask, too, and gives {"prediction": (B, N, p p C), "mask": (B, N)}, 1 for a patch left out.
    `reconstruct` makes images of that.

    Args:
        encoder: a graph of this package, with or without its top, for images of a known size, whose blocks take any
            number of tokens: ViT, DeiT, CaiT, DeepViT and their like.
        masking_ratio: share of the patches that the encoder isn't shown.
        decoder_dim: width of the decoder.
        decoder_depth: number of its blocks.
        decoder_heads: attention heads of its blocks.
        decoder_mlp_ratio: hidden width of its feed-forward layers, relative to `decoder_dim`.
        decoder_head_dim: width of one of its heads; None: decoder_dim / decoder_heads.
        decoder_qkv_bias: whether its projections to queries, keys and values have biases.
        decoder_norm: whether it ends in a norm.
        decoder_pos_embed: its positions: "sincos", which are fixed, or "learn".
        norm_eps: epsilon of its norms.
        norm_pix_loss: normalise the pixels of each patch before they are compared.

    Returns:
        A `keras.Model` to compile with an optimizer and fit to images; its `encoder` is the graph that it trains.

    Example:
        >>> encoder = vitgraph.build_vit((32, 32, 3), include_top=False, patch_size=8, dim=32, depth=1, num_heads=2)
        >>> model = vitgraph.masked_autoencoder(encoder, decoder_dim=16, decoder_depth=1, decoder_heads=2)
        >>> model.predict(numpy.zeros((4, 32, 32, 3)), verbose=0)["prediction"].shape
        (4, 16, 192)
    """
    if decoder_head_dim is None:
        c.heads_divide(decoder_dim, decoder_heads, "decoder_heads")
    c.has_hidden(decoder_dim, decoder_mlp_ratio, "decoder_mlp_ratio")
    fits = decoder_pos_embed != "sincos" or decoder_dim % 4 == 0
    c.require(fits, "decoder_dim", "a multiple of 4 with decoder_pos_embed='sincos'")
    return MaskedAutoencoder(
        encoder, seed, name, masking_ratio=masking_ratio, decoder_dim=decoder_dim, decoder_depth=decoder_depth,
        decoder_heads=decoder_heads, decoder_mlp_ratio=decoder_mlp_ratio, decoder_head_dim=decoder_head_dim,
        decoder_qkv_bias=decoder_qkv_bias, decoder_norm=decoder_norm, decoder_pos_embed=decoder_pos_embed,
        norm_eps=norm_eps, norm_pix_loss=norm_pix_loss,
    )  # fmt: skip


@c.public
def sincos_positions(encoder: c.Graph) -> keras.Model:
    """Gives a plain net the positions of MAE's pre-training: sines and cosines, which are no longer trained.

    It is called before the objective is made. The official code trains them in fine-tuning, as does a net that is built
    anew and loads the weights.

    Args:
        encoder: a graph of this package with a table of positions for images of a known size.

    Returns:
        The same graph.

    Example:
        >>> encoder = vitgraph.build_vit((32, 32, 3), dim=32, depth=1, num_heads=2)
        >>> vitgraph.objectives.sincos_positions(encoder) is encoder
        True
    """
    tables = [layer for layer in encoder.layers if layer.name == "pos_embed" and isinstance(layer, PositionTable)]
    c.require(tables, "encoder", "a graph with a learned table of positions")
    (layer,) = tables
    width = layer.table.shape[-1]
    c.require(width % 4 == 0, "encoder", f"a graph whose width is a multiple of 4, not {width}")
    layer.table.assign(sincos_table(layer.grid, layer.prefix, width))
    layer.trainable = False
    return encoder
