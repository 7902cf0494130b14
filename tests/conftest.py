"""How processes share the tests where there are several: ``pytest -n 2``."""

from __future__ import annotations

import os

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


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """A file stays together, for its tests share fixtures, and so do all that load TensorFlow."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tensorflow" if file.startswith(_TENSORFLOW) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems() -> None:
    """From here on processes that tests start are not measured: they run as fast as they do elsewhere."""
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
