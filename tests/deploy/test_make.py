"""The Python that ``make`` chooses, and its message where none fits. Nothing is installed: the Pythons are scripts."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("make", "sh", "cat", "cksum", "tr", "rm", "env")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for the whole PATH, with the tools that make needs and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        program = shutil.which(name)
        assert program is not None, name
        (folder / name).symlink_to(program)
    return folder


def add_python(folder: Path, name: str, about: str, *, fits: bool) -> None:
    """A script that answers like a Python without pip and ensurepip."""
    (folder / name).write_text(
        f"#!/bin/sh\n"
        f'case "$1$2" in -c*ensurepip*|-m*) exit 1 ;; esac\n'
        f'[ -z "{about}" ] || echo "{about}"\n'
        f"exit {0 if fits else 1}\n"
    )
    (folder / name).chmod(0o755)


def make(tools: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    venv = tools.parent / "venv"
    command = ["make", "--no-print-directory", f"VENV={venv}", *arguments, f"{venv}/bin/python"]
    environment = {name: text for name, text in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")}
    result = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "PATH": str(tools)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not venv.exists()
    return result


def test_takes_the_newest_python_that_runs_and_trains_on_tensorflow_and_says_which(tools: Path) -> None:
    add_python(tools, "python3.14", "Python 3.14.1 (/p/python3.14)", fits=True)
    add_python(tools, "python3.13", "", fits=False)
    add_python(tools, "python3.12", "Python 3.12.9 (/p/python3.12)", fits=True)
    add_python(tools, "python3.11", "Python 3.11.9 (/p/python3.11)", fits=True)
    result = make(tools)
    assert result.stdout.startswith("Found Python 3.12.9 (/p/python3.12): making a virtual environment in ")


def test_takes_python_3_14_where_there_is_no_other(tools: Path) -> None:
    add_python(tools, "python3", "Python 3.10.2 (/p/python3)", fits=False)
    add_python(tools, "python3.14", "Python 3.14.1 (/p/python3.14)", fits=True)
    assert "Found Python 3.14.1 (/p/python3.14)" in make(tools).stdout


def test_takes_the_python_that_is_asked_for(tools: Path) -> None:
    add_python(tools, "python3.13", "Python 3.13.5 (/p/python3.13)", fits=True)
    add_python(tools, "mine", "Python 3.11.2 (/p/mine)", fits=True)
    assert "Found Python 3.11.2 (/p/mine)" in make(tools, "PYTHON=mine").stdout


def test_says_what_there_is_and_what_to_install_where_none_fits(tools: Path) -> None:
    add_python(tools, "python3", "Python 3.10.2 (/p/python3)", fits=False)
    add_python(tools, "python3.13", "", fits=False)
    result = make(tools)
    assert result.returncode == 2
    assert result.stderr.startswith(
        "Expected Python 3.11, 3.12, 3.13 or 3.14 with its venv module. Received: Python 3.10.2 (/p/python3). "
        "Install one (Debian: apt-get install python3-venv), or say make PYTHON=/path/to/python3.13.\n"
    )


def test_says_that_there_is_none(tools: Path) -> None:
    assert "Received: no python3.13 python3.12 " in make(tools).stderr
    assert "Received: no /nowhere/python3 that runs." in make(tools, "PYTHON=/nowhere/python3").stderr


def test_says_what_to_install_where_nothing_can_install(tools: Path) -> None:
    add_python(tools, "python3", "Python 3.13.5 (/p/python3)", fits=True)
    result = make(tools)
    assert result.returncode == 2
    assert result.stderr.startswith(
        "Expected pip or ensurepip in Python 3.13.5 (/p/python3). Received: neither. "
        "Install one of them (Debian: apt-get install python3-venv) and run make again.\n"
    )
