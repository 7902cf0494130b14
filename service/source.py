"""Which version should be live here: a pinned one, a model's champion, or what the running Bento carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from artifact.errors import NotFoundError, unknown_name
from artifact.manifest import MANIFEST
from artifact.registry import CHAMPION, Reference, Registry

# What changes when another version should be live: inode, time and size of the alias files looked at.
Stamp = tuple[tuple[str, int, int, int], ...]


class Source:
    """Finds the version to serve.

    Args:
        registry: the model store and its aliases.
        model: ``name:version`` pins, ``name`` follows its champion, None is the only model that has a champion.
        bundled: models that the running Bento carries, by name; they serve where no champion says otherwise.
    """

    def __init__(
        self, registry: Registry, model: str | None = None, bundled: Mapping[str, Reference] | None = None
    ) -> None:
        self.registry = registry
        self._name, _, self._version = (model or "").partition(":")
        self._bundled = dict(bundled or {})

    def follow(self, name: str) -> None:
        """Stay with this model from now on, though others get a champion: a promotion elsewhere changes nothing."""
        self._name = self._name or name

    def wanted(self) -> Reference:
        """The version that should be live.

        Raises:
            NotFoundError: none; the message says what to do.
        """
        if self._version:
            return self._pinned()
        if self._name:
            return self._champion(self._name)
        names = self._champions()
        if len(names) > 1:
            listed = ", ".join(f"'{n}'" for n in names)
            raise NotFoundError(
                f"Expected one model with a champion. Received: {len(names)}, {listed}. "
                "Say which one serves: TRUELINE_MODEL=NAME, or `trueline serve NAME`."
            )
        if names:
            return self._champion(names[0])
        if len(self._bundled) == 1:
            return next(iter(self._bundled.values()))
        if self._bundled:
            listed = ", ".join(f"'{n}'" for n in sorted(self._bundled))
            raise NotFoundError(f"Expected one model in the Bento. Received: {listed}. Set TRUELINE_MODEL=NAME.")
        raise NotFoundError(f"No model is live yet. {self._advice()}")

    def packed(self) -> list[Reference]:
        """What a Bento should carry: the version that would serve, else the champion of every model, else nothing."""
        try:
            return [self.wanted()]
        except NotFoundError:
            names = [] if self._name else self._champions()
            return [self._champion(name) for name in names]

    def stamp(self) -> Stamp:
        """Changes when :meth:`wanted` may answer something else. A few microseconds, no file is read."""
        if self._version:
            return ()
        if self._name:
            return _stamps([self.registry.alias_path(self._name)])
        return _stamps(self.registry.alias_path(name) for name in self._alias_names())

    def _pinned(self) -> Reference:
        bundled = self._bundled.get(self._name)
        if bundled is not None and bundled.version == self._version:
            return bundled
        return self.registry.resolve(f"{self._name}:{self._version}")

    def _champion(self, name: str) -> Reference:
        if self.registry.alias(name) is not None:
            return self.registry.resolve(f"{name}:{CHAMPION}")
        if name in self._bundled:
            return self._bundled[name]
        known = self.registry.names()
        if name not in known:
            raise NotFoundError(unknown_name("model", name, [*known, *self._bundled]))
        raise NotFoundError(f"Model '{name}' has no champion yet. {self._advice(name)}")

    def _champions(self) -> list[str]:
        return [name for name in self._alias_names() if self.registry.alias_path(name).is_file()]

    def _alias_names(self) -> list[str]:
        # The folder above the alias file's own: one entry a model that was ever promoted.
        folder = self.registry.alias_path("any").parent.parent
        try:
            return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        except FileNotFoundError:
            return []

    def _advice(self, name: str | None = None) -> str:
        for model in [name] if name else self.registry.names():
            return f"Promote a version: `trueline promote {model}:{self.registry.versions(model)[-1]}`."
        return "Train and promote one: `trueline train DATA --target COLUMN --promote`."


def bundled_models(stores: Iterable[Path], tags: Iterable[tuple[str, str]]) -> dict[str, Reference]:
    """Trueline's models among a Bento's, by name.

    Args:
        stores: folders of models, the one to prefer first.
        tags: name and version of the Bento's models.
    """
    folders = list(stores)
    found = {}
    for name, version in tags:
        paths = (folder / name / version for folder in folders)
        path = next((path for path in paths if (path / MANIFEST).is_file()), None)
        if path is not None:
            found[name] = Reference(name, version, path)
    return found


def _stamps(paths: Iterable[Path]) -> Stamp:
    found = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((str(path), status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)
