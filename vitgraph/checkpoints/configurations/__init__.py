"""From the `config.json` of a repository to a builder and its arguments: timm's, and the transformers library's."""

from vitgraph.checkpoints.configurations import plain, staged
from vitgraph.checkpoints.configurations.reading import NoCounterpart, Plan, refuse
from vitgraph.checkpoints.configurations.timm import of_timm

_BODIES = {  # what the names of classes begin with -> the translation of their configurations
    "vit": ("ViT", plain.vit),
    "deit": ("DeiT", plain.deit),
    "beit": ("Beit", plain.beit),
    "vit_mae": ("ViTMAE", plain.vit),
    "dinov2": ("Dinov2", plain.dinov2),
    "dinov2_with_registers": ("Dinov2WithRegisters", plain.dinov2),
    "clip": ("CLIP", plain.clip),
    "clip_vision_model": ("CLIPVision", plain.clip),
    "siglip": ("Siglip", plain.siglip),
    "siglip_vision_model": ("SiglipVision", plain.siglip),
    "swin": ("Swin", staged.swin),
    "swinv2": ("Swinv2", staged.swin_v2),
    "pvt": ("Pvt", staged.pvt),
    "pvt_v2": ("PvtV2", staged.pvt_v2),
    "segformer": ("Segformer", staged.segformer),
    "levit": ("Levit", staged.levit),
    "mobilevit": ("MobileViT", staged.mobilevit),
    "mobilevitv2": ("MobileViTV2", staged.mobilevit_v2),
    "cvt": ("Cvt", staged.cvt),
}
_TASKS = ("Model", "ForMaskedImageModeling", "ForPreTraining")
_HEADS = ("ForImageClassification", "ForImageClassificationWithTeacher")


def planned(content, name=None):
    """The `Plan` of the content of a `config.json`.

    Args:
        name: the variant that timm's file is of, if it isn't the one that the file states.

    Raises:
        NoCounterpart: it asks for something that no builder here has; the message says what.
    """
    if isinstance(content, dict) and "architecture" in content:
        return of_timm(content, name)
    if isinstance(content, dict) and "model_type" in content:
        return of_transformers(content)
    raise NoCounterpart("its config.json is neither timm's (architecture) nor the transformers library's (model_type)")


def of_transformers(content):
    """The `Plan` of a configuration of the transformers library.

    Raises:
        NoCounterpart: it asks for something that no builder here has.
    """
    kind = content.get("model_type")
    if kind not in _BODIES:
        refuse("model_type", kind, ", ".join(_BODIES))
    name, translate = _BODIES[kind]
    architecture = (content.get("architectures") or [f"{name}Model"])[0]
    towers = ("CLIPVisionModel", "SiglipVisionModel", "CLIPVisionModelWithProjection") if "clip" in name.lower() else ()
    known = [name + task for task in (*_TASKS, *_HEADS)] + [*towers]
    if architecture not in known:
        refuse("architectures", [architecture], ", ".join(known))
    builder, arguments = translate(content, architecture)
    return Plan(builder, arguments, _head(content, kind, architecture))


def _head(content, kind, architecture):
    """The number of scores of the head, 0 if there is none."""
    if architecture.endswith(_HEADS):
        default = 1000 if kind == "pvt" else 2
        return content.get("num_labels", len(content.get("id2label") or range(default)))
    if architecture in ("CLIPModel", "CLIPVisionModelWithProjection"):
        return content.get("projection_dim", 512)
    return 0


__all__ = ["NoCounterpart", "Plan", "of_timm", "of_transformers", "planned"]
