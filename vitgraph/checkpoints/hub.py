"""Downloads: of a repository on the Hugging Face hub into the hub's cache, and of a URL into a cache of our own."""

import hashlib
import pathlib
import urllib.error
import urllib.request

from vitgraph.checkpoints.files import USUAL
from vitgraph.scratch import cache, written


def download(repository, filename="model.safetensors", revision=None):
    """Downloads one file of a hub repository into the hub's cache, with a progress bar, and checks it.

    Returns:
        The file's path, or None if the repository has no such file.

    Raises:
        OSError: it couldn't be downloaded whole; the message says why, and what to do.
    """
    from huggingface_hub import errors, hf_hub_download

    try:
        path = pathlib.Path(hf_hub_download(repository, filename, revision=revision))
    except errors.RemoteEntryNotFoundError:
        return None
    except Exception as error:  # the hub's client and its HTTP library each have errors of their own
        why = _reason(error, repository, revision)
        raise OSError(f"weights: could not download {filename} of {repository!r} from the hub: {why}") from error
    blob = path.resolve()
    if len(blob.name) == 64 and _sha256(blob) != blob.name:  # the hub names large files by their checksum
        blob.unlink()
        path.unlink(missing_ok=True)
        raise OSError(f"weights: {filename} of {repository!r} arrived damaged (checksum); it was deleted, try again")
    return path


def checkpoint(repository, revision=None):
    """Downloads the checkpoint of a hub repository: of its files with a usual name the preferred, with all its parts.

    Returns:
        Its path.

    Raises:
        OSError: as `download`; or there is no such file.
    """
    for filename in USUAL:
        path = download(repository, filename, revision)
        if path is None:
            continue
        if filename.endswith(".index.json"):
            for part in parts(path):
                if download(repository, part, revision) is None:
                    raise OSError(f"weights: {repository!r} lacks {part}, which its {filename} names")
        return path
    raise OSError(f"weights: {repository!r} has no checkpoint: none of {', '.join(USUAL)}")


def parts(index):
    """The names of the files that an index names."""
    import json

    try:
        return sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError):
        return []  # whoever reads the index says what is wrong with it


def _reason(error, repository, revision):
    """What went wrong in a download, and what to do, in a line."""
    from huggingface_hub import constants, errors

    if isinstance(error, errors.GatedRepoError):
        page = f"{constants.ENDPOINT}/{repository}"
        return f"it is gated; accept its terms on {page}, and log in with `hf auth login` or the variable HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"there is no revision {revision!r}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "there is no such repository; or it is private, and `hf auth login` or the variable HF_TOKEN is needed"
    if isinstance(error, errors.HFValidationError):
        return "that isn't the name of a repository, owner/name"
    if isinstance(error, errors.OfflineModeIsEnabled) or constants.HF_HUB_OFFLINE:
        return "it isn't in the cache, and HF_HUB_OFFLINE forbids to download it"
    cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ else error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status in (401, 403):
        return f"the server refuses it ({status}); log in with `hf auth login` or the variable HF_TOKEN"
    if status:
        return f"{constants.ENDPOINT} answers {status}; try again later"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return f"{constants.ENDPOINT} can't be reached ({_first_line(cause)}); is there a network, or a proxy?"
    return _first_line(error)


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def fetch(url, sha256=None, size=None):
    """Downloads a file of the web into our cache, whole or not at all.

    Args:
        sha256: what its checksum begins with, if that is known.
        size: its number of bytes, if that is known.

    Returns:
        Its path; at the second time there is nothing to download.

    Raises:
        OSError: it couldn't be downloaded whole; the message says why.
    """
    folder = cache() / hashlib.sha256(url.encode()).hexdigest()[:16]
    path = folder / urllib.parse.unquote(pathlib.PurePosixPath(urllib.parse.urlsplit(url).path).name or "checkpoint")
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with written(path) as new:
        with new.open("wb") as file:
            digest, count = _copy(url, file)
        _check(url, digest, count, sha256, size)
    return path


def _copy(url, file):
    """(checksum, number of bytes) of what a URL gives, which is written to a file."""
    digest, count = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            promised = answer.headers.get("Content-Length")
            while chunk := answer.read(1 << 16):
                digest.update(chunk)
                count += file.write(chunk)
    except urllib.error.HTTPError as error:
        raise OSError(f"weights: could not download {url}: the server answers {error.code} {error.reason}") from error
    except (OSError, ValueError, urllib.error.URLError) as error:
        why = getattr(error, "reason", error)
        raise OSError(f"weights: could not download {url}: {why}; is there a network, or a proxy?") from error
    if promised and count != int(promised):
        raise OSError(f"weights: {url} was cut off after {count} of {promised} bytes; try again")
    return digest.hexdigest(), count


def _check(url, digest, count, sha256, size):
    if size is not None and count != size:
        raise OSError(f"weights: {url} has {count} bytes, not {size} as it should")
    if sha256 and not digest.startswith(sha256):
        raise OSError(f"weights: {url} has the checksum {digest[: len(sha256)]}, not {sha256} as it should; try again")


def _sha256(path):
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
