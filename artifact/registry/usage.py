"""Says which of the kept tables each version needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from artifact.errors import ArtifactError, DataError
from artifact.recipe import KeptTable, recipe_if_any
from artifact.registry.base import Registry


class Use(NamedTuple):
    """A version that needs a table.

    Attributes:
        version: ``NAME:VERSION``.
        what: what the rows are: ``training rows`` or ``held-out rows``.
        table: the table.
    """

    version: str
    what: str
    table: KeptTable


class StoredTable(NamedTuple):
    """A table that is in the store.

    Attributes:
        sha256: sha256 of its file.
        size: bytes of the file.
        uses: versions that need it.
    """

    sha256: str
    size: int
    uses: tuple[Use, ...]


class Usage(NamedTuple):
    """All tables that are in the store, and the versions whose needs are not known.

    Attributes:
        tables: the tables, in the order of their sha256.
        problems: for each version that cannot be read, a sentence that says why.
    """

    tables: list[StoredTable]
    problems: list[str]


def usage(registry: Registry) -> Usage:
    """The tables that are kept, and the versions that need them."""
    uses, problems = _uses(registry)
    tables = [
        StoredTable(sha256, size, tuple(use for use in uses if use.table.sha256 == sha256))
        for sha256, size in registry.tables.sizes().items()
    ]
    return Usage(tables, problems)


def unneeded(registry: Registry) -> str:
    """A sentence on tables that no version needs, for a person who has deleted a version; empty without such tables."""
    used = usage(registry)
    number = sum(not table.uses for table in used.tables)
    if not number:
        return ""
    tables, them = ("1 table of rows", "it") if number == 1 else (f"{number} tables of rows", "them")
    if used.problems:
        return f"{tables} that no readable version needs; some versions cannot be read: trueline data"
    return f"{tables} that no version needs: trueline data --prune removes {them}."


def prune(registry: Registry) -> dict[str, int]:
    """Remove the tables that no version needs.

    Returns:
        Bytes of each removed file by its sha256.

    Raises:
        DataError: a version cannot be read, so nobody knows which tables it needs; nothing was removed.
        OSError: a file cannot be removed.
    """

    def needed() -> set[str]:
        uses, problems = _uses(registry)
        if problems:
            more = f" ({len(problems) - 1} more: trueline data)" if len(problems) > 1 else ""
            raise DataError(
                "Expected every version to say which rows it needs. Received: a version that cannot be read. Nothing "
                f"was removed. Delete or mend that version first: {problems[0]}{more}"
            )
        return {use.table.sha256 for use in uses}

    return registry.tables.prune(needed)


def _uses(registry: Registry) -> tuple[list[Use], list[str]]:
    uses: list[Use] = []
    # Folders without a manifest come first: no other command says what they are.
    problems = [damaged.sentence for damaged in registry.damaged()]
    for name in registry.names():
        for version in registry.versions(name):
            try:
                uses += _uses_of(registry, name, version)
            except ArtifactError as error:
                problems.append(f"{name}:{version}: {error}")
    return uses, problems


def _uses_of(registry: Registry, name: str, version: str) -> Iterator[Use]:
    manifest = registry.manifest(name, version)
    manifest.check_is(name, version)
    recipe = recipe_if_any(registry.fetch(name, version).path, manifest)
    tables = {} if recipe is None else recipe.kept_tables
    for words, table in tables.items():
        yield Use(f"{name}:{version}", words, table)
