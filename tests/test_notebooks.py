"""Notebooks run from top to bottom, and equal the scripts beside them."""

import jupytext
import pytest
from write_notebooks import FOLDER, executed

NOTEBOOKS = sorted(FOLDER.rglob("*.ipynb"))
LONG = {"07_which_model"}  # `make proof` runs them
PACKAGES = {"04_number_words": "num2words"}  # that notebooks read and tests do not need


def test_there_are_at_most_fifteen_and_each_has_its_script():
    assert 1 <= len(NOTEBOOKS) <= 15
    assert [path.with_suffix(".py") for path in NOTEBOOKS] == sorted(FOLDER.rglob("*.py"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_equals_its_script(path):
    notebook, script = jupytext.read(path), jupytext.read(path.with_suffix(".py"))
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in script.cells]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_with_what_it_shows(path):
    cells = [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))  # run once, in order
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.output_type == "error"]


@pytest.mark.filterwarnings("ignore")  # of the notebook machinery; the kernel is a process of its own
@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.proof] if path.stem in LONG else []) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_notebook_runs(path, tmp_path):
    pytest.importorskip(PACKAGES.get(path.stem, "tsseq"))
    notebook = executed(path, tmp_path)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert list(tmp_path.iterdir()) == []
