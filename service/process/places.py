"""Paths that the environment names: each is made absolute once, before any process starts.

BentoML runs a worker in another folder than its command; a relative path would name another file there.
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
# Folders that BentoML needs below its home; it makes those that are missing.
_FOLDERS = ("bentos", "models", "envs", "tmp")


def variables() -> tuple[str, ...]:
    """The environment variables that hold one path: those of BentoML, and every setting that is a path."""
    ours = (name for name, field in Settings.model_fields.items() if Path in get_args(field.annotation))
    return (*_BENTOML, *(PREFIX + name.upper() for name in ours))


def resolved(environ: Mapping[str, str]) -> dict[str, str]:
    """The absolute paths of an environment, by the variable's name as the environment spells it.

    ``~`` and ``$NAME`` are replaced as BentoML does it. An empty value is no path. An empty ``BENTOML_HOME`` becomes
    the default, for BentoML would read it as the current folder.
    """
    names = variables()
    paths = {
        name: str(absolute(value))
        for name, value in environ.items()
        if name.upper() in names and value and value != _IN_MEMORY
    }
    if environ.get("BENTOML_HOME") == "":
        paths["BENTOML_HOME"] = str(bentoml_home(environ))
    return paths


def check_store(home: Path) -> None:
    """Make the folders that BentoML needs, and check that the store can be used.

    A store that is empty or is mounted later is no fault: the service waits for a version.

    Args:
        home: BentoML's home folder.

    Raises:
        StartError: no version can ever be read from the store in its present state.
    """
    ours = (home / "trueline", home / "trueline" / "deployments")
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
                f"BENTOML_HOME: Expected a model store that this user may read. Received: {folder}, which this user "
                "may not read. Give this user the right to read it."
            )


def _reason(error: OSError) -> str:
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "which is not a folder, or is not inside one"
    return f"which cannot be made ({(error.strerror or str(error)).lower()})"
