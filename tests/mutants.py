"""`make mutants`: change one operator or number of the code at a time, and see whether the tests notice.

Mutants are drawn from the layers whose errors would be silent: frames and windows, scaling, splits, both engines, model
files. Each runs against the tests that reach its line, as `pytest --cov --cov-context=test` has recorded them: those
that mirror its module first, and at most 300. Survivors are listed with the line as it was; whether they matter is for
a person to say.
"""

import argparse
import ast
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

# What every test run needs, imported once: each mutant's run is a fork of this process, and brings tsseq itself.
import pytest
import pytorch_lightning  # noqa: F401
import sklearn.ensemble  # noqa: F401
from coverage import CoverageData

ROOT = Path(__file__).resolve().parent.parent
LAYERS = (
    "tsseq/data/*.py",
    "tsseq/resampling/folds.py",
    "tsseq/evaluation/splits.py",
    "tsseq/trading/engines/*.py",
    "tsseq/trading/orders.py",
    "tsseq/trading/costs.py",
    "tsseq/persistence/*.py",
)
MOST_TESTS = 300
OPERATORS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.And: ast.Or, ast.Or: ast.And, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


def changes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Places of a module that can be changed: the number of the node in `ast.walk`, and how."""
    annotations = {
        id(inner)
        for node in ast.walk(tree)
        for note in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if note is not None
        for inner in ast.walk(note)
    }
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in annotations:
            continue
        if isinstance(node, ast.Compare) and type(node.ops[0]) in OPERATORS:
            yield number, "comparison"
        elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in OPERATORS:
            yield number, "operator"
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
            yield number, "sign"
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
            yield number, "constant"


class Unsigned(ast.NodeTransformer):
    """Takes a sign, or a `not`, away."""

    def __init__(self, node: ast.UnaryOp) -> None:
        self.node = node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        return node.operand if node is self.node else self.generic_visit(node)


def mutated(source: str, number: int, kind: str) -> tuple[str, str, int]:
    """The module with one change, its line before, and the number of that."""
    tree = ast.parse(source)
    node = list(ast.walk(tree))[number]
    before = source.splitlines()[node.lineno - 1].strip()
    if kind == "comparison":
        node.ops[0] = OPERATORS[type(node.ops[0])]()
    elif kind == "operator":
        node.op = OPERATORS[type(node.op)]()
    elif kind == "sign":
        tree = Unsigned(node).visit(tree)
    else:
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1
    return ast.unparse(tree), before, node.lineno


def tests_of(data: CoverageData, path: Path, line: int) -> list[str]:
    """Tests that reach a statement, those that mirror its module first; of its module where no test's own run does."""
    reached = data.contexts_by_lineno(str(path))
    spans = [
        (node.lineno, node.body[0].lineno - 1 if hasattr(node, "body") else node.end_lineno)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.stmt) and node.lineno <= line <= node.end_lineno
    ]
    first, last = max(spans, default=(line, line))  # a decorator is in no statement
    names = {name for number in range(first, max(first, last) + 1) for name in reached.get(number, [])} - {""}
    names = names or {name for found in reached.values() for name in found} - {""}
    tests = sorted({name.partition("|")[0] for name in names})
    random.Random(line).shuffle(tests)
    return sorted(tests, key=lambda name: f"test_{path.stem}.py" not in name)[:MOST_TESTS]


class FirstFailure:
    """Writes down which test noticed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.path.write_text(report.nodeid)


def passes(folder: Path, tests: list[str]) -> bool:
    """Whether tests pass in a copy of the project: in a fork, with ten minutes of the processor, however busy it is."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (600, 600))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        os.chdir(folder)
        os.environ["PYTHONPATH"] = str(folder)
        sys.path.insert(0, str(folder))
        options = ["-q", "-x", "--no-header", "--tb=no"]
        os._exit(int(pytest.main([*options, *tests], plugins=[FirstFailure(folder / "failed")])))
    until = time.monotonic() + 3600
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=300, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--coverage", default=".coverage", help="what pytest --cov-context=test has recorded")
    parser.add_argument("--results", type=Path, default=Path("mutants.json"), help="mutants there are not repeated")
    given = parser.parse_args()
    data = CoverageData(given.coverage)
    data.read()
    paths = [path for pattern in LAYERS for path in sorted(ROOT.glob(pattern))]
    places = [(path, *change) for path in paths for change in changes(ast.parse(path.read_text()))]
    rows = json.loads(given.results.read_text()) if given.results.exists() else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("tsseq", "tests", "datasets"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        for path, number, kind in random.Random(given.seed).sample(places, given.n)[len(rows) :]:
            target = folder / path.relative_to(ROOT)
            source = target.read_text()
            text, before, line = mutated(source, number, kind)
            tests = tests_of(data, path, line)
            (folder / "failed").write_text("".join(tests[:1]))
            target.write_text(text)
            os.utime(target, (10**9 + len(rows), 10**9 + len(rows)))  # so that no compiled file is taken for it
            survives = not tests or passes(folder, tests)
            target.write_text(source)
            if not survives and not passes(folder, [(folder / "failed").read_text()]):
                sys.exit(f"{(folder / 'failed').read_text()} fails without a change: no mutant can be judged")
            about = {"module": str(path.relative_to(ROOT)), "line": line, "kind": kind, "source": before}
            rows.append(about | {"tests": len(tests), "survives": survives})
            given.results.write_text(json.dumps(rows, indent=1) + "\n")
    survivors = [row for row in rows if row["survives"]]
    noticed = len(rows) - len(survivors)
    sys.stdout.write(f"{noticed} of {len(rows)} mutants were noticed; seed {given.seed}, {len(places)} places.\n")
    for row in survivors:
        sys.stdout.write(f"  {row['module']}, line {row['line']}, {row['kind']}: {row['source']}\n")


if __name__ == "__main__":
    main()
