"""``trueline models`` and ``show``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from artifact.errors import ArtifactError, NotFoundError, unknown_name
from artifact.manifest import Manifest
from artifact.recipe import Recipe, recipe_if_any
from artifact.registry.base import ALIASES, Damaged, Registry
from artifact.words.display import number
from trueline.commands.data import kept_sentence
from trueline.commands.options import json_option, print_json
from trueline.environment import registry
from trueline.terminal.consoles import stdout, tell_note
from trueline.terminal.listing import listing


@click.command("models")
@click.argument("name", required=False)
@click.option("--check", is_flag=True, help="Compare every file with its checksum too; a damaged version gives code 1.")
@json_option
def models_command(name: str | None, check: bool, as_json: bool) -> None:
    """List models and their versions, the newest first.

    \b
    Example:
      trueline models houses
    """
    store = registry()
    damaged_folders: dict[str, list[Damaged]] = {}
    for damaged in store.damaged():
        damaged_folders.setdefault(damaged.name, []).append(damaged)
    names = sorted({*store.names(), *damaged_folders})
    if name is not None and name not in names:
        raise NotFoundError(unknown_name("model", name, names))
    rows = [row for n in ([name] if name else names) for row in _versions(store, n, damaged_folders.get(n, []), check)]
    if as_json:
        print_json({"models": rows})
    elif not rows:
        stdout().print("No models yet. Train one: trueline train DATA --target COL")
    else:
        # A version's name is the time of its training.
        stdout().print(listing([_line(row) for row in rows], unbroken=_UNBROKEN, numbers=_NUMBERS))
    if check and (bad := [f"{row['model_name']}:{row['model_version']}" for row in rows if "error" in row]):
        raise ArtifactError(
            f"Expected versions whose files are as training wrote them. Received: {', '.join(bad)}, "
            f"{'which is' if len(bad) == 1 else 'which are'} damaged. Put the files back, or delete by trueline delete."
        )


@click.command("show")
@click.argument("model")
@json_option
def show_command(model: str, as_json: bool) -> None:
    """Show a version: metrics, verdict, schema, lineage. MODEL is NAME, NAME:VERSION or NAME:champion.

    \b
    Example:
      trueline show houses
    """
    store = registry()
    version = store.resolve(model)
    manifest = store.manifest(version.name, version.version)
    if as_json:
        recipe = recipe_if_any(version.path, manifest)
        document = None if recipe is None else recipe.model_dump(mode="json")
        print_json({**manifest.model_dump(mode="json"), "recipe": document})
        return
    from artifact.manifest import SCHEMA
    from artifact.rows.schema import FeatureSchema
    from trueline.terminal.tables import result_tables, schema_table

    schema = FeatureSchema.model_validate_json((version.path / SCHEMA).read_bytes())
    out = stdout()
    out.print(f"{version.name}:{version.version} ({manifest.family}, {manifest.parameters:,} weights)")
    out.print(schema_table(schema, limit=None))
    for part in result_tables(manifest):
        out.print(part)
    lineage = manifest.lineage
    out.print(
        f"Trained {manifest.created_at} on {lineage.rows:,} rows of {lineage.data} in {lineage.seconds:.0f} s "
        f"({lineage.computed}, seed {lineage.seed})."
    )
    recipe = recipe_if_any(version.path, manifest)
    for line in _origin(f"{version.name}:{version.version}", recipe):
        out.print(line)
    if manifest.note:
        out.print(f"Your note: {manifest.note}", markup=False)
    for note in manifest.notes:
        out.print(f"Note: {note}")
    out.print(f"Files: {version.path}")


def _origin(reference: str, recipe: Recipe | None) -> Iterator[str]:
    """Sentences that say from which version it was made, how to repeat it, and which of its rows are kept."""
    if recipe is None:
        return
    derivation = recipe.derivation
    if derivation is not None:
        appended = ", added to the rows kept of it" if derivation.appended else ""
        newest = f", the newest {derivation.newest} of all" if derivation.newest else ""
        rows = f"{derivation.new_rows:,} rows of {derivation.data}{appended}{newest}"
        if not derivation.new_rows:
            rows = f"the rows that are kept of it{newest}"
        yield f"Made by `trueline {derivation.by}` from {derivation.version} with {rows}."
    again = f" Train on the same rows again: trueline reproduce {reference}" if recipe.table is not None else ""
    yield f"Repeat it on new rows: trueline refit {reference} --data NEW.{again}"
    sentence = kept_sentence(recipe)
    if sentence is not None:
        yield sentence


_NUMBERS = ("rows", "RMSE")
# These cells never break over lines: half a figure would be read as another figure.
_UNBROKEN = ("version", "alias", *_NUMBERS)


def _line(row: dict[str, Any]) -> dict[str, str]:
    """The cells of one version, by column."""
    is_readable = "error" not in row
    return {
        "model": row["model_name"],
        "version": row["model_version"],
        "alias": row["alias"],
        **{name: row[name] if is_readable else "" for name in ("preset", "family", "objective")},
        "rows": f"{row['rows']:,}" if is_readable else "",
        "RMSE": ", ".join(number(value) for value in row["rmse"].values()) if is_readable else "",
        "worth it": row["worth_it"] if is_readable else "",
        "note": row["note"] if is_readable else row["error"],
    }


def _versions(store: Registry, name: str, damaged_folders: Sequence[Damaged], check: bool) -> list[dict[str, Any]]:
    """The facts of each version, the newest first; for a version that cannot be read, the error.

    Args:
        store: the model store.
        name: name of the model.
        damaged_folders: folders of versions without a manifest.
        check: whether every file is compared with its checksum; otherwise each must only be there.
    """
    aliases = _aliases(store, name)
    problems = {damaged.version: damaged.problem for damaged in damaged_folders}
    rows: list[dict[str, Any]] = []
    for version in sorted({*store.versions(name), *problems}, reverse=True):
        alias = ", ".join(alias for alias, v in aliases.items() if v == version)
        row: dict[str, Any] = {"model_name": name, "model_version": version, "alias": alias}
        rows.append(row)
        try:
            if version in problems:
                raise ArtifactError(problems[version])
            row |= _facts(_sound(store, name, version, check))
        except ArtifactError as error:
            row["error"] = str(error)
    return rows


def _aliases(store: Registry, name: str) -> dict[str, str]:
    """The versions that have an alias. A log that is damaged is noted, and the versions are listed all the same."""
    aliases, problem = {}, ""
    try:
        aliases = {alias: state.version for alias in ALIASES if (state := store.alias(name, alias))}
        problem = store.deployment_problem(name)
    except ArtifactError as error:
        problem = str(error)
    if problem:
        tell_note(problem)
    return aliases


def _sound(store: Registry, name: str, version: str, check: bool) -> Manifest:
    """The manifest of a version.

    Raises:
        ArtifactError: the version is damaged, as far as it was looked at.
    """
    manifest = store.manifest(name, version)
    manifest.check_is(name, version)
    folder = store.fetch(name, version).path
    if check:
        manifest.check_files(folder)
    else:
        manifest.check_present(folder)
    return manifest


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "created_at": manifest.created_at,
        "preset": manifest.lineage.config.get("preset", ""),
        "family": manifest.family,
        "objective": manifest.objective,
        "rows": manifest.lineage.rows,
        "rmse": {target: metrics["rmse"] for target, metrics in manifest.metrics.items()},
        "worth_it": manifest.verdict.worth_it,
        "note": manifest.note,
    }
