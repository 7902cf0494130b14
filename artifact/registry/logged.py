"""Aliases, promotion and rollback, which every registry does by its deployment logs."""

from __future__ import annotations

from datetime import UTC, datetime

from artifact.errors import DataError, NotFoundError, unknown_name
from artifact.gates.gate import GateResult, refusal, refusing
from artifact.gates.verdict import verdict_gate
from artifact.registry.aliases import ALIASES, CHALLENGER, CHAMPION, Alias, alias_of
from artifact.registry.base import Reference, Registry, WayBack
from artifact.registry.entry import NOTHING_SAID, Action, Change, Statement, former_champions, whoami
from artifact.registry.way_back import way_back


class LoggedRegistry(Registry):
    """A registry by its versions and its deployment logs; a subclass decides where these are stored."""

    def resolve(self, reference: str) -> Reference:
        name, colon, version = reference.partition(":")
        if colon and not version:
            # An empty variable of a shell must not stand for some version.
            raise DataError(f"Expected NAME or NAME:VERSION. Received: '{reference}', which names no version.")
        versions = self.versions(name)
        if not versions:
            raise NotFoundError(self._unknown(unknown_name("model", name, self.names()), name, version))
        if version in ALIASES:
            alias = self.alias(name, version)
            if alias is None:
                raise NotFoundError(f"Model '{name}' has no {version}. Its versions are: {', '.join(versions)}.")
            version = alias.version
        elif not version:
            entry = self.deployment(name)
            version = entry.champion if entry is not None and entry.champion is not None else versions[-1]
        if version not in versions:
            unknown = unknown_name("version", version, reversed(versions), of=name)
            raise NotFoundError(self._unknown(unknown, name, version))
        return self.fetch(name, version)

    def _unknown(self, sentence: str, name: str, version: str) -> str:
        """The sentence for what is not there; it also says of a folder that has lost its manifest."""
        problems = [each.problem for each in self.damaged() if each.name == name and version in ("", each.version)]
        return " ".join([sentence, *problems[:1]])

    def alias(self, name: str, alias: str = CHAMPION) -> Alias | None:
        if self.deployment(name) is None:
            return None
        return alias_of(self.history(name), alias)

    def former_champions(self, name: str) -> list[str]:
        current = self.alias(name)
        if current is None:
            return []
        versions = self.versions(name)
        former = [version for version in former_champions(self.history(name)).versions if version in versions]
        # The version that went live in between may be deleted: then the last former champion is the present one.
        while former and former[-1] == current.version:
            former.pop()
        return former

    def promote(
        self,
        reference: str,
        *,
        alias: str = CHAMPION,
        statement: Statement = NOTHING_SAID,
        after: int | None = None,
    ) -> Reference:
        if alias not in ALIASES:
            raise NotFoundError(unknown_name("alias", alias, ALIASES))
        version = self.resolve(reference)
        gates = statement.gates or (self._verdict(version),)
        refused = refusing(gates, statement.forced)
        if refused:
            raise refusal(f"{version.name}:{version.version}", refused)
        overruled = {result.gate for result in gates if not result.passed}
        statement = statement._replace(forced=tuple(name for name in statement.forced if name in overruled))
        with self.lock(version.name):
            # The version may have been deleted since it was resolved.
            self.resolve(f"{version.name}:{version.version}")
            self._point(version, alias, "promote" if alias == CHAMPION else "challenge", statement, after)
        return version

    def _verdict(self, version: Reference) -> GateResult:
        """The gate that is asked where no gates were measured: it needs the manifest alone, and loads no version."""
        return verdict_gate(self.manifest(version.name, version.version), f"{version.name}:{version.version}")

    def way_back(self, name: str) -> WayBack:
        if not self.versions(name):
            raise NotFoundError(self._unknown(unknown_name("model", name, self.names()), name, ""))
        return way_back(self, name)

    def rollback(self, name: str, *, statement: Statement = NOTHING_SAID, way: WayBack | None = None) -> Reference:
        way = way or self.way_back(name)
        with self.lock(name):
            # The version may have been deleted since it was checked.
            former = self.resolve(f"{name}:{way.former.version}")
            self._point(former, CHAMPION, "rollback", statement, way.number)
        return former

    def _point(self, version: Reference, alias: str, action: Action, statement: Statement, after: int | None) -> None:
        """Write the entry that points an alias at a version; write nothing if it points there already.

        If an entry came after the one that the caller has seen, the caller is told, even if it says the same.
        """
        entry = self.deployment(version.name)
        present = {CHAMPION: None, CHALLENGER: None} if entry is None else entry.model_dump(include=set(ALIASES))
        number = 0 if entry is None else entry.number
        if present[alias] == version.version and after in (None, number):
            return
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        versions = {**present, alias: version.version}
        change = Change(action=action, who=whoami(), when=when, **versions, **statement._asdict())
        self.deploy(version.name, change, after=number if after is None else after)
