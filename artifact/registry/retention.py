"""Deletes versions, but none that serves and none that a rollback would return to."""

from __future__ import annotations

from itertools import pairwise

from artifact.errors import DataError, RefusedError
from artifact.registry.base import ALIASES, CHAMPION, Reference, Registry

FORMER_CHAMPION = f"former {CHAMPION}"
# A rollback this many entries ago spares no version any more.
_RECENT = 10
_WAY_OUT = {
    FORMER_CHAMPION: "A rollback returns to it. Once another version is promoted, another one is the former champion.",
}


def reserved(registry: Registry, name: str) -> dict[str, str]:
    """Versions that must stay, and what each is: ``champion``, ``challenger`` or ``former champion``."""
    former = registry.former_champions(name)
    roles = {former[-1]: FORMER_CHAMPION} if former else {}
    for alias in reversed(ALIASES):
        state = registry.alias(name, alias)
        if state is not None:
            roles[state.version] = alias
    return roles


def left_by_rollback(registry: Registry, name: str) -> dict[str, str]:
    """Versions that a rollback left, and what each is in words, by the last ten entries of the log.

    Somebody may want to look at such a version, or promote it again. So :func:`surplus` spares it.
    """
    left: dict[str, str] = {}
    for before, entry in pairwise(registry.history(name)[-_RECENT - 1 :]):
        if entry.action == "rollback" and before.champion is not None:
            left[before.champion] = f"version that a rollback left on {entry.when.partition('T')[0]}"
        if entry.champion is not None:
            left.pop(entry.champion, None)
    return left


def spared(registry: Registry, name: str) -> dict[str, str]:
    """Versions that :func:`surplus` leaves out, and what each is: those that must stay, and those a rollback left."""
    return {**left_by_rollback(registry, name), **reserved(registry, name)}


def surplus(registry: Registry, name: str, keep: int) -> list[str]:
    """Older versions that nobody is likely to need, the oldest first.

    Args:
        registry: the store.
        name: name of the model.
        keep: how many of the newest versions stay, at least 1. Those of :func:`spared` are left out of the answer too.

    Raises:
        NotFoundError: no such model.
        DataError: ``keep`` is below 1.
    """
    if keep < 1:
        raise DataError(f"Expected to keep at least 1 version. Received: {keep}.")
    registry.resolve(name)
    stay = spared(registry, name)
    return [version for version in registry.versions(name)[:-keep] if version not in stay]


def check_deletable(registry: Registry, reference: str) -> Reference:
    """The version that a reference means; raises where it may not be deleted.

    Raises:
        NotFoundError: no such model or version.
        DataError: a name without a version; a deletion must name its version.
        RefusedError: the version serves, or a rollback would return to it.
    """
    name, _, version = reference.partition(":")
    if not version:
        versions = ", ".join(reversed(registry.versions(registry.resolve(name).name)))
        raise DataError(f"Expected NAME:VERSION. Received: '{reference}'. The versions of '{name}' are: {versions}.")
    match = registry.resolve(reference)
    role = reserved(registry, name).get(match.version)
    if role is not None:
        way_out = _WAY_OUT.get(role, "Promote another version first.")
        raise RefusedError(
            f"Expected a version that may be deleted. Received: {name}:{match.version}, the {role}. {way_out}"
        )
    return match


def delete(registry: Registry, reference: str) -> Reference:
    """Delete a version from the store, all of it at once.

    Args:
        registry: the store.
        reference: ``NAME:VERSION``.

    Returns:
        The deleted version; its path no longer exists.

    Raises:
        DataError, RefusedError: see :func:`check_deletable`.
        OSError: the store cannot be written.
    """
    check_deletable(registry, reference)
    # Check once more under the lock, where nobody can promote the version meanwhile.
    with registry.lock(reference.partition(":")[0]):
        version = check_deletable(registry, reference)
        registry.remove(version)
    return version
