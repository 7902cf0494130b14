"""Decides where a rollback returns to: the latest former champion that is still in the store, if it is whole."""

from __future__ import annotations

from artifact.errors import ArtifactError, DataError, RefusedError
from artifact.registry.base import Reference, Registry, WayBack
from artifact.registry.entry import former_champions


def way_back(registry: Registry, name: str) -> WayBack:
    """Where a rollback of a model returns to.

    Args:
        registry: the store.
        name: name of a model that has versions.

    Raises:
        DataError, ArtifactError, RefusedError: see :meth:`artifact.registry.base.Registry.way_back`.
    """
    # The number is read before the rest: with an entry that comes in between, the rollback will be refused.
    entry = registry.deployment(name)
    problem = registry.deployment_problem(name)
    if problem:
        raise ArtifactError(problem)
    if entry is None or entry.champion is None:
        raise DataError(_nowhere(registry, name, None, []))
    versions = registry.versions(name)
    problems = {each.version: each.problem for each in registry.damaged() if each.name == name}
    former = former_champions(registry.history(name))
    skipped: list[str] = []
    for version in reversed(former.versions):
        if version == entry.champion:
            # It comes twice where the version that went live in between was deleted.
            continue
        if version in problems:
            raise _damaged(registry, f"{name}:{version}", entry.champion, problems[version])
        if version in versions:
            _check(registry, registry.fetch(name, version), entry.champion)
            return WayBack(registry.fetch(name, version), entry.champion, entry.number, tuple(skipped))
        skipped.append(version)
    if not former.is_whole:
        raise ArtifactError(
            f"Expected a deployment log that says what was live before {name}:{entry.champion}. "
            f"Received: an entry that cannot be read. {' '.join(registry.damaged_entries(name)[-1:])} "
            f"If you know the version, promote it: trueline promote {name}:VERSION"
        )
    raise DataError(_nowhere(registry, name, entry.champion, skipped))


def _check(registry: Registry, former: Reference, champion: str) -> None:
    """Refuse a version that a worker could not load, as a promotion does. That takes the time of reading its files."""
    try:
        manifest = registry.manifest(former.name, former.version)
        manifest.check_is(former.name, former.version)
        manifest.check_files(former.path)
    except ArtifactError as error:
        raise _damaged(registry, f"{former.name}:{former.version}", champion, str(error)) from error


def _damaged(registry: Registry, reference: str, champion: str, problem: str) -> RefusedError:
    name, _, version = reference.partition(":")
    return RefusedError(
        f"Expected a former champion that is whole. Received: {reference}, which is damaged: a worker that starts "
        f"could not load it. {problem} Put its files back, or {_other(registry, name, {champion, version})}"
    )


def _nowhere(registry: Registry, name: str, champion: str | None, skipped: list[str]) -> str:
    advice = _other(registry, name, {champion})
    received = (
        f"{name}:{skipped[0]}, which is not in the store any more. Put it back, or {advice}"
        if skipped
        else f"none. {advice[0].upper()}{advice[1:]}"
    )
    return f"Expected a former champion of '{name}' to return to. Received: {received}"


def _other(registry: Registry, name: str, but: set[str | None]) -> str:
    """Advice to promote the newest version that is another one."""
    others = [version for version in registry.versions(name) if version not in but]
    return f"promote another version: `trueline promote {name}:{others[-1]}`." if others else "train another one."
