"""Runs the code of a checkout: in its folder, with only its own modules of Trueline, in this environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


def is_checkout(root: Path) -> bool:
    """Whether a folder is a checkout of Trueline."""
    return (root / "pyproject.toml").is_file()


def commit_of(root: Path) -> str:
    """The commit whose files a checkout has; empty if files differ, or if it is not a working tree of git."""
    git = ["git", "-C", str(root)]
    status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=False)
    if status.returncode or status.stdout:
        return ""
    return subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


def environ_in(root: Path, **environ: str) -> dict[str, str]:
    """The environment of a command that runs a checkout's code.

    Args:
        root: folder of the checkout.
        environ: further variables for the command.
    """
    others = {k: v for k, v in os.environ.items() if not k.startswith(("BENTOML_", "TRUELINE_", "PYTHONPATH"))}
    quiet = {"BENTOML_DO_NOT_TRACK": "true", "ORT_DISABLE_TELEMETRY": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return {**others, **quiet, "PYTHONPATH": str(root), **environ}


def run_in(
    root: Path, command: Sequence[str], *, check: bool = True, timeout: float = 600, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a checkout's folder and read what it prints.

    Args:
        root: folder of the checkout.
        check: raise if the command fails. Defaults to True.
        timeout: seconds that it may take. Defaults to 600.
        environ: see :func:`environ_in`.

    Raises:
        subprocess.CalledProcessError: it failed.
        subprocess.TimeoutExpired: it took too long, and was killed.
    """
    return subprocess.run(
        command,
        check=check,
        capture_output=True,
        text=True,
        cwd=root,
        env=environ_in(root, **environ),
        timeout=timeout,
    )
