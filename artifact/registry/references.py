"""What a registry says of versions: where one is, what a damaged folder is, and where a rollback returns to."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Reference(NamedTuple):
    """A version and the local folder that holds it."""

    name: str
    version: str
    path: Path


class Damaged(NamedTuple):
    """A folder in the place of a version, or of several, that has no manifest: no command can read what it is.

    Attributes:
        name, version: the version that it was; ``version`` is empty where it stands for all versions of a model, and
            ``name`` too where it stands for all models.
        path: the folder.
        problem: what is wrong and what to do, in sentences.
    """

    name: str
    version: str
    path: Path
    problem: str

    @property
    def sentence(self) -> str:
        """The problem, after the name of what it is about."""
        names = ":".join(name for name in (self.name, self.version) if name)
        return f"{names}: {self.problem}" if names else self.problem


class WayBack(NamedTuple):
    """Where a rollback returns to, by the deployment log as it was read.

    Attributes:
        former: the former champion that becomes the champion again.
        champion: the champion that is taken back.
        number: number of the last entry of the log that was read.
        skipped: former champions that are not in the store any more, the latest first. They were live after ``former``.
    """

    former: Reference
    champion: str
    number: int
    skipped: tuple[str, ...]

    @property
    def note(self) -> str:
        """A sentence on the versions that are skipped; empty where none is."""
        if not self.skipped:
            return ""
        names = ", ".join(f"{self.former.name}:{version}" for version in self.skipped)
        was, them = ("was", "it") if len(self.skipped) == 1 else ("were", "them")
        return (
            f"Skipped {names}, which {was} live after {self.former.name}:{self.former.version}: the store does not "
            f"have {them} any more."
        )
