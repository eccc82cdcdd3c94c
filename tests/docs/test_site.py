"""The documentation site builds without a warning, has all that the code says, and its code runs."""

import os
import re
import subprocess
import sys

import pytest

import vitgraph
from tests import ROOT
from tests.guides import blocks, printed
from vitgraph.registry import BUILDERS

PAGES = ["index", "getting-started", "backbones", "precision-and-speed", "coming-from", "many-images", "fine-tuning"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "KERAS_BACKEND": "tensorflow"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder


def test_every_architecture_has_its_page(site):
    """With each of its arguments, variants and checkpoints, and a picture of its pyramid."""
    for build in BUILDERS:
        name = build.__module__.rpartition(".")[2]
        page = (site / "architectures" / f"{name}.html").read_text()
        arguments = re.findall(r"^    (\w+): ", build.__doc__.split("Returns:")[0], re.MULTILINE)
        assert len(arguments) > 10 and "</svg>" in page
        variants = [v for v in vitgraph.list_models() if vitgraph.registry.variant(v)[0] is build]
        tags = [tag for variant in variants for tag in vitgraph.list_weights(variant)]
        missing = [word for word in (*arguments, *variants, *tags) if f"<code>{word}</code>" not in page]
        assert not missing, name


def test_every_public_function_is_in_the_reference(site):
    reference = "".join(path.read_text() for path in (site / "reference").glob("*.html"))
    names = [name for name in vitgraph.__all__ if callable(getattr(vitgraph, name)) and not name.startswith("build_")]
    missing = [name for name in (*names, *vitgraph.blocks.__all__) if f'id="{name.lower()}"' not in reference]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_code_runs_and_prints_what_it_says(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks((ROOT / "docs" / f"{page}.md").read_text()))
    exec(compile(code, f"docs/{page}.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == printed(code)
