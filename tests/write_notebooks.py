"""`make notebooks`: run the notebooks and write what they show into them; a test runs them in the same way."""

import tempfile
from pathlib import Path

import jupytext
import nbclient

FOLDER = Path(__file__).parent.parent / "notebooks"


def executed(path, folder):
    """The notebook at ``path``, run from top to bottom in a kernel of its own in ``folder``."""
    notebook = jupytext.read(path)
    resources = {"metadata": {"path": folder}}
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", record_timing=False, resources=resources
    ).execute()
    return notebook


if __name__ == "__main__":
    for notebook_path in sorted(FOLDER.rglob("*.ipynb")):
        with tempfile.TemporaryDirectory() as empty:
            jupytext.write(executed(notebook_path, empty), notebook_path)
