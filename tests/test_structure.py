"""The import layers of ARCHITECTURE.md, the public names, and what `import tsseq` loads."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import tsseq

PACKAGE = Path(tsseq.__file__).parent
FLOOR = {"errors", "typing", "hints", "arguments", "metrics", "quiet", "resampling"} | {
    "persistence/container",
    "persistence/codec",
    "persistence/state",
}
DATA = FLOOR | {"data"}
NEURAL = DATA | {"networks", "heads", "training"}
FRAMES = DATA | {
    "plotting",
    "forecasting/base",
    "forecasting/forecaster",
    "forecasting/forecasts",
    "forecasting/rows",
    "forecasting/rollout",
    "forecasting/naive",
    "forecasting/conformal",
    "forecasting/ensemble",
}
ALLOWED = {
    "errors": set(),
    "typing": set(),
    "hints": {"errors"},
    "quiet": set(),
    "arguments": {"errors"},
    "metrics": {"errors", "typing"},
    "plotting": DATA | {"hints", "plotting"},
    "resampling": {"errors", "typing", "resampling"},
    "persistence/container": {"errors", "typing"},
    "persistence/codec": {"errors", "typing"},
    "persistence/state": {"errors", "typing", "persistence/container", "persistence/codec"},
    "data": DATA,
    "networks": DATA | {"networks"},
    "heads": DATA | {"heads"},
    "training": NEURAL,
    "inference": NEURAL | {"inference"},
    "forecasting/regressor": NEURAL | {"inference"},
    "forecasting/named": NEURAL | FRAMES | {"forecasting/regressor"},
    "classification": NEURAL | {"classification"},
    "evaluation": FRAMES | {"evaluation"},
    "explanation": FRAMES | {"evaluation", "explanation"},
    "trading": DATA | {"plotting", "trading"},
    "prices": DATA | {"prices"},
    "reporting": DATA | {"plotting", "evaluation", "trading", "reporting"},
    "persistence": NEURAL
    | FRAMES
    | {"forecasting/regressor", "forecasting/named", "classification", "persistence"}
    | {"forecasting"},  # the face: whatever it offers may be in a file
    "adapters": FRAMES | {"adapters"},
    "cli": None,
    "__main__": None,
} | {name: FRAMES for name in FRAMES if name.startswith("forecasting/")}
LIBRARIES = {
    "torch": {"networks", "heads", "training", "inference", "forecasting/regressor", "classification", "cli"},
    "pytorch_lightning": {"training"},
    "pandas": {
        "typing",
        "metrics",
        "data",
        "forecasting/regressor",
        *FRAMES,
        "classification",
        "evaluation",
        "explanation",
        "trading",
        "reporting",
        "prices",
        "persistence",
        "adapters",
        "plotting",
        "cli",
    },
    "lightning": set(),
    "lightning_fabric": set(),
    "yfinance": {"prices"},
}
FACES = [PACKAGE, *sorted(path for path in PACKAGE.rglob("*") if path.is_dir() and (path / "__init__.py").exists())]
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def layer(name: str) -> str:
    """ "tsseq.data.panel" -> "data"; modules with a row of their own are layers of their own."""
    parts = name.split(".")[1:]
    own = "/".join(parts[:2])
    return own if own in ALLOWED else parts[0]


def imports(module: Path) -> list[str]:
    """Full names of what a module imports, wherever in it the import stands."""
    names = []
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            folder = PACKAGE.parent / node.module.replace(".", "/")
            names += [f"{node.module}.{alias.name}" for alias in node.names] if folder.is_dir() else [node.module]
    return names


def module_name(module: Path) -> str:
    return ".".join(module.relative_to(PACKAGE.parent).with_suffix("").parts)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_only_what_its_layer_may(module):
    own = layer(module_name(module))
    for name in imports(module):
        top = name.split(".")[0]
        if top == "tsseq" and name != "tsseq" and ALLOWED[own] is not None:
            assert layer(name) in ALLOWED[own], f"{module} imports {name}"
        if top in LIBRARIES:
            assert own in LIBRARIES[top], f"{module} imports {name}"


def test_no_module_imports_itself_by_a_detour():
    graph = {module_name(module): set() for module in MODULES}
    for module in MODULES:
        graph[module_name(module)] = {name for name in imports(module) if name in graph}
    while leaves := {name for name, needs in graph.items() if not needs & set(graph)}:
        graph = {name: needs for name, needs in graph.items() if name not in leaves}
    assert graph == {}


@pytest.mark.parametrize("folder", FACES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_every_folder_has_a_face_and_at_most_14_files(folder):
    face = importlib.import_module(module_name(folder))
    assert face.__doc__
    assert len(list(folder.glob("*.py"))) <= 15  # the face included
    for name in face.__all__:
        assert getattr(face, name) is not None


def modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_import_loads_neither_torch_nor_sklearn():
    heavy = {"torch", "sklearn", "pandas", "pytorch_lightning", "yfinance", "librosa"}
    assert not heavy & modules_after("import tsseq")


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
    with pytest.raises(AttributeError, match="attribute LSTMForcaster"):
        tsseq.LSTMForcaster


def test_the_faces_agree_on_what_a_public_name_is():
    for face in (importlib.import_module(module_name(folder)) for folder in FACES[1:]):
        for name in set(face.__all__) & set(tsseq.__all__):
            assert getattr(face, name) is getattr(tsseq, name)
