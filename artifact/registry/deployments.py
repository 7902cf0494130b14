"""The deployment logs of all models of a home folder, and the alias files from before there were logs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from artifact.errors import ArtifactError
from artifact.registry.carried import carried_over
from artifact.registry.entry import FORMAT, Change, Entry
from artifact.registry.locks import locked
from artifact.registry.log import DeploymentLog, TakenError
from artifact.registry.revision import Stamps, stamps_of


class Deployments:
    """The logs of all models, each in a folder of its own.

    As long as a log has no entry, the alias files of an earlier Trueline count as its first entry. The first writer
    stores that entry before its own.

    Args:
        folder: folder that holds the folders of the logs.
        aliases: folder of the alias files.
    """

    def __init__(self, folder: Path, aliases: Path) -> None:
        self.folder = folder
        self._aliases = aliases
        self._logs: dict[str, DeploymentLog] = {}

    def names(self) -> list[str]:
        """Models that have a log, or alias files, in alphabetical order."""
        names: set[str] = set()
        for folder in (self.folder, self._aliases):
            with contextlib.suppress(FileNotFoundError):
                names |= {path.name for path in folder.iterdir() if path.is_dir()}
        return sorted(names)

    def in_force(self, name: str) -> Entry | None:
        """The entry of a model that is in force; None where there is none.

        Raises:
            ArtifactError: there are entries, and none counts; or an alias file cannot be read.
        """
        log = self._log(name)
        entry = log.last()
        if entry is None and log.problem:
            raise ArtifactError(log.problem)
        return entry or self._carried(name)

    def entries(self, name: str) -> list[Entry]:
        """The entries of a model that count and can be read, the oldest first."""
        entries = self._log(name).entries()
        if entries:
            return entries
        entry = self.in_force(name)
        return [] if entry is None else [entry]

    def damaged(self, name: str) -> list[str]:
        """A sentence for each older entry that cannot be read; what is live does not depend on these."""
        return self._log(name).damaged()

    def problem(self, name: str) -> str:
        """Why entries that are there do not count; empty where all of them do."""
        return self._log(name).problem

    def revision(self, name: str) -> tuple[int, str, Stamps]:
        """A value that changes with the last entry. While nothing changes, it costs one look for a missing file."""
        log = self._log(name)
        entry = log.last()
        stamps = stamps_of((self._aliases / name).glob("*.json")) if entry is None else ()
        return 0 if entry is None else entry.number, log.problem, stamps

    def append(self, name: str, change: Change, *, after: int) -> Entry:
        """Write the next entry, as :meth:`DeploymentLog.append`. An empty log first gets the alias files' entry."""
        log = self._log(name)
        if log.last() is None and not log.problem:
            carried = carried_over(self._aliases, name)
            if carried is not None:
                # Another writer may carry over the same files.
                with contextlib.suppress(TakenError):
                    log.append(carried, after=0)
        return log.append(change, after=after)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Keep other processes of this machine from changing a model's live version during the block.

        Raises:
            RefusedError: another process has had the lock for 30 seconds; the message names it.
        """
        with locked(self.folder / name / ".lock"):
            yield

    def _log(self, name: str) -> DeploymentLog:
        if name not in self._logs:
            self._logs[name] = DeploymentLog(self.folder / name, name)
        return self._logs[name]

    def _carried(self, name: str) -> Entry | None:
        """The entry that the alias files stand for, as long as no entry is there."""
        change = carried_over(self._aliases, name)
        return None if change is None else Entry(format=FORMAT, number=1, nonce="", **dict(change))
