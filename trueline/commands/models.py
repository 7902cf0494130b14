"""``trueline models`` and ``show``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from artifact.errors import ArtifactError, NotFoundError, unknown_name
from artifact.recipe import Recipe, recipe_if_any
from artifact.registry.base import ALIASES, Registry
from artifact.words.display import number
from trueline.commands.data import kept_sentence
from trueline.commands.options import json_option, print_json
from trueline.environment import registry
from trueline.terminal.consoles import stdout
from trueline.terminal.listing import listing


@click.command("models")
@click.argument("name", required=False)
@json_option
def models_command(name: str | None, as_json: bool) -> None:
    """List models and their versions, the newest first.

    \b
    Example:
      trueline models houses
    """
    store = registry()
    names = store.names()
    if name is not None and name not in names:
        raise NotFoundError(unknown_name("model", name, names))
    rows = [row for n in ([name] if name else names) for row in _versions(store, n)]
    if as_json:
        print_json({"models": rows})
        return
    out = stdout()
    if not rows:
        out.print("No models yet. Train one: trueline train DATA --target COL")
        return
    # A version's name is the time of its training.
    out.print(listing([_line(row) for row in rows], unbroken=_UNBROKEN, numbers=_NUMBERS))


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


def _versions(store: Registry, name: str) -> list[dict[str, Any]]:
    """The facts of each version, the newest first; for a version that cannot be read, the error."""
    rows: list[dict[str, Any]] = []
    aliases = {alias: state.version for alias in ALIASES if (state := store.alias(name, alias))}
    for version in reversed(store.versions(name)):
        alias = ", ".join(alias for alias, v in aliases.items() if v == version)
        row: dict[str, Any] = {"model_name": name, "model_version": version, "alias": alias}
        rows.append(row)
        try:
            manifest = store.manifest(name, version)
        except ArtifactError as error:
            row["error"] = str(error)
            continue
        row |= {
            "created_at": manifest.created_at,
            "preset": manifest.lineage.config.get("preset", ""),
            "family": manifest.family,
            "objective": manifest.objective,
            "rows": manifest.lineage.rows,
            "rmse": {target: metrics["rmse"] for target, metrics in manifest.metrics.items()},
            "worth_it": manifest.verdict.worth_it,
            "note": manifest.note,
        }
    return rows
