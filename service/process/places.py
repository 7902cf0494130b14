"""Where the files are that an environment names: every path is made absolute once, before any process starts.

BentoML runs a worker in another folder than its command; a relative path would mean another file there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from artifact.files import absolute
from artifact.registry.local import bentoml_home
from service.settings.settings import PREFIX, Settings
from service.wire.errors import StartError

# BentoML's own variables that name a file or a folder.
_BENTOML = ("BENTOML_HOME", "BENTOML_CONFIG", "BENTOML_RESULT_STORE")
_IN_MEMORY = ":memory:"
# What BentoML wants below its home; it makes what is not there.
_FOLDERS = ("bentos", "models", "envs", "tmp")


def variables() -> tuple[str, ...]:
    """The environment variables that hold one path: BentoML's, and every setting that is a path."""
    ours = (name for name, field in Settings.model_fields.items() if Path in get_args(field.annotation))
    return (*_BENTOML, *(PREFIX + name.upper() for name in ours))


def resolved(environ: Mapping[str, str]) -> dict[str, str]:
    """The paths of an environment, absolute, by the variable's name as it is written there.

    ``~`` and ``$NAME`` are replaced as BentoML does it. An empty value is no path; an empty ``BENTOML_HOME`` is the
    default, for BentoML would take it for the folder that it happens to run in.
    """
    known = variables()
    found = {
        name: str(absolute(value))
        for name, value in environ.items()
        if name.upper() in known and value and value != _IN_MEMORY
    }
    if environ.get("BENTOML_HOME") == "":
        found["BENTOML_HOME"] = str(bentoml_home(environ))
    return found


def check_store(home: Path) -> None:
    """Make the folders that BentoML wants, and check that the store can be one.

    A store that is empty, or that is mounted later, is none of its faults: the service waits for that.

    Args:
        home: BentoML's home folder.

    Raises:
        StartError: the store can never be one as things are.
    """
    ours = (home / "trueline", home / "trueline" / "aliases")
    try:
        for folder in (home, *(home / name for name in _FOLDERS)):
            if not folder.is_dir():
                folder.mkdir(parents=True)
    except OSError as error:
        folders = ", ".join(f"'{name}'" for name in _FOLDERS)
        raise StartError(
            f"BENTOML_HOME: Expected a folder that has {folders}, or in which they can be made. "
            f"Received: {error.filename or home}, {_reason(error)}. Make them, or name another folder."
        ) from error
    for folder in (home, home / "models", *ours):
        if os.path.lexists(folder) and not folder.is_dir():
            raise StartError(f"BENTOML_HOME: Expected a model store. Received: {folder}, which is no folder.")
        if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
            raise StartError(
                f"BENTOML_HOME: Expected a model store that this user may read. Received: {folder}, which may not be. "
                "Give this user the right to read it."
            )


def _reason(error: OSError) -> str:
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "which is no folder or lies in none"
    return f"which cannot be made ({(error.strerror or str(error)).lower()})"
