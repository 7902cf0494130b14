"""Versions in BentoML's model store, and the aliases that say which of them serves."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

from artifact.errors import ArtifactError, DataError, NotFoundError, RefusedError, unknown_name
from artifact.files import absolute, flush, replace_text
from artifact.manifest import MANIFEST, STORE_RECORD, Manifest
from artifact.registry.aliases import ALIASES, CHALLENGER, CHAMPION, Alias, Aliases

__all__ = ["ALIASES", "CHALLENGER", "CHAMPION", "Alias", "Reference", "Registry", "check_name"]

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
# The smallest versions take about so much.
_PROBE_BYTES = 256 * 1024


class Reference(NamedTuple):
    """A resolved version."""

    name: str
    version: str
    path: Path


class Registry:
    """Versions below ``home/models`` (BentoML's store) and aliases below ``home/trueline``.

    Args:
        home: BentoML's home folder.

    Attributes:
        models: BentoML's store.
        staging: on the same disk, what is being written, or taken out, and is no version.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.models = home / "models"
        self._aliases = Aliases(home / "trueline" / "aliases")
        self.staging = home / "trueline" / "staging"
        self._written: set[Path] = set()

    def abandon(self) -> None:
        """Remove what this process is writing and has not stored. For a process that ends in the midst of it."""
        for folder in [*self._written]:
            shutil.rmtree(folder, ignore_errors=True)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The registry that BentoML uses too: ``BENTOML_HOME``, or ``~/bentoml``."""
        home = environ.get("BENTOML_HOME")
        return cls(absolute(home) if home else Path.home() / "bentoml")

    def check_writable(self, name: str) -> None:
        """Write as much as a small version takes, move it to where versions of ``name`` are, and remove it.

        Raises:
            ArtifactError: the store cannot be written.
            OSError: the disk is full, or may not take a file of this size.
        """
        probe = f".probe-{secrets.token_hex(4)}"
        staged, final = self.staging / probe, self.models / name / probe
        made = [folder for folder in (self.models, final.parent) if not folder.exists()]
        try:
            for folder in (self.staging, final.parent):
                folder.mkdir(parents=True, exist_ok=True)
            staged.write_bytes(bytes(_PROBE_BYTES))
            flush(staged)
            staged.rename(final)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            where = error.filename or self.home
            raise ArtifactError(
                f"Expected a model store that can be written, in BENTOML_HOME={self.home}. "
                f"Received: {error.strerror or error}, at {where}. Mend it, or name another folder in BENTOML_HOME."
            ) from error
        finally:
            for path in (staged, final):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            for folder in reversed(made):
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def names(self) -> list[str]:
        """Names of the models that Trueline trained, in alphabetical order."""
        if not self.models.is_dir():
            return []
        return sorted(d.name for d in self.models.iterdir() if d.is_dir() and self.versions(d.name))

    def versions(self, name: str) -> list[str]:
        """Versions of a model, the oldest first; empty where there is no such model."""
        if not _NAME.fullmatch(name):
            return []
        try:
            return sorted(d.name for d in (self.models / name).iterdir() if (d / MANIFEST).is_file())
        except (FileNotFoundError, NotADirectoryError):  # never there, or deleted while we looked
            return []

    def manifest(self, name: str, version: str) -> Manifest:
        """The manifest of a version."""
        return Manifest.read(self.models / name / version)

    def resolve(self, reference: str) -> Reference:
        """The version meant by ``name``, ``name:version`` or ``name:alias``.

        A name alone is its champion, or without one its newest version.

        Raises:
            NotFoundError: no such model, version or alias; the message lists those there are.
        """
        name, _, wanted = reference.partition(":")
        versions = self.versions(name)
        if not versions:
            raise NotFoundError(unknown_name("model", name, self.names()))
        if wanted in ALIASES:
            alias = self.alias(name, wanted)
            if alias is None:
                raise NotFoundError(f"Model '{name}' has no {wanted}. Its versions are: {', '.join(versions)}.")
            wanted = alias.version
        elif not wanted:
            alias = self.alias(name, CHAMPION)
            wanted = alias.version if alias else versions[-1]
        if wanted not in versions:
            raise NotFoundError(unknown_name("version", wanted, reversed(versions), of=name))
        return Reference(name, wanted, self.models / name / wanted)

    def alias(self, name: str, alias: str = CHAMPION) -> Alias | None:
        """What an alias points to, or None where it was never set.

        Raises:
            ArtifactError: the alias file is not readable.
        """
        return self._aliases.read(name, alias)

    def alias_path(self, name: str, alias: str = CHAMPION) -> Path:
        """The alias's file; it changes by one atomic rename, so its inode tells a watcher that it did."""
        return self._aliases.path(name, alias)

    def promote(self, reference: str, *, alias: str = CHAMPION, force: bool = False) -> Reference:
        """Point an alias at a version.

        Raises:
            NotFoundError: no such version or alias.
            RefusedError: the version did not beat the mean of the target on its test rows, and ``force`` is False.
        """
        if alias not in ALIASES:
            raise NotFoundError(unknown_name("alias", alias, ALIASES))
        found = self.resolve(reference)
        verdict = self.manifest(found.name, found.version).verdict
        if not verdict.beats_mean and not force:
            raise RefusedError(
                f"Expected a model that beats predicting the mean. Received: {found.name}:{found.version}, which does "
                "not on its test rows. Train on more or better columns, or promote it with --force."
            )
        with self.lock(found.name):
            # It may have been deleted while we looked at it.
            self.resolve(f"{found.name}:{found.version}")
            current = self.alias(found.name, alias)
            if current is None or current.version != found.version:
                previous = () if current is None else (*current.previous, current.version)
                self._aliases.write(found.name, alias, found.version, previous)
        return found

    def rollback(self, name: str) -> Reference:
        """Point the champion at the version it had before.

        Raises:
            NotFoundError: no such model.
            DataError: there is no former champion that still exists.
        """
        versions = self.versions(name)
        if not versions:
            raise NotFoundError(unknown_name("model", name, self.names()))
        with self.lock(name):
            previous = self.former_champions(name)
            if not previous:
                raise DataError(self._no_way_back(name, versions))
            self._aliases.write(name, CHAMPION, previous[-1], tuple(previous[:-1]))
        return self.resolve(f"{name}:{CHAMPION}")

    def _no_way_back(self, name: str, versions: list[str]) -> str:
        current = self.alias(name)
        former = () if current is None else current.previous
        gone = [v for v in former if v not in versions]
        others = [v for v in versions if current is None or v != current.version]
        said = f"{name}:{gone[-1]}, which is not in the store any more. Put it back, or " if gone else "none. "
        advice = f"promote another version: `trueline promote {name}:{others[-1]}`." if others else "train another one."
        advice = advice if gone else advice[0].upper() + advice[1:]
        return f"Expected a former champion of '{name}' to return to. Received: {said}{advice}"

    def former_champions(self, name: str) -> list[str]:
        """Former champions that still exist, the latest last: ``rollback`` returns to it. Empty where there is none."""
        current = self.alias(name)
        if current is None:
            return []
        versions = self.versions(name)
        previous = [v for v in current.previous if v in versions]
        # With the versions between them deleted, a former champion may be the present one.
        while previous and previous[-1] == current.version:
            previous.pop()
        return previous

    def lock(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Keep other processes from changing a model's aliases, and its versions from going, during the block."""
        return self._aliases.lock(name)

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[tuple[str, Path]]:
        """Write a new version.

        Yields the version's name and an empty folder beside the store to write it in. At the end of the block the
        folder is flushed to disk and renamed into the store; after an exception nothing is left of it.

        Raises:
            DataError: a name that BentoML's store cannot hold.
        """
        check_name(name)
        now = datetime.now(UTC)
        # To the microsecond: versions are ordered by name, and two may come within a second.
        version = f"{now:%Y%m%d-%H%M%S-%f}"
        staging = self.staging / f"{name}-{version}"
        self._written.add(staging)
        staging.mkdir(parents=True)
        final = self.models / name / version
        try:
            yield version, staging
            _write_store_record(staging, name, version, now)
            for path in (*staging.rglob("*"), staging):
                flush(path)
            final.parent.mkdir(parents=True, exist_ok=True)
            staging.rename(final)
            try:
                flush(final.parent)
                # BentoML's own pointer, so that its commands list and export the newest; nothing of ours reads it.
                replace_text(final.parent / "latest", version)
            except BaseException:
                shutil.rmtree(final, ignore_errors=True)
                raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            self._written.discard(staging)


def check_name(name: str) -> None:
    """Check a model's name before work is spent on it.

    Raises:
        DataError: a name that BentoML's store cannot hold.
    """
    if not _NAME.fullmatch(name) or len(name) > 63:
        raise DataError(
            "Expected a model name of up to 63 lower-case letters, digits, '.', '_' or '-', beginning and ending with "
            f"a letter or digit. Received: {name!r}."
        )


def _write_store_record(folder: Path, name: str, version: str, created: datetime) -> None:
    """BentoML's ``model.yaml``. JSON is YAML, and a record this plain needs no YAML writer."""
    manifest = Manifest.read(folder)
    if (manifest.model_name, manifest.model_version) != (name, version):
        raise ArtifactError(
            f"Expected the manifest of {name}:{version}. "
            f"Received: that of {manifest.model_name}:{manifest.model_version}."
        )
    record = {
        "name": name,
        "version": version,
        "module": "",
        "labels": {"framework": "trueline", "family": manifest.family},
        "options": {},
        "metadata": {
            "targets": list(manifest.metrics),
            "rmse": [m.get("rmse") for m in manifest.metrics.values()],
            "schema_digest": manifest.schema_digest,
        },
        "context": {
            "framework_name": "trueline",
            "framework_versions": manifest.lineage.packages,
            "bentoml_version": manifest.lineage.packages.get("bentoml", ""),
            "python_version": manifest.lineage.packages.get("python", ""),
        },
        "signatures": {},
        "api_version": "v2",
        "creation_time": created.isoformat(),
    }
    (folder / STORE_RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
