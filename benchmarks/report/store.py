"""The file of a run's figures: written whole after each part, so that a run that was stopped can go on."""

import json
import os
import pathlib


class Results:
    """Figures by key, in a JSON file.

    Args:
        path: of the file; its folder is made.
        about: what must be alike for figures to stand in one file: the machine, the settings. Plain values.
        resume: go on with a file that is there.

    Raises:
        FileExistsError: the file is there, and `resume` is False.
        ValueError: the file is of another machine or other settings, which are named, or no such file.
    """

    def __init__(self, path, about, resume=False):
        self.path = pathlib.Path(path)
        self.data = {"about": about, "results": {}}
        if not self.path.exists():
            return
        if not resume:
            raise FileExistsError(f"{self.path} exists; --resume goes on with it, another --out starts anew")
        self.data = _read(self.path)
        there = self.data["about"]
        for key in {**about, **there}:
            if about.get(key) != there.get(key):
                raise ValueError(
                    f"{self.path} has {key}={there.get(key)!r}, and this run {about.get(key)!r}; allowed: the same"
                )

    def __contains__(self, key):
        return key in self.data["results"]

    def __getitem__(self, key):
        return self.data["results"][key]

    def __setitem__(self, key, figures):
        """Keeps the figures and writes the file."""
        self.data["results"][key] = figures
        write(self.path, json.dumps(self.data, indent=1) + "\n")

    def values(self):
        return self.data["results"].values()


def write(path, text):
    """Writes a text file at once: whoever reads it sees all of the old or all of the new."""
    scratch = scratch_of(path)
    scratch.write_text(text)
    scratch.replace(path)


def scratch_of(path):
    """Where to write what is then moved to `path`; the folder is made."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}")


def _read(path):
    try:
        data = json.loads(path.read_text())
        return {"about": dict(data["about"]), "results": dict(data["results"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: no figures of this benchmark: {error}") from error
