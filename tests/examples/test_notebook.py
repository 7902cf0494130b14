"""``examples/houses.ipynb`` runs unchanged in its own kernel, and shows what its texts promise."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient

from artifact.registry.local import LocalRegistry
from tests.processes import ROOT

NOTEBOOK = ROOT / "examples" / "houses.ipynb"


class ThisPython(KernelSpecManager):
    """The Python that runs the tests, whatever kernels are installed on this machine."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name=kernel_name, language="python")


def run(notebook: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute in an empty folder, with its own store."""
    for name in [name for name in os.environ if name.startswith(("TF_", "TF2_"))]:
        monkeypatch.delenv(name)
    places = {"HOME": folder, "IPYTHONDIR": folder / "ipython", "JUPYTER_CONFIG_DIR": folder / "jupyter"}
    places |= {"JUPYTER_DATA_DIR": folder / "data", "JUPYTER_RUNTIME_DIR": folder / "run"}
    for name, place in {**places, "BENTOML_HOME": folder / "home"}.items():
        monkeypatch.setenv(name, str(place))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    client = NotebookClient(notebook, timeout=400, resources={"metadata": {"path": str(folder)}})
    manager = client.create_kernel_manager()
    manager.kernel_spec_manager = ThisPython()
    client.execute()


def output_of(cell: Any) -> str:
    """The output of a cell, as HTML where it has any."""
    parts = []
    for output in cell.outputs:
        data = output.get("data", {})
        parts.append(str(output.get("text") or data.get("text/html") or data.get("text/plain") or ""))
    return "\n".join(parts)


def cell_with(notebook: Any, text: str) -> Any:
    return next(cell for cell in notebook.cells if cell.cell_type == "code" and text in cell.source)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_notebook_runs_and_shows_progress_verdict_and_answers(tmp_path, monkeypatch):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in notebook.cells)
    run(notebook, tmp_path, monkeypatch)
    trained = output_of(cell_with(notebook, 'name="houses", preset="fast"'))
    assert "<table>" in trained
    assert "Is a network worth it here?" in trained
    # rich drew the bar in one place, and removed it at the end.
    assert "ipywidgets" not in trained
    assert "Training" not in trained
    assert not re.search(r"Traceback|oneDNN|WARNING", trained)
    assert "shape: (5, 7)" in output_of(cell_with(notebook, "answers = "))
    assert "<table" in output_of(cell_with(notebook, "measured = "))
    assert "commission" in output_of(cell_with(notebook, "suspect = "))
    assert "commission" not in output_of(cell_with(notebook, "honest = "))
    assert "array([" in output_of(cell_with(notebook, "cross_val_score("))
    registry = LocalRegistry(tmp_path / "home")
    assert registry.resolve("houses:champion").version == registry.versions("houses")[-1]
