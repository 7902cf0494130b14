"""The aliases of a model: which of its versions serves, and which served before."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from artifact.errors import ArtifactError
from artifact.files import replace_text, unreadable

CHAMPION = "champion"
CHALLENGER = "challenger"
ALIASES = (CHAMPION, CHALLENGER)
_MAX_HISTORY = 50


class Alias(BaseModel):
    """What an alias points to.

    Attributes:
        version: the version.
        previous: former versions, the latest last; ``rollback`` returns to it.
        changed_at: ISO 8601, UTC.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    previous: tuple[str, ...] = ()
    changed_at: str


class Aliases:
    """One small file for each alias; a reader sees its old content or its new one.

    Args:
        folder: holds a folder for each model.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str, alias: str) -> Path:
        """The alias's file; it changes by one atomic rename."""
        return self._folder / name / f"{alias}.json"

    def paths(self, alias: str) -> dict[str, Path]:
        """The path of an alias's file for each model, in alphabetical order; the file exists once the alias is set."""
        try:
            names = sorted(entry.name for entry in self._folder.iterdir() if entry.is_dir())
        except FileNotFoundError:
            return {}
        return {name: self.path(name, alias) for name in names}

    def read(self, name: str, alias: str) -> Alias | None:
        """What an alias points to, or None where it was never set.

        Raises:
            ArtifactError: the file is not readable.
        """
        path = self.path(name, alias)
        try:
            return Alias.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            way_out = "Make the file readable"
            if isinstance(error, ValidationError):
                way_out = f"Remove that file, then promote a version: `trueline promote {name}:VERSION`"
            raise ArtifactError(f"Expected an alias in {path}. Received: {unreadable(error)}. {way_out}.") from error

    def write(self, name: str, alias: str, version: str, previous: tuple[str, ...]) -> None:
        """Point an alias at a version, and store the last 50 of ``previous``. The caller holds the lock."""
        state = Alias(
            version=version,
            previous=previous[-_MAX_HISTORY:],
            changed_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        replace_text(self.path(name, alias), json.dumps(state.model_dump(), indent=2) + "\n")

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Keep other processes from changing a model's aliases during the block."""
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
