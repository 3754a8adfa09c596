"""`make mutants`: change one operator or number of the code at a time, and see whether the tests notice.

Mutants are drawn from the layers whose errors would be silent: frames and windows, scaling, splits, both engines, model
files. Each runs against the tests that mirror its module, then against those of its folder. Survivors are listed with
the line as it was and as it became; whether they matter is for a person to say.
"""

import argparse
import ast
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Modules, and the tests that are about them: first a few, then all that a mutant must pass to survive.
LAYERS = {
    "tsseq/data/*.py": ["tests/data"],
    "tsseq/resampling/folds.py": ["tests/evaluation/test_splits.py", "tests/resampling"],
    "tsseq/evaluation/splits.py": ["tests/evaluation/test_splits.py"],
    "tsseq/trading/engines/*.py": ["tests/trading"],
    "tsseq/trading/orders.py": ["tests/trading"],
    "tsseq/trading/costs.py": ["tests/trading"],
    "tsseq/persistence/*.py": ["tests/persistence"],
}
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


def mutated(source: str, number: int, kind: str) -> tuple[str, str, str]:
    """The module with one change, its line before and after."""
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
    return ast.unparse(tree), before, f"line {node.lineno}, {kind}"


def within_limit() -> None:
    """Ten minutes of the processor for a run of tests: what a mutant that never ends gets, however busy the machine."""
    resource.setrlimit(resource.RLIMIT_CPU, (600, 600))


def passes(folder: Path, tests: list[str]) -> bool:
    """Whether tests pass in a copy of the project."""
    marks = "not proof and not clients"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", marks, "--no-header", "--tb=no", *tests]
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=3600,
            check=False,
            preexec_fn=within_limit,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def stages(path: Path, tests: list[str]) -> Iterator[list[str]]:
    """The tests that mirror a module with its own examples, then all of its layer."""
    near = [test for test in ROOT.glob(f"tests/**/test_{path.stem}.py") if any(part in str(test) for part in tests)]
    yield [str(path.relative_to(ROOT)), *(str(test.relative_to(ROOT)) for test in near)]
    yield tests


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=300, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--results", type=Path, default=Path("mutants.json"), help="mutants found there are not repeated"
    )
    given = parser.parse_args()
    layers = {path: tests for pattern, tests in LAYERS.items() for path in sorted(ROOT.glob(pattern))}
    places = [(path, *change) for path in layers for change in changes(ast.parse(path.read_text()))]
    rows = json.loads(given.results.read_text()) if given.results.exists() else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("tsseq", "tests", "datasets"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        everything = sorted({test for tests in LAYERS.values() for test in tests})
        if not passes(folder, everything):
            sys.exit("tests fail without a change: no mutant can be judged")
        for path, number, kind in random.Random(given.seed).sample(places, given.n)[len(rows) :]:
            target = folder / path.relative_to(ROOT)
            source = target.read_text()
            text, before, what = mutated(source, number, kind)
            target.write_text(text)
            survives = all(passes(folder, tests) for tests in stages(path, layers[path]))
            target.write_text(source)
            rows.append({"module": str(path.relative_to(ROOT)), "what": what, "line": before, "survives": survives})
            given.results.write_text(json.dumps(rows, indent=1) + "\n")
        if not passes(folder, everything):
            sys.exit("tests fail without a change: something changed under the run, whose results say nothing")
    survivors = [row for row in rows if row["survives"]]
    sys.stdout.write(
        f"{len(rows) - len(survivors)} of {len(rows)} mutants were noticed; seed {given.seed}, {len(places)} places.\n"
    )
    for row in survivors:
        sys.stdout.write(f"  {row['module']}, {row['what']}: {row['line']}\n")
