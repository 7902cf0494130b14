"""The directions in which packages may import, and that importing does nothing else."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("artifact", "training", "service", "trueline")
TENSORFLOW = {"tensorflow", "tf2onnx"}
HEAVY = TENSORFLOW | {"keras", "sklearn", "polars", "jax", "torch", "onnx", "matplotlib"}


class Import(NamedTuple):
    """One imported package; ``lazy`` inside a function."""

    file: str
    line: int
    package: str
    lazy: bool


def imports_of(source: str, file: str = "") -> list[Import]:
    """Every import of a module, by statement or by ``import_module``, but those for type checkers alone."""
    imports: list[Import] = []

    def visit(node: ast.AST, lazy: bool) -> None:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if not node.level else [Path(file).parts[0]]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            names = [str(a.value) for a in node.args[:1] if isinstance(a, ast.Constant)]
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            return
        imports.extend(Import(file, node.lineno, name.split(".")[0], lazy) for name in names)
        lazy = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, lazy)

    visit(ast.parse(source), lazy=False)
    return imports


FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
IMPORTS = [
    each for path in FILES for each in imports_of(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
]


def of(package: str) -> list[Import]:
    return [i for i in IMPORTS if i.file.startswith(f"{package}/")]


def test_the_reader_of_imports_finds_every_kind_of_import():
    source = """
import a.b
from c.d import e
from . import near
def f():
    import g
    importlib.import_module("h.i")
    __import__("j")
class K:
    import k
if TYPE_CHECKING:
    import typed
"""
    pairs = {(i.package, i.lazy) for i in imports_of(source, "pkg/module.py")}
    lazy = {("g", True), ("h", True), ("j", True)}
    assert pairs == {("a", False), ("c", False), ("pkg", False), ("k", False)} | lazy


def test_every_package_is_read():
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(PACKAGES)
    assert {"numpy", "pydantic", "onnxruntime", "keras"} <= {i.package for i in IMPORTS}


def test_artifact_imports_nothing_of_the_other_packages():
    assert [i for i in of("artifact") if i.package in {"training", "service", "trueline"}] == []


def test_training_and_service_never_meet_and_neither_imports_the_command_line():
    assert [i for i in of("training") if i.package in {"service", "trueline"}] == []
    assert [i for i in of("service") if i.package in {"training", "trueline"}] == []


def test_service_imports_nothing_that_trains_not_even_inside_functions():
    assert [i for i in of("service") if i.package in HEAVY] == []


def test_artifact_imports_a_runtime_only_when_one_is_used():
    heavy = [i for i in of("artifact") if i.package in HEAVY | {"onnxruntime", "bentoml"}]
    layers = [i for i in heavy if i.file.startswith("artifact/layers/") and i.package == "keras"]
    rest = [i for i in heavy if i not in layers]
    files = {"onnxruntime": "by_onnx", "keras": "by_keras", "tensorflow": "by_tensorflow", "jax": "by_jax"}
    assert {(i.package, i.file) for i in rest} == {(p, f"artifact/runtimes/{f}.py") for p, f in files.items()}
    assert all(i.lazy for i in rest)


def test_layers_are_imported_only_by_the_keras_runtime_and_by_training():
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
    naming = {name for name, text in texts.items() if "artifact.layers" in text}
    users = {name for name in naming if not name.startswith(("artifact/layers/", "training/"))}
    assert users == {"artifact/__init__.py", "artifact/runtimes/by_keras.py"}
    loaded = "import sys, artifact.predictor, artifact.registry.local; assert 'artifact.layers' not in sys.modules"
    subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, check=True)


def test_tensorflow_is_imported_only_by_training_and_its_runtime_and_only_when_used():
    imports = [i for i in IMPORTS if i.package in TENSORFLOW]
    users = ("training/", "artifact/runtimes/by_tensorflow.py")
    # Each loop needs its backend, and is imported when it is opened.
    loops = ("training/fit/loops/tensorflow.py",)
    assert [i for i in imports if not i.file.startswith(users) or not (i.lazy or i.file in loops)] == []


def test_the_command_line_imports_what_is_slow_only_when_used():
    slow = HEAVY | {"bentoml", "onnxruntime", "training", "service"}
    # An estimator derives from scikit-learn's classes; its module is imported when the class is used.
    estimator = ("trueline/regressor.py", "sklearn")
    assert [i for i in of("trueline") if i.package in slow and not i.lazy and (i.file, i.package) != estimator] == []


SIDE_EFFECTS = """
import importlib, os, pathlib, sys, threading
package, root = sys.argv[1], pathlib.Path(sys.argv[2])
sys.path.insert(0, str(root))
touched = []

def watched(function):
    def call(*args):
        frame = sys._getframe(1)
        while frame.f_globals["__name__"] in ("os", "collections.abc"):
            frame = frame.f_back
        if frame.f_globals["__name__"].partition(".")[0] == package:
            touched.append((frame.f_globals["__name__"], args[1]))
        return function(*args)
    return call

for method in ("__getitem__", "__setitem__", "__delitem__"):
    setattr(type(os.environ), method, watched(getattr(type(os.environ), method)))
for path in sorted((root / package).rglob("*.py")):
    if path.name != "__main__.py":
        importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"))
assert not touched, f"environment used at import: {touched}"
assert [t.name for t in threading.enumerate() if not t.daemon] == ["MainThread"]
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_writes_nothing_and_needs_no_environment(package, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    environ = {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", SIDE_EFFECTS, package, str(ROOT)]
    result = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    # Keras and matplotlib keep caches of their own.
    assert [p for p in tmp_path.rglob("*") if p.is_file() and not {".keras", ".cache"} & set(p.parts)] == []
