"""Run the whole suite with the lowest versions that pyproject.toml allows, and with the newest that exist.

    python tests/matrix.py                     lowest versions on Python 3.11, newest on every Python that is installed
    python tests/matrix.py newest python3.13   one cell

torch stays at the version of constraints.txt: any other would be another build of several gigabytes.
Versions that nobody has chosen warn of what is none of our business, so only warnings of our own lines are errors;
pandas and most others name the line outside of them that called.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
WARNINGS = "default\nerror:::(tsseq|test_|conftest)"


def floors() -> list[str]:
    """The lowest version of each dependency, but torch, as pins."""
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pins = [re.match(r"([\w-]+)>=([\d.]+)", requirement).groups() for requirement in requirements]
    return [f"{name}=={version}" for name, version in pins if name != "torch"]


def run(versions: str, interpreter: str) -> int:
    """Make the environment anew, install tsseq into it and run the tests; the exit code is pytest's."""
    folder = ROOT / f".venv-{versions}-{Path(interpreter).name}"
    subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
    python = folder / "bin" / "python"
    pins = floors() if versions == "lowest" else []
    pins += re.findall(r"^torch==.*", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *(pin for pin in pins if pin.startswith("torch=="))], check=True)
    subprocess.run([*install, *pins, "--editable", f"{ROOT}[dev]"], check=True)
    tests = ["-q", "-n", "auto", "--maxprocesses", "2", "-m", "not proof and not clients"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    command = [python, "-m", "pytest", *tests, "-o", f"filterwarnings={WARNINGS}"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def main(cells: list[tuple[str, str]]) -> int:
    """Run the cells whose Python is installed and print what came of each; 1 if one failed, or none ran."""
    installed = [cell for cell in cells if shutil.which(cell[1])]
    codes = {cell: run(*cell) for cell in installed}
    for cell in cells:
        outcome = "not installed" if cell not in codes else "passed" if codes[cell] == 0 else "FAILED"
        sys.stdout.write(f"{cell[0]:8}{cell[1]:24}{outcome}\n")
    return int(not codes or any(codes.values()))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        raise SystemExit(main([("lowest", PYTHONS[0]), *(("newest", python) for python in PYTHONS)]))
    if len(sys.argv) != 3 or sys.argv[1] not in ("lowest", "newest"):
        raise SystemExit(__doc__)
    raise SystemExit(main([(sys.argv[1], sys.argv[2])]))
