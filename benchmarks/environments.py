"""An environment for each peer, since their pinned versions exclude each other."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).resolve().parent / "peers"
INSTALL_SECONDS = 1200


class NotInstalledError(Exception):
    """A peer could not be installed; the reason is one line."""


def peer_python(name: str, cache: Path) -> Path:
    """The Python of an environment with ``peers/NAME.txt`` installed; it is made on first use.

    Raises:
        NotInstalledError: pip could not install it.
    """
    lock = PEERS / f"{name}.txt"
    environment = cache / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    python = environment / "bin" / "python"
    stamp = environment / "installed"
    if not stamp.exists():
        print(f"Installing {lock.relative_to(PEERS.parent.parent)} into {environment}", file=sys.stderr, flush=True)
        _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(environment)])
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", str(python)]
        _run([*pip, "install", "--require-hashes", "-r", str(lock)])
        stamp.touch()
    return python


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"it took more than {INSTALL_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.startswith("ERROR")] or error.stderr.splitlines()
        raise NotInstalledError(lines[0][:200] if lines else f"pip ended with {error.returncode}") from error
