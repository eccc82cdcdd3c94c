"""docs/exports.md says what is so: its examples run, and print what their comments say."""

import pytest

from tests import ROOT
from tests.guides import blocks, printed

GUIDE = ROOT / "docs" / "exports.md"
EXAMPLES = blocks(GUIDE.read_text())


@pytest.mark.parametrize("example", EXAMPLES, ids=["serving", "features", "quantising"])
def test_example(example, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(example, GUIDE.name, "exec"), {})
    assert capsys.readouterr().out.splitlines() == printed(example)
