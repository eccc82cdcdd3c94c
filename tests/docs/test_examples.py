"""Every public function has an example, which runs and prints what it says."""

import doctest

import keras
import numpy
import pytest

import vitgraph
from tests.public import FUNCTIONS


@pytest.mark.filterwarnings("ignore:In the future `np.object` will be defined:FutureWarning")  # Keras' ONNX exporter
@pytest.mark.parametrize("name", FUNCTIONS)
def test_example(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"vitgraph": vitgraph, "numpy": numpy, "keras": keras}
    examples = doctest.DocTestParser().get_doctest(FUNCTIONS[name].__doc__ or "", names, name, None, 0)
    assert examples.examples, "no example"
    lines = examples.docstring.partition("Example:\n")[2].strip().splitlines()
    assert 2 <= len(lines) <= 5, "two to five lines"
    said = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples, out=said.append)
    assert not said, "".join(said)


def test_all_builders_are_asked():
    assert {f"vitgraph.{name}" for name in vitgraph.builders.__all__} < set(FUNCTIONS)
