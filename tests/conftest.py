"""How processes share the tests where there are several: ``pytest -n 2``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from xdist.scheduler import LoadScopeScheduling

# Tests that load TensorFlow. One process runs all of these: two would not fit everywhere. The other process has the
# tests that start processes which load it, one at a time.
_TENSORFLOW = (
    "tests/artifact/test_keras_runtime.py",
    "tests/artifact/test_runtimes.py",
    "tests/service/test_runtimes.py",
    "tests/test_table_to_answer.py",
    "tests/training/",
    "tests/trueline/",
)


# Files in those folders that do without it.
WITHOUT_TENSORFLOW = (
    *(f"tests/training/table/test_{name}.py" for name in ("dialect", "kept", "names", "paths", "selection", "text")),
    *(f"tests/training/test_{name}.py" for name in ("advice", "both_ways", "columns", "compared", "config")),
    *(f"tests/training/test_{name}.py" for name in ("corrections", "data", "evaluate", "folds", "ids", "overview")),
    *(f"tests/training/test_{name}.py" for name in ("on_jax", "penalised")),
    *(
        f"tests/trueline/retrain/test_{name}.py"
        for name in ("held_out", "kept_again", "recalibrate", "rows", "warnings")
    ),
    *(f"tests/trueline/test_{name}.py" for name in ("absent_columns", "data_command", "ended", "example")),
    *(f"tests/trueline/test_{name}.py" for name in ("inspect_command", "parity", "pass_through", "progress")),
    "tests/trueline/test_store_commands.py",
)


def _may_load_tensorflow(file: str) -> bool:
    return file.startswith(_TENSORFLOW) and file not in WITHOUT_TENSORFLOW


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """A file stays together, for its tests share fixtures, and so do all that load TensorFlow."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tensorflow" if _may_load_tensorflow(file) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(scope="module", autouse=True)
def _does_without_tensorflow(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each process has only the files that the lists above give it."""
    was_loaded = "tensorflow" in sys.modules
    yield
    file = request.path.relative_to(request.config.rootpath).as_posix()
    if not (was_loaded or _may_load_tensorflow(file)):
        assert "tensorflow" not in sys.modules, f"{file} loads TensorFlow, and the lists of tests/conftest.py deny it."


def pytest_collection_modifyitems() -> None:
    """From here on processes that tests start are not measured: they run as fast as they do elsewhere."""
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
    # xdist tells its processes how wide the terminal is, and what they print would be as narrow.
    os.environ.pop("COLUMNS", None)
