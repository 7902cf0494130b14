"""Trueline beside a user's own folders that are called as its packages are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from tests.builders import build_version
from tests.processes import ROOT, call, clean_environment, free_port, running, wait_until_ready
from training.devices.threads import usable_cores
from trueline.own_packages import NAMES

# As a console script runs: its own folder is on the path, and the working folder is not.
CONSOLE = "import sys; sys.path.pop(0); from trueline.main import main; sys.argv[0] = 'trueline'; main()"
ALL = "import artifact.predictor, service.settings.settings, training.settings.config, trueline.main; print('well')"


@pytest.fixture(params=["packages", "folders", "files"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A user's folder that contains names of Trueline: as packages, as folders without ``__init__.py``, or as files."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in NAMES:
        if request.param == "files":
            (folder / f"{name}.py").write_text("MINE = True\n")
            continue
        (folder / name).mkdir()
        (folder / name / "features.py").write_text("MINE = True\n")
        if request.param == "packages":
            (folder / name / "__init__.py").write_text("MINE = True\n")
    return folder


def python(folder: Path, *arguments: str | Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in the user's folder, with Trueline on the path as if it were installed."""
    environment = clean_environment(home or folder / "home", PYTHONPATH=str(ROOT))
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_commands_work(project: Path) -> None:
    for how in (["-c", CONSOLE], ["-m", "trueline"]):
        process = python(project, *how, "models", "--json")
        assert (process.returncode, process.stdout) == (0, '{"models": []}\n'), process.stderr


def test_every_package_can_be_imported_in_a_script_and_in_a_notebook(project: Path) -> None:
    (project / "script.py").write_text(f"import trueline\n{ALL}\n")
    for how in (["script.py"], ["-c", f"import trueline; {ALL}"]):
        process = python(project, *how)
        assert (process.returncode, process.stdout) == (0, "well\n"), process.stderr


def test_the_users_own_names_the_folder_in_the_way_after_trueline(project: Path) -> None:
    package, file = project / "training", project / "training.py"
    codes = ["from training.features import MINE", "import training.features.more"] if package.is_dir() else []
    codes += ["from training import MINE"] if file.is_file() or (package / "__init__.py").is_file() else []
    for code in codes:
        process = python(project, "-c", f"import trueline; {code}")
        last = process.stderr.strip().splitlines()[-1]
        assert last.startswith("ImportError: Expected 'training."), process.stderr
        assert f"{package if package.is_dir() else file} has the same name and is in the way. Rename it, " in last


def test_what_does_not_exist_at_all_is_pythons_own_error(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    process = python(tmp_path, "-c", "import trueline, training.features")
    assert process.stderr.strip().splitlines()[-1] == "ModuleNotFoundError: No module named 'training.features'"


def test_the_users_own_before_trueline_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "training.py").touch()
    process = python(tmp_path, "-c", "import training; import trueline")
    assert process.stderr.strip().splitlines()[-1] == (
        "ImportError: Expected the packages artifact, service, training to be Trueline's. Received: 'training' of "
        f"{tmp_path}/training.py, imported before trueline. Rename it, or import trueline in a process that does not "
        "import it."
    )


def test_nothing_is_loaded_where_there_is_nothing_in_the_way(tmp_path: Path) -> None:
    code = f"import sys, trueline; print([name for name in {NAMES} if name in sys.modules])"
    assert python(tmp_path, "-c", code).stdout == "[]\n"


@pytest.mark.parametrize("project", ["packages"], indirect=True)
def test_a_service_serves_from_there(project: Path, tmp_path: Path) -> None:
    home, log, port = tmp_path / "home", tmp_path / "log", free_port()
    version = build_version(LocalRegistry(home), promote=True)
    environment = clean_environment(home, PYTHONPATH=str(ROOT))
    command = [sys.executable, "-c", CONSOLE, "serve", version.name, "--port", str(port)]
    with running(command, log, environment, cwd=project) as server:
        wait_until_ready(server, port, log)
        row = Predictor.load(version.path).schema.example_row()
        status, answer = call(port, "/predict", json.dumps({"rows": [row]}))
    assert status == 200, answer


# As in a notebook: its module is not on disk, so the helper process starts without it.
TRAINS = """
import trueline
from training.evaluation.beside import Comparison
from trueline.main import run

original, fitted_here = Comparison.answers, []

def answers(self):
    fitted_here.append(True)
    return original(self)

Comparison.answers = answers
assert run(["train", "table.csv", "--target", "y", "--model", "ridge"]) == 0
assert not fitted_here
"""


@pytest.mark.skipif(usable_cores() < 2, reason="needs a second core for the simpler models")
@pytest.mark.parametrize("project", ["packages"], indirect=True)
def test_a_notebook_trains_there_and_so_does_its_helper_process(project: Path) -> None:
    (project / "table.csv").write_text("\n".join(["a,b,y", *(f"{i},{i % 7},{2 * i + i % 7}" for i in range(200))]))
    process = python(project, "-c", TRAINS)
    assert process.returncode == 0, process.stdout + process.stderr
