"""Run the quick tests with the lowest versions that pyproject.toml allows, or with the newest that exist.

    python tests/matrix.py lowest|newest

torch stays at the version of constraints.txt: any other would be another build of several gigabytes.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def floors() -> list[str]:
    """The lowest version of each dependency, but torch, as pins."""
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pins = [re.match(r"([\w-]+)>=([\d.]+)", requirement).groups() for requirement in requirements]
    return [f"{name}=={version}" for name, version in pins if name != "torch"]


def main(versions: str) -> int:
    """Make the environment anew, install tsseq into it and run the tests; the exit code is pytest's."""
    folder = ROOT / f".venv-{versions}"
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    python = folder / "bin" / "python"
    pins = floors() if versions == "lowest" else []
    pins += re.findall(r"^torch==.*", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *(pin for pin in pins if pin.startswith("torch=="))], check=True)
    subprocess.run([*install, *pins, "--editable", f"{ROOT}[dev]"], check=True)
    quick = ["-q", "-n", "auto", "--maxprocesses", "2", "-m", "not slow and not proof and not clients"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([python, "-m", "pytest", *quick], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    if sys.argv[1:] not in (["lowest"], ["newest"]):
        raise SystemExit(__doc__)
    raise SystemExit(main(sys.argv[1]))
