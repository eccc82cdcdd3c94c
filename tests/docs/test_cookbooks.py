"""docs/from-the-cookbooks.md says what is so: each example runs as it stands and prints what its comments say."""

import re

import pytest

import vitgraph
from tests import ROOT
from tests.guides import blocks, printed, sections

GUIDE = ROOT / "docs" / "from-the-cookbooks.md"
TEXT = GUIDE.read_text()
SECTIONS = sections(TEXT)
BLOCKS = {title: blocks(text) for title, text in SECTIONS.items()}
IMPORTS = "".join(BLOCKS.pop("What is the same everywhere"))
EXAMPLES = {f"{title} {i}": code for title, codes in BLOCKS.items() for i, code in enumerate(codes, start=1)}


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_prints_what_it_says(example, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    says = printed(EXAMPLES[example])
    assert says
    exec(compile(IMPORTS + EXAMPLES[example], f"{GUIDE.name}: {example}", "exec"), {})
    assert capsys.readouterr().out.splitlines() == says


def test_table_leads_to_builders_and_sections():
    rows = re.findall(r"^\| .+ \| (.*)\| \[.+\]\(#(.+)\) \|$", TEXT, re.MULTILINE)
    assert {anchor for _, anchor in rows} <= {title.lower().replace(" ", "-") for title in SECTIONS}
    builders = {name for ours, _ in rows for name in re.findall(r"`(build_\w+)`", ours)}
    assert builders and builders <= set(vitgraph.builders.__all__)


def test_every_variant_is_one():
    names = set(re.findall(r'create\("(\w+)"|["`](\w+_\w*\d{3})["`]', TEXT))
    assert names and {a or b for a, b in names} <= set(vitgraph.list_models())
