"""Deletes versions, but none that serves and none that a rollback would return to."""

from __future__ import annotations

from itertools import pairwise

from artifact.errors import ArtifactError, DataError, RefusedError
from artifact.registry.base import ALIASES, CHAMPION, Damaged, Reference, Registry
from artifact.registry.entry import former_champions

FORMER_CHAMPION = f"former {CHAMPION}"
DAMAGED = "damaged version"
# A rollback this many entries ago spares no version any more.
_RECENT = 10
_WAY_OUT = {
    FORMER_CHAMPION: "A rollback returns to it. Once another version is promoted, another one is the former champion.",
}


def reserved(registry: Registry, name: str) -> dict[str, str]:
    """Versions that must stay, and what each is: ``champion``, ``challenger`` or ``former champion``.

    Raises:
        ArtifactError: the log is damaged, so that nobody knows what is live.
    """
    former = registry.former_champions(name)
    problem = registry.deployment_problem(name)
    if problem:
        # What the last entries say counts for no reader that starts now, but it may be live in those that run.
        raise ArtifactError(f"{problem} Until then nothing is deleted, because nobody knows what is live.")
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
        ArtifactError: the log is damaged, so that nobody knows which versions must stay.
    """
    if keep < 1:
        raise DataError(f"Expected to keep at least 1 version. Received: {keep}.")
    if not any(each.version for each in damaged_versions(registry, name)):
        registry.resolve(name)
    stay = spared(registry, name)
    _check_history(registry, name)
    return [version for version in registry.versions(name)[:-keep] if version not in stay]


def damaged_versions(registry: Registry, name: str) -> list[Damaged]:
    """The folders of a model's versions that have no manifest. Only :func:`delete` takes them, by name."""
    return [each for each in registry.damaged() if each.name == name and each.version]


def _check_history(registry: Registry, name: str) -> None:
    """Refuse to choose versions while an entry that says which of them must stay cannot be read.

    Raises:
        ArtifactError: such an entry cannot be read.
    """
    problems = registry.damaged_entries(name)
    if not problems:
        return
    entries = registry.history(name)
    numbers, former = [entry.number for entry in entries], former_champions(entries)
    recent = list(range(max(1, numbers[-1] - _RECENT), numbers[-1] + 1))
    if numbers[-len(recent) :] != recent or not (former.versions or former.is_whole):
        raise ArtifactError(
            "Expected a deployment log that says which versions must stay. Received: an entry that cannot be read. "
            f"{problems[-1]} Nothing was deleted; `trueline delete` takes versions by their names."
        )


def check_deletable(registry: Registry, reference: str) -> Reference:
    """The version that a reference means; raises where it may not be deleted.

    Raises:
        NotFoundError: no such model or version.
        DataError: a name without a version; a deletion must name its version.
        RefusedError: the version serves, or a rollback would return to it.
        ArtifactError: the log is damaged, so that nobody knows what is live.
    """
    name, _, version = reference.partition(":")
    damaged = {each.version: Reference(*each[:3]) for each in damaged_versions(registry, name)}
    if not version:
        names = registry.versions(name if damaged else registry.resolve(name).name)
        versions = ", ".join(sorted({*names, *damaged}, reverse=True))
        raise DataError(f"Expected NAME:VERSION. Received: '{reference}'. The versions of '{name}' are: {versions}.")
    match = damaged[version] if version in damaged else registry.resolve(reference)
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
        DataError, RefusedError, ArtifactError: see :func:`check_deletable`.
        OSError: the store cannot be written.
    """
    check_deletable(registry, reference)
    # Check once more under the lock, where nobody can promote the version meanwhile.
    with registry.lock(reference.partition(":")[0]):
        version = check_deletable(registry, reference)
        registry.remove(version)
    return version
