"""Finds the version that should be live: a pinned one, a model's champion, or the one in the running Bento."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from artifact.errors import NotFoundError, TruelineError, unknown_name
from artifact.files import unreadable
from artifact.manifest import MANIFEST
from artifact.registry.base import CHAMPION, Reference, Registry
from service.live.choice import Choice
from service.live.store import Access


class SeveralModelsError(NotFoundError):
    """Several models could serve, and no setting says which; waiting does not mend that."""


class MissingVersionError(NotFoundError):
    """The version that should be live is not in the store, or is no longer in it."""


class Wanted(NamedTuple):
    """What a source says should be live, by one look at the store.

    Attributes:
        revision: see :meth:`Source.revision`; read first, so that a later look sees any change since then.
        number: number of the deployment log's entry that is in force; 0 where there is none, or a version is pinned.
        log_problem: why some entries of that log do not count; empty where all count.
        reference: the version; None where there is none.
        problem: why there is no version, and what to do.
        is_missing: whether a version should be live and is not in the store.
        is_fault: whether something is damaged. False where something is only absent.
    """

    revision: Hashable
    number: int
    log_problem: str
    reference: Reference | None
    problem: str = ""
    is_missing: bool = False
    is_fault: bool = False


class _Unreadable(NamedTuple):
    """In place of a revision: the store cannot be read, and as long as the error is the same, so is this."""

    errno: int | None
    reason: str
    filename: str

    @classmethod
    def by(cls, error: OSError) -> _Unreadable:
        return cls(error.errno, error.strerror or str(error), str(error.filename or ""))


def _unreadable_store(error: OSError) -> str:
    place = f", at {error.filename}" if error.filename else ""
    return (
        f"Expected a model store that can be read. Received: {unreadable(error)}{place}. Mend it; "
        "this worker looks again and again."
    )


class Source:
    """Finds the version to serve.

    Args:
        registry: the model store and its deployment logs.
        model: ``name:version`` pins a version, ``name`` follows the model's champion. None stands for the model that
            the running Bento was built for, and without a Bento for the only model that has a champion.
        bundled: versions that the running Bento carries, by model name; a champion in the store is preferred to them.
        built_for: names of the models that the running Bento was built for. Defaults to those of ``bundled``.
        choice: keeps the chosen model where ``model`` is None. Defaults to a choice of this process alone.

    Attributes:
        access: whether the store could be read.
    """

    def __init__(
        self,
        registry: Registry,
        model: str | None = None,
        bundled: Mapping[str, Reference] | None = None,
        *,
        built_for: Iterable[str] = (),
        choice: Choice | None = None,
    ) -> None:
        self.registry = registry
        self.access = Access()
        self._name, _, self._version = (model or "").partition(":")
        self._bundled = dict(bundled or {})
        self._built_for = sorted({*built_for, *self._bundled})
        self._choice = choice or Choice()
        if not self._name and len(self._built_for) == 1:
            self._name = self._built_for[0]

    def reference(self) -> Reference:
        """The version that should be live. Where no model is named, the first call also chooses the model.

        Raises:
            NotFoundError: there is no such version; the message says what to do.
        """
        if self._version:
            return self._pinned()
        return self._champion(self._name or self.choose())

    def choose(self) -> str:
        """The name of the model that serves; the model is chosen if it is not yet.

        Raises:
            SeveralModelsError: several models could serve, and no setting says which.
            NotFoundError: no model has a champion yet.
        """
        if self._name:
            return self._name
        name = self._choice.current()
        if name is None:
            if self._built_for:
                listed = ", ".join(f"'{n}'" for n in self._built_for)
                raise SeveralModelsError(
                    f"Expected one model in the Bento. Received: {listed}. Set TRUELINE_MODEL=NAME."
                )
            names = self.registry.champions()
            if len(names) > 1:
                listed = ", ".join(f"'{n}'" for n in names)
                raise SeveralModelsError(
                    f"Expected one model with a champion. Received: {len(names)}, {listed}. "
                    "Say which one serves: TRUELINE_MODEL=NAME, or `trueline serve NAME`."
                )
            if not names:
                raise NotFoundError(f"No model is live yet. {self._advice()}")
            name = self._choice.make(names[0])
        self._name = name
        return name

    def to_pack(self) -> list[Reference]:
        """The version that a Bento should carry: the one that would serve.

        Empty where no model is named and none would serve.

        Raises:
            SeveralModelsError: a Bento serves one model, several could serve, and no setting says which.
            NotFoundError: the named model has no such version, or no champion.
        """
        try:
            return [self.reference()]
        except SeveralModelsError:
            raise
        except NotFoundError:
            if self._name:
                raise
            return []

    def revision(self) -> Hashable:
        """A value that changes when :meth:`reference` may return another version, or when the live one is deleted.

        The call takes some microseconds: it reads only files that have changed. While the store cannot be read, the
        value is that error.
        """
        try:
            with self.access.call():
                if self._version:
                    return self.registry.version_revision(self._name, self._version)
                return self.registry.revision(self._name or self._choice.current())
        except OSError as error:
            return _Unreadable.by(error)

    def ask(self, live: tuple[str, str] | None) -> Wanted:
        """Look at the store once; it may be slow, for it may be on a network.

        Args:
            live: name and version of what is live now; None without one.
        """
        revision = self.revision()
        try:
            with self.access.call():
                if isinstance(revision, _Unreadable):
                    raise OSError(*revision)
                wanted = self._ask(revision, live)
        except OSError as error:
            self.access.problem = _unreadable_store(error)
            return Wanted(revision, 0, self._log_problem(), None, self.access.problem)
        self.access.problem = ""
        return wanted

    def _ask(self, revision: Hashable, live: tuple[str, str] | None) -> Wanted:
        """What should be live.

        Raises:
            OSError: the store cannot be read.
        """
        number, problem, is_missing, is_fault = 0, "", False, False
        reference: Reference | None = None
        try:
            if not self._version:
                # The number is read before the version: if an entry is written in between, the next look sees it.
                entry = self.registry.deployment(self.choose())
                number = 0 if entry is None else entry.number
            reference = self.reference()
        except NotFoundError as error:
            problem = str(error)
            # When the whole store disappears, its log disappears too. The live version counts as missing then.
            is_gone = live is not None and not self.holds(*live)
            is_missing = is_gone or isinstance(error, MissingVersionError)
        except TruelineError as error:
            problem, is_fault = str(error), True
        return Wanted(revision, number, self._log_problem(), reference, problem, is_missing, is_fault)

    def _log_problem(self) -> str:
        name = self.followed
        return "" if name is None else self.registry.deployment_problem(name)

    @property
    def followed(self) -> str | None:
        """The model whose deployment log says what is live here; None where a version is pinned, or none is chosen."""
        return None if self._version else self._name or self._choice.current()

    def holds(self, name: str, version: str) -> bool:
        """Whether a version could be loaded now, from the store or from the Bento."""
        bundled = self._bundled.get(name)
        return (bundled is not None and bundled.version == version) or self.registry.has(name, version)

    def _pinned(self) -> Reference:
        bundled = self._bundled.get(self._name)
        if bundled is not None and bundled.version == self._version:
            return bundled
        try:
            return self.registry.fetch(self._name, self._version)
        except NotFoundError as error:
            raise MissingVersionError(str(error)) from error

    def _champion(self, name: str) -> Reference:
        entry = self.registry.deployment(name)
        champion = None if entry is None else entry.champion
        bundled = self._bundled.get(name)
        if champion is not None:
            if self.registry.has(name, champion):
                return self.registry.fetch(name, champion)
            if bundled is not None and bundled.version == champion:
                return bundled
            raise MissingVersionError(
                f"Expected the {CHAMPION} of '{name}', {name}:{champion}, in the store. Received: a store without "
                f"it. Put that version back, or {self._instead(name, self.registry.versions(name))}."
            )
        if bundled is not None:
            return bundled
        names = self.registry.names()
        if name not in names:
            unknown = unknown_name("model", name, [*names, *self._bundled])
            way_out = f"Train and promote it: `trueline train DATA --target COLUMN --name {name} --promote`."
            raise NotFoundError(f"{unknown} {way_out}")
        raise NotFoundError(f"Model '{name}' has no champion yet. {self._advice(name)}")

    def _instead(self, name: str, versions: list[str]) -> str:
        if versions:
            return f"promote another one: `trueline promote {name}:{versions[-1]}`"
        return f"train and promote another one: `trueline train DATA --target COLUMN --name {name} --promote`"

    def _advice(self, name: str | None = None) -> str:
        for model in [name] if name else self.registry.names():
            return f"Promote a version: `trueline promote {model}:{self.registry.versions(model)[-1]}`."
        return "Train and promote one: `trueline train DATA --target COLUMN --promote`."


def bundled_models(stores: Iterable[Path], tags: Iterable[tuple[str, str]]) -> dict[str, Reference]:
    """The models of a Bento that Trueline made, by name.

    Args:
        stores: folders of models, the preferred one first.
        tags: name and version of each of the Bento's models.
    """
    folders = list(stores)
    references = {}
    for name, version in tags:
        paths = (folder / name / version for folder in folders)
        path = next((path for path in paths if (path / MANIFEST).is_file()), None)
        if path is not None:
            references[name] = Reference(name, version, path)
    return references
