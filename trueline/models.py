"""``trueline models``, ``show``, ``promote`` and ``rollback``."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Column, Table

from artifact.display import number
from artifact.errors import NotFoundError, unknown_name
from artifact.registry import ALIASES, CHAMPION, Registry
from trueline.options import json_option, print_json, registry, stdout


@click.command("models")
@click.argument("name", required=False)
@json_option
def models_command(name: str | None, as_json: bool) -> None:
    """List models and their versions.

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
    version, trained = Column("version", no_wrap=True), Column("trained", no_wrap=True)
    table = Table("model", version, "alias", trained, "RMSE", "worth it")
    for row in rows:
        rmse = ", ".join(number(value) for value in row["rmse"].values())
        minute = row["created_at"][:16].replace("T", " ")
        table.add_row(row["model_name"], row["model_version"], row["alias"], minute, rmse, row["worth_it"])
    out.print(table)


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
    found = store.resolve(model)
    manifest = store.manifest(found.name, found.version)
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    from artifact.manifest import SCHEMA
    from artifact.schema import FeatureSchema
    from trueline.tables import result_tables, schema_table

    schema = FeatureSchema.model_validate_json((found.path / SCHEMA).read_bytes())
    out = stdout()
    out.print(f"{found.name}:{found.version} ({manifest.family}, {manifest.parameters:,} weights)")
    out.print(schema_table(schema, limit=None))
    for part in result_tables(manifest):
        out.print(part)
    lineage = manifest.lineage
    out.print(
        f"Trained {manifest.created_at} on {lineage.rows:,} rows of {lineage.data} in {lineage.seconds:.0f} s "
        f"({lineage.computed}, seed {lineage.seed})."
    )
    for note in manifest.notes:
        out.print(f"Note: {note}")
    out.print(f"Files: {found.path}")


@click.command("promote")
@click.argument("model")
@click.option("--force", is_flag=True, help="Even if the model does not beat predicting the mean.")
@json_option
def promote_command(model: str, force: bool, as_json: bool) -> None:
    """Make a version the champion; running services take it live. MODEL is NAME:VERSION, or NAME for the newest.

    \b
    Example:
      trueline promote houses:20260131-120000-482913
    """
    from artifact.predictor import Predictor

    store = registry()
    name, _, version = model.partition(":")
    if not version and store.versions(name):
        model = f"{name}:{store.versions(name)[-1]}"
    found = store.resolve(model)
    # A version that does not load must never become what serves.
    Predictor.load(found.path)
    store.promote(f"{found.name}:{found.version}", force=force)
    _changed(found.name, found.version, "Promoted", as_json)


@click.command("rollback")
@click.argument("name")
@json_option
def rollback_command(name: str, as_json: bool) -> None:
    """Make the former champion the champion again.

    \b
    Example:
      trueline rollback houses
    """
    found = registry().rollback(name)
    _changed(found.name, found.version, "Rolled back to", as_json)


def _changed(name: str, version: str, what: str, as_json: bool) -> None:
    if as_json:
        print_json({"model_name": name, "model_version": version, "alias": CHAMPION})
    else:
        stdout().print(f"{what} {name}:{version}: it is the champion of '{name}'.")


def _versions(store: Registry, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    aliases = {alias: state.version for alias in ALIASES if (state := store.alias(name, alias))}
    for version in store.versions(name):
        manifest = store.manifest(name, version)
        rows.append(
            {
                "model_name": name,
                "model_version": version,
                "alias": ", ".join(alias for alias, v in aliases.items() if v == version),
                "created_at": manifest.created_at,
                "rmse": {target: metrics["rmse"] for target, metrics in manifest.metrics.items()},
                "worth_it": manifest.verdict.worth_it,
            }
        )
    return rows
