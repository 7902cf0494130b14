"""How processes share the tests where there are several: ``pytest -n 2 --dist loadgroup``."""

from __future__ import annotations

import os

import pytest

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file stays together, for its tests share fixtures, and so do all that load TensorFlow.

    Processes that tests start from here on are not measured: servers and trainings run as fast as they do elsewhere.
    """
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group("tensorflow" if file.startswith(_TENSORFLOW) else file))
