"""The import layers of ARCHITECTURE.md, the public names, and what `import tsseq` loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tsseq

PACKAGE = Path(tsseq.__file__).parent
BASE = {"errors", "naming"}
DATA = BASE | {"data"}
NEURAL = DATA | {"networks", "heads", "distributions", "training"}
FRAMES = DATA | {
    "metrics",
    "estimators/ahead",
    "estimators/base",
    "estimators/forecaster",
    "estimators/forecasts",
    "estimators/naive",
}
LABELS = NEURAL | {"estimators/regressor", "estimators/labels", "estimators/sequences"}
ALLOWED = {
    "errors": set(),
    "naming": BASE,
    "metrics": BASE,
    "data": DATA,
    "networks": DATA | {"networks"},
    "heads": BASE,
    "distributions": BASE | {"heads"},
    "training": NEURAL,
    "estimators": set(),
    "estimators/ahead": FRAMES,
    "estimators/base": FRAMES | {"persistence"},  # inside `save`, and nowhere else
    "estimators/conformal": FRAMES,
    "estimators/ensemble": FRAMES,
    "estimators/forecaster": FRAMES,
    "estimators/forecasts": FRAMES,
    "estimators/naive": FRAMES,
    "estimators/regressor": NEURAL,
    "estimators/sequences": DATA,
    "estimators/labels": LABELS,
    "estimators/classifier": LABELS,
    "estimators/labeller": LABELS,
    "estimators/named": NEURAL | FRAMES | {"estimators/regressor"},
    "estimators/attentive": NEURAL | FRAMES | {"estimators/named"},
    "modelfile": {"errors"},
    "modelconfig": {"errors"},
    "panelfile": DATA | {"modelconfig"},
    "wrapperfile": FRAMES | {"modelconfig", "panelfile", "estimators/conformal", "estimators/ensemble"},
    "persistence": None,
    "plotting": FRAMES,
    "backtesting": FRAMES | {"plotting", "backtesting"},
    "cli": None,
    "__init__": None,
}
LIBRARIES = {
    "torch": {
        "networks",
        "heads",
        "distributions",
        "training",
        "estimators/regressor",
        "estimators/labels",
        "persistence",
        "cli",
    },
    "pytorch_lightning": {"training"},
    "pandas": {
        "data",
        "metrics",
        "estimators/ahead",
        "estimators/base",
        "estimators/conformal",
        "estimators/forecaster",
        "estimators/forecasts",
        "estimators/labeller",
        "estimators/labels",
        "estimators/regressor",
        "modelconfig",
        "panelfile",
        "persistence",
        "plotting",
        "backtesting",
        "cli",
    },
    "lightning": set(),
    "yfinance": {"data"},
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.stat().st_size)


def layer(module: Path) -> str:
    """ "tsseq/data/panel.py" -> "data"; modules of estimators are layers of their own."""
    parts = module.relative_to(PACKAGE).with_suffix("").parts
    return "/".join(parts[:2]) if parts[0] == "estimators" and parts[1] != "__init__" else parts[0]


def imports(module: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "tsseq" else [node.module]
            )
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_only_what_its_layer_may(module):
    allowed = ALLOWED[layer(module)]
    for name in imports(module):
        parts = name.split(".")
        if parts[0] == "tsseq" and allowed is not None and len(parts) > 1:
            assert ("/".join(parts[1:3]) if parts[1] == "estimators" else parts[1]) in allowed, (
                f"{module} imports {name}"
            )
        if parts[0] in LIBRARIES:
            assert layer(module) in LIBRARIES[parts[0]], f"{module} imports {name}"


def modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_import_loads_neither_torch_nor_sklearn():
    assert not {"torch", "sklearn", "pandas", "pytorch_lightning", "yfinance"} & modules_after("import tsseq")


def test_forecasting_with_ridge_never_loads_torch():
    loaded = modules_after(
        "import tsseq; from sklearn.linear_model import Ridge\n"
        "air = tsseq.load_sample('airline')\n"
        "tsseq.backtest(tsseq.Forecaster(Ridge(), 3, 12), air, n_cutoffs=2)"
    )
    assert not {"torch", "pytorch_lightning"} & loaded


def test_naming_a_neural_forecaster_does_not_load_lightning():
    assert "pytorch_lightning" not in modules_after("import tsseq; tsseq.LSTMForecaster(3, 12)")


@pytest.mark.parametrize("name", tsseq.__all__)
def test_every_public_name_exists_and_is_documented(name):
    assert getattr(tsseq, name).__doc__
    assert name in dir(tsseq)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'LSTMForcaster'"):
        tsseq.LSTMForcaster


def test_the_stub_names_what_is_public():
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text())
    imported = {
        alias.asname: node.module for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert imported == {name: module for name, module in tsseq._MODULE.items()}
