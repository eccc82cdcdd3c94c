"""The README says what is so: its examples run as they stand, its numbers and links are right."""

import re
import tomllib

import pytest

import vitgraph
from tests import ROOT
from tests.guides import blocks
from vitgraph.registry import variant

README = (ROOT / "README.md").read_text()
EXAMPLES = blocks(README)


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=["backbone", "features", "fine-tune", "detector", "export", "pre-train", "answers"]
)
def test_example_runs(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})


def test_commands_are_there_and_executable():
    (commands,) = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert commands.split() == ["scripts/demo", "scripts/test"]
    assert all((ROOT / command).stat().st_mode & 0o111 for command in commands.split())


def test_table_counts_the_variants():
    counts = dict.fromkeys(re.findall(r"`(build_\w+)` \|", README), 0)
    for name in vitgraph.list_models():
        counts[variant(name)[0].__name__] += 1
    shown = {build: int(count) for build, count in re.findall(r"`(build_\w+)` \| +(\d+) \|", README)}
    assert shown == counts


def test_links_lead_somewhere():
    local = re.findall(r"\]\((?!https?:)([^)]+)\)", README)
    assert local
    missing = [link for link in local if not (ROOT / link).exists()]
    assert not missing


def test_the_page_of_an_index_has_no_links_into_the_checkout():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    page = README
    for rule in project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        page = re.sub(rule["pattern"], rule["replacement"], page)
    assert re.findall(r"\]\(https:", page)
    assert not re.findall(r"\]\((?!https:)", page)
    assert "Contributing: where things are" in page


def test_one_range_of_pythons():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [line.rpartition(" ")[2] for line in project["classifiers"] if "Python :: 3." in line]
    assert project["requires-python"] == f">={named[0]}"
    ends = f"{named[0]} to {named[-1]}"
    assert f"Python {ends}" in README and f"no Python {ends}" in (ROOT / "scripts" / "bootstrap").read_text()
    assert all(">=" in line for line in project["dependencies"] + project["optional-dependencies"]["export"])


def test_pictures_are_small():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    assert all((ROOT / picture).stat().st_size < 300_000 for picture in pictures)
