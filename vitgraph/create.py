"""One call from a published name to a model with its weights."""

from vitgraph.registry import variant
from vitgraph.weights import load_weights
from vitgraph.weights.hub import locate


def create(name, weights=None, *, skip_head=False, **overrides):
    """Builds a published variant.

    Args:
        name: one of `list_models()`.
        weights: None for random ones; the path of a checkpoint, ours or its source's: `.safetensors`, `.npz`, `.keras`,
            or with torch `.pth`; or timm's tag for the variant, such as "in1k", to be downloaded from the Hugging Face
            hub. Tables of another input size are resampled.
        skip_head: load all but the head, for another `num_classes`.
        **overrides: arguments of the variant's builder that are to differ, such as `input_shape` or `include_top`.

    Returns:
        A `keras.Model` named after the variant.

    Raises:
        ValueError, TypeError: an unknown name (the nearest are named), a bad argument, a checkpoint that doesn't fit.
        OSError: a checkpoint that can't be read or downloaded.
    """
    build, row = variant(name)
    model = build(**{"name": name, **row, **overrides})
    if weights is not None:
        load_weights(model, locate(name, weights), skip_head=skip_head)
    return model
