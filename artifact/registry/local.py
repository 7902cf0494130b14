"""The registry on this machine: versions in BentoML's model store, deployment logs in files beside it."""

from __future__ import annotations

import contextlib
import errno
import secrets
import shutil
from collections.abc import Hashable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from artifact.errors import ArtifactError
from artifact.files import absolute, below, flush, replace_text
from artifact.manifest import MANIFEST, Manifest
from artifact.registry.base import Damaged, Reference, check_name, is_name
from artifact.registry.bento import point_to_newest, write_record
from artifact.registry.damaged import damaged_in, no_models
from artifact.registry.deployments import Deployments
from artifact.registry.entry import Change, Entry, is_version
from artifact.registry.leases import Lease, Leases
from artifact.registry.logged import LoggedRegistry
from artifact.registry.naming import name_at, next_moment
from artifact.registry.revision import stamps_of
from artifact.registry.tables import Tables

# About the size of the smallest versions.
_PROBE_BYTES = 256 * 1024


class LocalRegistry(LoggedRegistry):
    """See :class:`artifact.registry.base.Registry`.

    Versions are below ``home/models`` (BentoML's store), deployment logs and kept rows below ``home/trueline``.

    Args:
        home: BentoML's home folder.

    Attributes:
        models: BentoML's store.
        staging: folder on the same disk for versions that are being written or deleted.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.models = home / "models"
        self._deployments = Deployments(home / "trueline" / "deployments", home / "trueline" / "aliases")
        self.staging = home / "trueline" / "staging"
        self.tables = Tables(home / "trueline" / "data", self.staging)
        self._unfinished: set[Path] = set()
        # For each model the revision of its log when its champion was read, and the path of the champion's manifest.
        self._champions: dict[str, tuple[Hashable, Path | None]] = {}

    def abandon(self) -> None:
        for folder in [*self._unfinished]:
            shutil.rmtree(folder, ignore_errors=True)
        self.tables.abandon()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The registry that BentoML uses too: ``BENTOML_HOME``, or ``~/bentoml``."""
        return cls(bentoml_home(environ))

    def check_writable(self, name: str) -> None:
        probe = f".probe-{secrets.token_hex(4)}"
        staged, final = self.staging / probe, self.models / name / probe
        new_folders = [folder for folder in (self.models, final.parent) if not folder.exists()]
        try:
            for folder in (self.staging, final.parent):
                folder.mkdir(parents=True, exist_ok=True)
            staged.write_bytes(bytes(_PROBE_BYTES))
            flush(staged)
            staged.rename(final)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            place = error.filename or self.home
            raise ArtifactError(
                f"Expected a model store that can be written, in BENTOML_HOME={self.home}. "
                f"Received: {error.strerror or error}, at {place}. Mend it, or name another folder in BENTOML_HOME."
            ) from error
        finally:
            for path in (staged, final):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            for folder in reversed(new_folders):
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def names(self) -> list[str]:
        if not self.models.is_dir():
            return []
        return sorted(d.name for d in self.models.iterdir() if d.is_dir() and self.versions(d.name))

    def versions(self, name: str) -> list[str]:
        if not is_name(name):
            return []
        try:
            folders = [d for d in (self.models / name).iterdir() if is_version(d.name) and (d / MANIFEST).is_file()]
        except (FileNotFoundError, NotADirectoryError):  # never there, or deleted while we looked
            return []
        return sorted(d.name for d in folders)

    def damaged(self) -> list[Damaged]:
        if not self.models.is_dir():
            return [no_models(self.models)] if self.tables.sizes() else []
        names = sorted(path.name for path in self.models.iterdir() if is_name(path.name))
        return [each for name in names for each in damaged_in(self.models, name)]

    def has(self, name: str, version: str) -> bool:
        return is_name(name) and is_version(version) and self._manifest(name, version).is_file()

    def manifest(self, name: str, version: str) -> Manifest:
        return Manifest.read(self.models / name / version)

    def fetch(self, name: str, version: str) -> Reference:
        if self.has(name, version):
            return Reference(name, version, self.models / name / version)
        return self.resolve(f"{name}:{version}")

    def deployment(self, name: str) -> Entry | None:
        return self._deployments.in_force(name) if is_name(name) else None

    def history(self, name: str) -> list[Entry]:
        return self._deployments.entries(name) if is_name(name) else []

    def damaged_entries(self, name: str) -> list[str]:
        return self._deployments.damaged(name) if is_name(name) else []

    def deployment_problem(self, name: str) -> str:
        return self._deployments.problem(name)

    def deploy(self, name: str, change: Change, *, after: int) -> Entry:
        return self._deployments.append(name, change, after=after)

    def leases(self, name: str) -> list[Lease]:
        return self._leases(name).read() if is_name(name) else []

    def silent_leases(self, name: str) -> list[Lease]:
        return self._leases(name).silent() if is_name(name) else []

    def write_lease(self, name: str, lease: Lease) -> None:
        self._leases(name).write(lease)

    def remove_lease(self, name: str, worker: str) -> None:
        self._leases(name).remove(worker)

    def _leases(self, name: str) -> Leases:
        return Leases(self.home / "trueline" / "leases" / name)

    def champions(self) -> list[str]:
        entries = {name: self.deployment(name) for name in self._deployments.names()}
        return [name for name, entry in entries.items() if entry is not None and entry.champion is not None]

    def revision(self, name: str | None = None) -> Hashable:
        if name is None:
            return tuple((name, self._deployments.revision(name)) for name in self._deployments.names())
        revision = self._deployments.revision(name)
        # As long as the revision of the log is the same, the champion is the same.
        former_revision, manifest = self._champions.get(name, (None, None))
        if revision != former_revision:
            manifest = None
            with contextlib.suppress(ArtifactError):
                entry = self.deployment(name)
                if entry is not None and entry.champion is not None:
                    manifest = self._manifest(name, entry.champion)
            self._champions[name] = revision, manifest
        return revision if manifest is None else (*revision, *stamps_of([manifest], missing=True))

    def version_revision(self, name: str, version: str) -> Hashable:
        return stamps_of([self._manifest(name, version)], missing=True)

    def _manifest(self, name: str, version: str) -> Path:
        return self.models / name / version / MANIFEST

    def lock(self, name: str) -> contextlib.AbstractContextManager[None]:
        return self._deployments.lock(name)

    def remove(self, version: Reference) -> None:
        # One rename takes the version from every reader at once; the rest only frees the disk.
        aside = self.staging / f"deleted-{version.name}-{version.version}-{secrets.token_hex(4)}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        version.path.rename(aside)
        point_to_newest(version.path.parent)
        if aside.is_symlink() or not aside.is_dir():
            aside.unlink()
        else:
            shutil.rmtree(aside)

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[tuple[str, Path]]:
        check_name(name)
        made_at, staging = self._begin(name)
        version = name_at(made_at)
        final = self.models / name / version
        try:
            yield version, staging
            write_record(staging, name, version, made_at)
            files, folders = below(staging)
            for path in (*files, *folders, staging):
                flush(path)
            final.parent.mkdir(parents=True, exist_ok=True)
            staging.rename(final)
            try:
                flush(final.parent)
                # BentoML's own pointer, so that its commands list and export the newest; Trueline does not read it.
                replace_text(final.parent / "latest", version)
            except BaseException:
                shutil.rmtree(final, ignore_errors=True)
                raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            self._unfinished.discard(staging)

    def _begin(self, name: str) -> tuple[datetime, Path]:
        """The time that names a new version, and its new folder, by which no other process takes the same name."""
        taken: list[str] = []
        while True:
            made_at = next_moment(datetime.now(UTC), [*self.versions(name), *taken])
            version = name_at(made_at)
            staging = self.staging / f"{name}-{version}"
            self._unfinished.add(staging)
            with contextlib.suppress(FileExistsError):
                staging.mkdir(parents=True)
                if not (self.models / name / version).exists():
                    return made_at, staging
                staging.rmdir()  # Another process has just stored this version.
            self._unfinished.discard(staging)
            taken.append(version)


def bentoml_home(environ: Mapping[str, str]) -> Path:
    """BentoML's home folder: ``BENTOML_HOME``, or ``~/bentoml``."""
    home = environ.get("BENTOML_HOME")
    return absolute(home) if home else Path.home() / "bentoml"
