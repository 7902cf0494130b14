"""How processes share the tests where there are several: ``pytest -n 2``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from xdist.scheduler import LoadScopeScheduling

# Tests that load TensorFlow, or start a process that does. One process runs all of these: two would not fit everywhere.
_TENSORFLOW = (
    "tests/artifact/test_keras_runtime.py",
    "tests/artifact/test_runtimes.py",
    "tests/deploy/test_bento.py",
    "tests/docs/test_retrain_page.py",
    "tests/examples/",
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
    "tests/training/test_penalised.py",
    *(f"tests/trueline/retrain/test_{name}.py" for name in ("held_out", "recalibrate", "rows")),
    *(f"tests/trueline/test_{name}.py" for name in ("absent_columns", "data_command", "example", "inspect_command")),
    *(f"tests/trueline/test_{name}.py" for name in ("parity", "pass_through", "progress", "store_commands")),
)


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """A file stays together, for its tests share fixtures, and so do all that load TensorFlow."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tensorflow" if file.startswith(_TENSORFLOW) and file not in WITHOUT_TENSORFLOW else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(scope="module", autouse=True)
def _does_without_tensorflow(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each process has only the files that the lists above give it."""
    was_loaded = "tensorflow" in sys.modules
    yield
    file = request.path.relative_to(request.config.rootpath).as_posix()
    if file in WITHOUT_TENSORFLOW and not was_loaded:
        assert "tensorflow" not in sys.modules, f"{file} loads TensorFlow: take it out of WITHOUT_TENSORFLOW."


def pytest_collection_modifyitems() -> None:
    """From here on processes that tests start are not measured: they run as fast as they do elsewhere."""
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
    # xdist tells its processes how wide the terminal is, and what they print would be as narrow.
    os.environ.pop("COLUMNS", None)
