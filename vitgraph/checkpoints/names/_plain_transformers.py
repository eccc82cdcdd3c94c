"""Names in the transformers library's checkpoints of ViT, ViT-MAE, DINOv2, and of CLIP's and SigLIP's vision towers."""

import dataclasses
import re

import numpy as np

from vitgraph.checkpoints.names._transformers import MLP, QKV, as_in_files, block, embeddings, no_bias, projections
from vitgraph.checkpoints.source import Source, fused, reshaped

_BLOCK = r"block_(\d+)_"


def plain(body, *special, heads=r"classifier\.", ignored=r"(?!)", in_memory=()):
    """The table of a plain net of the transformers library.

    Args:
        body: what the names of all but the head begin with, such as "vit.".
        special: entries that come before the usual ones.
        heads: pattern of the beginnings of the heads' names.
        ignored: pattern of further tensors without a counterpart here.
        in_memory: (pattern, replacement) for further names that differ in memory from those in files.
    """
    renames = (
        *special,
        *embeddings(body),
        *block(_BLOCK, body + "encoder.layer.{0}."),
        (r"norm", f"{body}layernorm"),
        (r"head", "classifier"),
    )
    layers = rf"^{re.escape(body)}layers\."
    in_memory = (layers, f"{body}encoder.layer."), *projections(), *MLP, *in_memory
    return Source(
        renames,
        ignored=rf"{body}pooler\..*|{body}embeddings\.mask_token|decoder\..*|{ignored}",
        head=rf"({heads}).*",
        prepare=as_in_files(body, rf"{heads}|decoder\.", *in_memory),
    )


def mae_pretraining():
    """The table of a ViT-MAE with its decoder, for the objective of that name."""
    source = plain("vit.")
    decoder = (
        (r"restore/token", "decoder.mask_token"),
        (r"decoder_pos_embed/table", "decoder.decoder_pos_embed"),
        *block(r"decoder_block_(\d+)_", "decoder.decoder_layers.{0}."),
        (r"decoder_(embed|norm|pred)", "decoder.decoder_{0}"),
    )

    def prepare(tensors):  # what recent versions write of the decoder's layers has a module too many
        extra = re.compile(r"^decoder\.decoder_encoder\.layer\.")
        return source.prepare({extra.sub("decoder.decoder_layers.", name): array for name, array in tensors.items()})

    return dataclasses.replace(source, renames=(*decoder, *source.renames), ignored="(?!)", prepare=prepare)


def _class_and_first_row(arrays, shape):
    """The class token with the first row of the table of positions, which here has none."""
    token, table = arrays
    return token + table[:, :1]


def _patch_rows(arrays, shape):
    return arrays[0][:, 1:]


def _one_layer(prepare):
    """The same preparation, after which the two halves of a gated feed-forward layer are one, as in files."""

    def joined(tensors):
        tensors = prepare(tensors)
        for name in [name for name in tensors if ".mlp.gate_proj." in name]:
            up = name.replace("gate_proj", "up_proj")
            if up in tensors:
                whole = name.replace("gate_proj", "weights_in")
                tensors[whole] = np.concatenate([tensors.pop(name), tensors.pop(up)])
        return tensors

    return joined


def _dinov2(body, *special):
    layer = body + "encoder.layer.{0}."
    renames = (
        *special,
        *embeddings(body),
        (_BLOCK + r"(norm\d)", layer + "{1}"),
        (_BLOCK + "attn_qkv", tuple(f"{layer}attention.attention.{part}" for part in QKV), fused),
        (_BLOCK + "attn_proj", layer + "attention.output.dense"),
        (_BLOCK + r"res(\d)/gamma", layer + "layer_scale{1}.lambda1"),
        (_BLOCK + r"mlp_(\w+)", layer + "mlp.{1}"),
        (r"norm", f"{body}layernorm"),
        (r"head", "classifier"),
    )
    in_memory = *projections(), (r"\.down_proj\.", ".weights_out.")
    prepare = _one_layer(as_in_files(body, r"classifier\.", *in_memory))
    return Source(renames, ignored=rf"{body}embeddings\.mask_token", head=r"classifier\..*", prepare=prepare)


def _gated(body):
    layer = body + "encoder.layer.{0}.mlp."
    return (_BLOCK + "mlp_fc1", layer + "weights_in"), (_BLOCK + "mlp_fc2", layer + "weights_out")


def _registers(body):
    return (
        (r"reg_token/token", f"{body}embeddings.register_tokens"),
        (r"cls_token/token", (f"{body}embeddings.cls_token", f"{body}embeddings.position_embeddings"),
         _class_and_first_row),
        (r"pos_embed/table", f"{body}embeddings.position_embeddings", _patch_rows),
    )  # fmt: skip


def _tower(*special, ignored):
    """The table of a vision tower, alone or beside the text's."""
    body, layer = "vision_model.", "vision_model.encoder.layers.{0}."
    renames = (
        *special,
        (r"patch_embed", f"{body}embeddings.patch_embedding"),
        (r"pos_embed/table", f"{body}embeddings.position_embedding.weight"),
        (_BLOCK + r"norm(\d)", layer + "layer_norm{1}"),
        (_BLOCK + "attn_qkv", tuple(f"{layer}self_attn.{part}_proj" for part in "qkv"), fused),
        (_BLOCK + "attn_proj", layer + "self_attn.out_proj"),
        (_BLOCK + r"mlp_(\w+)", layer + "mlp.{1}"),
        (r"(?:fc_)?norm", f"{body}post_layernorm"),
    )
    text = r"text_model\..*|text_projection\..*|logit_scale|logit_bias|vision_model\.embeddings\.position_ids"
    outside = r"text_|logit_|visual_projection\.|classifier\."
    return Source(
        renames,
        ignored=f"{text}|{ignored}",
        head=r"(visual_projection|classifier)\..*",
        prepare=as_in_files(body, outside),
    )


def _clip(*head, ignored):
    body = "vision_model."
    return _tower(
        (r"cls_token/token", f"{body}embeddings.class_embedding", reshaped),
        (r"norm_pre", f"{body}pre_layrnorm"),
        *head,
        ignored=ignored,
    )


def _first_third(arrays, shape):
    """Kernel or bias of the queries, of those of a fused layer (3 dim, dim)."""
    return arrays[0][: len(arrays[0]) // 3].T


def _other_thirds(arrays, shape):
    return arrays[0][len(arrays[0]) // 3 :].T


def _siglip():
    body = "vision_model.head."
    parts = {"q": _first_third, "kv": _other_thirds}
    weights = {"kernel": "in_proj_weight", "bias": "in_proj_bias"}
    return _tower(
        (r"attn_pool_latent/latent", f"{body}probe"),
        *(
            (f"attn_pool_{part}/{ours}", f"{body}attention.{theirs}", function)
            for part, function in parts.items()
            for ours, theirs in weights.items()
        ),
        (r"attn_pool_proj", f"{body}attention.out_proj"),
        (r"attn_pool_norm", f"{body}layernorm"),
        (r"attn_pool_mlp_(\w+)", f"{body}mlp.{{0}}"),
        (r"head", "classifier"),
        ignored=r"vision_model\.head\..*",
    )


_WITH = "dinov2_with_registers."

SOURCES = {
    "transformers": plain("vit."),
    "transformers_deit": plain("deit.", (r"reg_token/token", "deit.embeddings.distillation_token")),
    "transformers_dinov2": _dinov2("dinov2."),
    "transformers_dinov2_gated": _dinov2("dinov2.", *_gated("dinov2.")),
    "transformers_dinov2_registers": _dinov2(_WITH, *_registers(_WITH)),
    "transformers_dinov2_registers_gated": _dinov2(_WITH, *_registers(_WITH), *_gated(_WITH)),
    "transformers_clip": _clip(
        (r"head/kernel", "visual_projection.weight"),
        (r"head/bias", "visual_projection.weight", no_bias),
        ignored=r"classifier\..*",
    ),
    "transformers_clip_classifier": _clip(
        (r"head", "classifier"),
        ignored=r"vision_model\.post_layernorm\..*|visual_projection\..*",
    ),
    "transformers_siglip": _siglip(),
}
"""Kinds of checkpoints that a `build_vit` reads."""
