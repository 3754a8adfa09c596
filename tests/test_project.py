"""The project's own files agree with each other: declared packages, the version, the list of slow tests."""

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import tsseq

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SLOW = (ROOT / "tests" / "slow.txt").read_text().splitlines()


def imported_packages() -> set[str]:
    """Top-level names that the modules of tsseq import."""
    trees = [ast.walk(ast.parse(path.read_text())) for path in (ROOT / "tsseq").rglob("*.py")]
    nodes = [node for tree in trees for node in tree]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.split(".")[0] for name in names | {node.module for node in nodes if isinstance(node, ast.ImportFrom)}}


def plain(name: str) -> str:
    return re.split(r"[>=<\[ ]", name)[0].lower().replace("_", "-")


def test_every_package_that_is_imported_is_declared_and_the_other_way_round():
    distributions = packages_distributions()
    needed = {plain(distributions[name][0]) for name in imported_packages() if name in distributions}
    declared = {plain(requirement) for requirement in PROJECT["project"]["dependencies"]}
    indirect = {"lightning-fabric", "pyarrow", "tsseq"}  # pandas reads and writes parquet with pyarrow
    assert needed - indirect == declared - indirect


def test_every_dependency_has_a_tested_version():
    tested = {plain(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = PROJECT["project"]["optional-dependencies"]  # `make clients` takes the newest of some
    extras = [name for extra, names in extras.items() if extra not in ("clients", "onnx", "text") for name in names]
    declared = {plain(requirement) for requirement in [*PROJECT["project"]["dependencies"], *extras]}
    assert declared <= tested


def test_the_version_is_written_once():
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", tsseq.__version__)
    text = "".join(path.read_text() for path in (ROOT / "tsseq").rglob("*.py"))
    assert text.count(f'"{tsseq.__version__}"') == 1


def test_every_line_of_the_slow_list_names_a_test():
    for line in SLOW:
        path, _, test = line.partition("::")
        name = re.split(r"::|\.", test.split("[")[0])[-1]
        assert re.search(rf"(def|class) {name}\b", (ROOT / path).read_text()), line
