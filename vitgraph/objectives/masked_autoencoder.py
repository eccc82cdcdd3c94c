"""MAE, the masked autoencoder: from a quarter of the patches, the others' pixels.

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

The encoder's position table is trained, as its builder has it; in the official code it is a fixed one, of sines and
cosines, as the decoder's is here: `sincos_positions` makes it so. Other prefix tokens (registers, distillation) are
kept as the class token is.
"""

import keras
from keras import ops

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
from vitgraph.checkpoints.names.vit import SOURCES as VIT_SOURCES
from vitgraph.checkpoints.source import Source
from vitgraph.contract import Check
from vitgraph.objectives.base import Objective, features, policy_of, positioned, replay
from vitgraph.objectives.pictures import pictures
from vitgraph.wiring.layers import dense
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
}
"""Checkpoints that `load_weights(model, checkpoint, source=SOURCES["official"])` reads into the whole objective."""


class MaskedAutoencoder(Objective):
    """Trains a plain graph to draw the patches that it isn't shown (arXiv:2111.06377).

    Args:
        encoder: a graph of this package, with or without its top, for images of a known size, in which what follows the
            positions takes any number of tokens: ViT, DeiT, CaiT, DeepViT and their like.
        masking_ratio: the share of patches that the encoder is not shown.
        decoder_dim, decoder_depth, decoder_heads, decoder_mlp_ratio: width, blocks, heads and widening of the decoder.
        decoder_head_dim: width of one of its heads; None: decoder_dim / decoder_heads.
        decoder_qkv_bias, decoder_norm: whether it has biases before attention, and a norm at its end.
        decoder_pos_embed: "sincos", which is fixed, or "learn".
        norm_eps: epsilon of its norms.
        norm_pix_loss: the pixels of each patch are normalised before they are compared.
        seed: of the random draws; None: another one each time.
        name: the model's name.

    `predict` gives {"prediction": (B, N, p p C), "mask": (B, N) with 1 for what was left out}, of draws of its own.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """

    def __init__(
        self,
        encoder,
        masking_ratio=0.75,
        decoder_dim=512,
        decoder_depth=8,
        decoder_heads=16,
        decoder_mlp_ratio=4.0,
        decoder_head_dim=None,
        decoder_qkv_bias=True,
        decoder_norm=True,
        decoder_pos_embed="sincos",
        norm_eps=1e-6,
        norm_pix_loss=False,
        seed=None,
        name="masked_autoencoder",
    ):
        check = Check("masked_autoencoder")
        numbers = {"head_dim": decoder_head_dim, "norm_eps": norm_eps}
        t = Transformer(decoder_dim, decoder_heads, decoder_mlp_ratio, decoder_qkv_bias, **numbers)
        t.check(check)
        check.positive(decoder_depth=decoder_depth)
        check.over_zero(norm_eps=norm_eps)
        check.shares(masking_ratio=masking_ratio)
        check.that(decoder_pos_embed in TABLES, "decoder_pos_embed", decoder_pos_embed, ", ".join(TABLES))
        fits = decoder_pos_embed != "sincos" or decoder_dim % 4 == 0
        check.that(fits, "decoder_dim", decoder_dim, "a multiple of 4 with decoder_pos_embed='sincos'")
        super().__init__(encoder, seed, name)
        self.masking_ratio = masking_ratio
        self.decoder_dim = decoder_dim
        self.decoder_depth = decoder_depth
        self.decoder_heads = decoder_heads
        self.decoder_mlp_ratio = decoder_mlp_ratio
        self.decoder_head_dim = decoder_head_dim
        self.decoder_qkv_bias = decoder_qkv_bias
        self.decoder_norm = decoder_norm
        self.decoder_pos_embed = decoder_pos_embed
        self.norm_eps = norm_eps
        self.norm_pix_loss = norm_pix_loss

        image = encoder.input
        end, stage, grid = features(encoder)
        start = positioned(encoder, check)
        self.patch_size, self.grid, prefix = pair(stage.stride), tuple(grid.shape[1:3]), stage.prefix
        pixels = Patchify(self.patch_size, dtype="float32", name="pixels")(image)
        whole = all(n * p == side for n, p, side in zip(self.grid, self.patch_size, image.shape[1:3], strict=True))
        allowed = f"one whose patches, here of {stage.stride} pixels, divide the image, here {image.shape[1:3]}"
        check.that(whole, "encoder", encoder.name, allowed)
        count = self.grid[0] * self.grid[1]
        kept = int(count * (1 - masking_ratio))
        check.that(0 < kept < count, "masking_ratio", masking_ratio, f"1 ... {count - 1} of {count} patches are left")

        noise = keras.Input((count,), name="noise")
        mask = RandomSubset(count - kept, dtype="float32", name="mask")(noise)
        with policy_of(encoder):
            x = KeepTokens(kept, prefix, name="keep")(start, noise)
            x = _replay(start, end, x, encoder, check)
            x = dense(x, decoder_dim, "decoder_embed")
            x = RestoreTokens(prefix, name="restore")(x, noise)
            x = TABLES[decoder_pos_embed](self.grid, prefix, name="decoder_pos_embed")(x, grid)
            for i in range(decoder_depth):
                x = pre_norm_block(x, t, 0.0, f"decoder_block_{i}")
            x = t.norm(x, "decoder_norm") if decoder_norm else x
            x = dense(x, pixels.shape[-1], "decoder_pred")
            x = DropPrefix(prefix, name="prediction")(x) if prefix else x
        targets = ToTokens(dtype="float32", name="targets")(pixels)
        targets = NormalizePatches(dtype="float32", name="normalized")(targets) if norm_pix_loss else targets
        loss = MaskedSquaredError(dtype="float32", name="loss")(x, targets, mask)
        self.connect(keras.Model({"image": image, "noise": noise}, {"loss": loss, "prediction": x, "mask": mask}))

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


masked_autoencoder = MaskedAutoencoder
"""The same, called after what it does."""


def sincos_positions(encoder):
    """Gives a plain net the positions of MAE's pre-training: sines and cosines, which are no longer trained.

    To be called before the objective is made. For fine-tuning the official code trains them, as does a net that is
    built anew and loads the weights.

    Args:
        encoder: a graph of this package with a table of positions for images of a known size.

    Returns:
        The same graph.

    Raises:
        ValueError: there is no such table, or its width is no multiple of 4.
    """
    check = Check("sincos_positions")
    tables = [layer for layer in encoder.layers if layer.name == "pos_embed" and isinstance(layer, PositionTable)]
    check.that(bool(tables), "encoder", encoder.name, "one with a learned table of positions")
    (layer,) = tables
    width = layer.table.shape[-1]
    check.that(width % 4 == 0, "encoder", encoder.name, f"a width that is a multiple of 4, not {width}")
    layer.table.assign(sincos_table(layer.grid, layer.prefix, width))
    layer.trainable = False
    return encoder


def _replay(start, end, x, encoder, check):
    """The encoder's blocks and norm on the tokens that are left."""
    allowed = "one whose blocks take any number of tokens, and nothing but tokens"
    fixed = any(isinstance(layer, NystromAttention) for layer in encoder.layers)
    check.that(not fixed, "encoder", encoder.name, f"{allowed}; its landmarks depend on their number")
    try:
        return replay(start, end, x, "encoder")
    except ValueError:
        check.that(False, "encoder", encoder.name, allowed)
