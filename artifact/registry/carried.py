"""Alias files, which named the live version before there was a deployment log: they are read once and carried over."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from artifact.errors import ArtifactError
from artifact.files import unreadable
from artifact.registry.aliases import ALIASES, CHAMPION, Alias
from artifact.registry.entry import Change


def carried_over(folder: Path, name: str) -> Change | None:
    """The first entry of a log, made from the alias files of a model.

    Args:
        folder: folder of the alias files of all models.
        name: name of the model.

    Returns:
        None where there are no such files.

    Raises:
        ArtifactError: one of them cannot be read.
    """
    aliases = {alias: _read(folder / name / f"{alias}.json", name) for alias in ALIASES}
    champion, challenger = aliases[CHAMPION], aliases["challenger"]
    if champion is None and challenger is None:
        return None
    return Change(
        action="carry-over",
        champion=None if champion is None else champion.version,
        challenger=None if challenger is None else challenger.version,
        former=() if champion is None else champion.previous,
        who="",
        when=max(alias.changed_at for alias in (champion, challenger) if alias is not None),
        why="The alias files of an earlier Trueline said so.",
        source=f"trueline/{folder.name}/{name}",
    )


def _read(path: Path, name: str) -> Alias | None:
    try:
        return Alias.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        way_out = "Make the file readable"
        if isinstance(error, ValidationError):
            way_out = f"Remove that file, then promote a version: `trueline promote {name}:VERSION`"
        raise ArtifactError(f"Expected an alias in {path}. Received: {unreadable(error)}. {way_out}.") from error
