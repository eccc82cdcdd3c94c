"""Published checkpoints from the Hugging Face hub, where timm's live."""

import hashlib
import pathlib


def download(repository, filename="model.safetensors"):
    """Downloads one file of a hub repository into the hub's cache, with a progress bar, and checks it.

    Returns:
        The file's path.

    Raises:
        OSError: it couldn't be downloaded whole; the message says why.
    """
    from huggingface_hub import hf_hub_download

    try:
        path = pathlib.Path(hf_hub_download(repository, filename))
    except Exception as error:  # the hub's client and its HTTP library each have errors of their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise OSError(f"weights: could not download {filename} of {repository!r} from the hub: {reason}") from error
    blob = path.resolve()
    if len(blob.name) == 64 and _sha256(blob) != blob.name:  # the hub names large files by their checksum
        blob.unlink()
        path.unlink(missing_ok=True)
        raise OSError(f"weights: {filename} of {repository!r} arrived damaged (checksum); it was deleted, try again")
    return path


def _sha256(path):
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
