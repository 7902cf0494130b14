"""``trueline delete`` and ``trueline prune``."""

from __future__ import annotations

import sys

import click

from artifact.errors import DataError
from artifact.registry.base import Registry
from trueline.commands.options import json_option, print_json
from trueline.environment import registry
from trueline.terminal.consoles import stdout

yes_option = click.option("--yes", is_flag=True, help="Do not ask; required where there is no terminal.")


@click.command("delete")
@click.argument("version", metavar="NAME:VERSION")
@yes_option
@json_option
def delete_command(version: str, yes: bool, as_json: bool) -> None:
    """Delete one version, its files and its report. A champion and the version that rollback returns to are refused.

    \b
    Example:
      trueline delete houses:20260131-120000-482913
    """
    from artifact.registry.retention import check_deletable, delete, left_by_rollback

    store = registry()
    reference = check_deletable(store, version)
    role = left_by_rollback(store, reference.name).get(reference.version)
    which = "" if role is None else f" It is the {role}."
    confirm(f"Delete {reference.name}:{reference.version}?{which}", yes)
    delete(store, version)
    if as_json:
        print_json({"model_name": reference.name, "deleted": [reference.version]})
    else:
        stdout().print(f"Deleted {reference.name}:{reference.version}.")
        _tell_unneeded(store)


@click.command("prune")
@click.argument("name")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    required=True,
    metavar="N",
    help="Newest versions to keep; at least 1.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@yes_option
@json_option
def prune_command(name: str, keep: int, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete all versions of a model but the newest. A champion and the version that rollback returns to stay too, and
    so does a version that one of the last ten changes rolled back.

    \b
    Example:
      trueline prune houses --keep 5 --dry-run
    """
    from artifact.registry.retention import DAMAGED, damaged_versions, delete, spared, surplus

    store = registry()
    versions = surplus(store, name, keep)
    older = store.versions(name)[:-keep]
    stay = {version: role for version, role in spared(store, name).items() if version in older}
    damaged = damaged_versions(store, name)
    deleted = []
    if versions and not dry_run:
        confirm(f"Delete {_versions(len(versions))} of '{name}': {', '.join(versions)}?", yes)
        deleted = [delete(store, f"{name}:{version}").version for version in versions]
    if as_json:
        kept = {**dict.fromkeys((each.version for each in damaged), DAMAGED), **stay}
        print_json({"model_name": name, "deleted": deleted, "would_delete": versions if dry_run else [], "kept": kept})
        return
    out = stdout()
    for version in versions:
        out.print(f"{'Would delete' if dry_run else 'Deleted'} {name}:{version}.")
    for version, role in stay.items():
        out.print(f"Kept {name}:{version}, the {role}.")
    for each in damaged:
        out.print(f"Kept {each.sentence}")
    if deleted:
        _tell_unneeded(store)
    if not versions:
        out.print(f"Nothing to delete: '{name}' has {_versions(len(store.versions(name)))}.")


def _tell_unneeded(store: Registry) -> None:
    """Say that rows are kept that no version needs: a person who deletes a version may think that its rows are gone."""
    from artifact.registry.usage import unneeded

    if sentence := unneeded(store):
        stdout().print(f"Still kept: {sentence}")


def _versions(count: int) -> str:
    return f"{count} version{'' if count == 1 else 's'}"


def confirm(question: str, yes: bool) -> None:
    """Ask on a terminal.

    Raises:
        DataError: there is no terminal to ask on.
        Exit: with code 1, where the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise DataError(f"Expected --yes where there is no terminal to ask on. Received: no answer to '{question}'")
    if not click.confirm(question, err=True):
        click.echo("Nothing was deleted.", err=True)
        raise click.exceptions.Exit(1)
