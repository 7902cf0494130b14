"""Registry: the interface of a store of versions, whatever holds them."""

from __future__ import annotations

import re
from collections.abc import Hashable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from artifact.errors import DataError
from artifact.manifest import Manifest
from artifact.registry.aliases import ALIASES, CHALLENGER, CHAMPION, Alias
from artifact.registry.entry import NOTHING_SAID, Change, Entry, Statement
from artifact.registry.leases import Lease
from artifact.registry.references import Damaged, Reference, WayBack
from artifact.registry.tables import Tables

__all__ = [
    "ALIASES",
    "CHALLENGER",
    "CHAMPION",
    "Alias",
    "Damaged",
    "Reference",
    "Registry",
    "WayBack",
    "check_name",
    "is_name",
]

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")


class Registry(Protocol):
    """Versions, which never change, and the aliases that say which of them serves.

    Attributes:
        tables: the tables of rows that are kept beside the versions.
    """

    tables: Tables

    def names(self) -> list[str]:
        """Names of the models that Trueline trained, in alphabetical order."""
        ...

    def versions(self, name: str) -> list[str]:
        """Versions of a model, the oldest first; empty where there is no such model."""
        ...

    def damaged(self) -> list[Damaged]:
        """Folders that were versions and have lost their manifest, and links of models that lead nowhere.

        :meth:`versions` leaves them out. Versions whose manifest is there and cannot be read are not among them.

        Raises:
            OSError: the store cannot be read.
        """
        ...

    def has(self, name: str, version: str) -> bool:
        """Whether the store holds a version."""
        ...

    def manifest(self, name: str, version: str) -> Manifest:
        """The manifest of a version."""
        ...

    def fetch(self, name: str, version: str) -> Reference:
        """A version in a local folder.

        Raises:
            NotFoundError: no such model or version; the message lists those that exist.
        """
        ...

    def resolve(self, reference: str) -> Reference:
        """The version meant by ``name``, ``name:version`` or ``name:alias``.

        A name alone means its champion, or its newest version where it has no champion.

        Raises:
            DataError: a colon without a version.
            NotFoundError: no such model, version or alias; the message lists those that exist.
        """
        ...

    def check_writable(self, name: str) -> None:
        """Check before long work that a version of ``name`` can be stored.

        Raises:
            ArtifactError: the store cannot be written.
            OSError: the disk is full, or may not take a file of this size.
        """
        ...

    def create(self, name: str) -> AbstractContextManager[tuple[str, Path]]:
        """Write a new version.

        Yields the version's name and an empty folder to write it in. At the end of the block the version is there as a
        whole; after an exception nothing is left of it.

        Raises:
            DataError: a name that the store cannot hold.
        """
        ...

    def abandon(self) -> None:
        """Remove the versions that this process has begun and not stored, when it ends in the middle of writing."""
        ...

    def remove(self, version: Reference) -> None:
        """Delete a version from the store, all of it at once. The caller has checked that it may be deleted."""
        ...

    def deployment(self, name: str) -> Entry | None:
        """The entry of a model's deployment log that is in force; None where the log has none.

        Raises:
            ArtifactError: there are entries, and none that counts.
        """
        ...

    def history(self, name: str) -> list[Entry]:
        """The entries of a model's deployment log that count and can be read, the oldest first."""
        ...

    def damaged_entries(self, name: str) -> list[str]:
        """A sentence for each older entry of the log that cannot be read. What is live does not depend on these."""
        ...

    def deployment_problem(self, name: str) -> str:
        """Why entries that are there do not count; empty where all of them do."""
        ...

    def deploy(self, name: str, change: Change, *, after: int) -> Entry:
        """Write the next entry of a model's deployment log.

        Args:
            name: name of the model.
            change: the state from now on.
            after: number of the last entry that the caller knows; 0 for none.

        Raises:
            TakenError: another entry came first.
            ArtifactError: the log cannot be continued.
            OSError: nothing could be written.
        """
        ...

    def leases(self, name: str) -> list[Lease]:
        """The leases of the workers that follow a model, except those that were not renewed in time."""
        ...

    def silent_leases(self, name: str) -> list[Lease]:
        """The leases of workers that follow a model and did not renew them in time: most of these workers are gone."""
        ...

    def write_lease(self, name: str, lease: Lease) -> None:
        """Write or renew a worker's lease, which says what it has live.

        Raises:
            OSError: the store cannot be written.
        """
        ...

    def remove_lease(self, name: str, worker: str) -> None:
        """Remove a worker's lease.

        Raises:
            OSError: the store cannot be written.
        """
        ...

    def alias(self, name: str, alias: str = CHAMPION) -> Alias | None:
        """What an alias points to by the deployment log, or None where it points to nothing.

        Raises:
            ArtifactError: see :meth:`deployment`.
        """
        ...

    def champions(self) -> list[str]:
        """Names of the models that have a champion, in alphabetical order."""
        ...

    def former_champions(self, name: str) -> list[str]:
        """Former champions that still exist, the latest last; ``rollback`` returns to the latest."""
        ...

    def promote(
        self,
        reference: str,
        *,
        alias: str = CHAMPION,
        statement: Statement = NOTHING_SAID,
        after: int | None = None,
    ) -> Reference:
        """Point an alias at a version by a new entry of the log; if it already points there, write no entry.

        Args:
            reference: ``NAME:VERSION``, or what :meth:`resolve` takes.
            alias: champion or challenger.
            statement: the writer's remarks for the entry. The version is refused if one of their gates did not pass and
                is not among those that are overruled. Without gates, the version must beat the mean of the target,
                which the gate ``verdict`` says. The entry names the overruled gates that did not pass.
            after: number of the last entry that the caller has seen; with a later entry the promotion is refused.
                Defaults to the entry that is in force.

        Raises:
            NotFoundError: no such version or alias.
            RefusedError: a gate refused the version, and is not overruled.
            TakenError: another entry came first.
        """
        ...

    def way_back(self, name: str) -> WayBack:
        """Where a rollback returns to: the latest former champion that still exists. All of its files are checked.

        Raises:
            NotFoundError: no such model.
            DataError: there is no former champion that still exists.
            ArtifactError: the log is damaged, so that the former champion is not known.
            RefusedError: the former champion is damaged.
        """
        ...

    def rollback(self, name: str, *, statement: Statement = NOTHING_SAID, way: WayBack | None = None) -> Reference:
        """Point the champion at the version it had before, by a new entry of the log.

        Args:
            name: name of the model.
            statement: the writer's remarks for the entry.
            way: what :meth:`way_back` said. Defaults to asking it.

        Raises:
            NotFoundError, DataError, ArtifactError, RefusedError: see :meth:`way_back`.
            TakenError: another entry came since the way was asked for.
        """
        ...

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Keep other processes of this machine from changing what is live, and from deleting, during the block.

        Raises:
            RefusedError: another process has had the lock for 30 seconds; the message names it.
        """
        ...

    def revision(self, name: str | None = None) -> Hashable:
        """A value that changes when a model's champion changes or is deleted; without a name, any model's champion.

        Watchers ask several times a second, so it reads no file that has not changed.
        """
        ...

    def version_revision(self, name: str, version: str) -> Hashable:
        """A value that changes when a version is stored, deleted, or stored again."""
        ...


def is_name(name: str) -> bool:
    """Whether a store could hold a model of this name."""
    return bool(_NAME.fullmatch(name)) and len(name) <= 63


def check_name(name: str) -> None:
    """Check a model's name before work is spent on it.

    Raises:
        DataError: a name that BentoML's store cannot hold.
    """
    if not is_name(name):
        raise DataError(
            "Expected a model name of up to 63 lower-case letters, digits, '.', '_' or '-', beginning and ending with "
            f"a letter or digit. Received: {name!r}."
        )
