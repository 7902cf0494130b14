"""An environment for each peer: their pins exclude each other's."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).resolve().parent / "peers"
INSTALL_SECONDS = 1200


class NotInstalledError(Exception):
    """A peer that could not be installed, in one line."""


def peer_python(name: str, cache: Path) -> Path:
    """The Python of an environment with ``peers/NAME.txt`` installed, made on first use.

    Raises:
        NotInstalledError: pip could not.
    """
    lock = PEERS / f"{name}.txt"
    environment = cache / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    python = environment / "bin" / "python"
    done = environment / "installed"
    if not done.exists():
        print(f"Installing {lock.relative_to(PEERS.parent.parent)} into {environment}", file=sys.stderr, flush=True)
        _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(environment)])
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", str(python)]
        _run([*pip, "install", "--require-hashes", "-r", str(lock)])
        done.touch()
    return python


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"it took more than {INSTALL_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.startswith("ERROR")] or error.stderr.splitlines()
        raise NotInstalledError(lines[0][:200] if lines else f"pip ended with {error.returncode}") from error
