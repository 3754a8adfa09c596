"""Notebooks run from top to bottom, and equal the scripts beside them."""

from pathlib import Path

import jupytext
import nbclient
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_at_most_six_and_each_has_its_script():
    assert 1 <= len(NOTEBOOKS) <= 6
    assert [path.stem for path in NOTEBOOKS] == sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_equals_its_script(path):
    notebook, script = jupytext.read(path), jupytext.read(path.with_suffix(".py"))
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in script.cells]


@pytest.mark.filterwarnings("ignore")  # of the notebook machinery; the kernel is a process of its own
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
    notebook = jupytext.read(path)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert list(tmp_path.iterdir()) == []
