"""``trueline refit``, ``finetune`` and ``recalibrate``: versions made from earlier ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from artifact.errors import ArtifactError
from artifact.manifest import REPORT, Manifest
from artifact.recipe import recipe_if_any
from artifact.registry.base import CHAMPION, Registry
from trueline.commands.data import kept_sentence
from trueline.commands.ended import after_the_change, ended_by_signals, stored_state
from trueline.commands.events import Events, event_option
from trueline.commands.options import json_option, note_option, print_json, reading_words
from trueline.environment import need_training, registry
from trueline.frames import source_of
from trueline.terminal.consoles import stderr, stdout, tell_note
from trueline.terminal.tables import result_tables

if TYPE_CHECKING:
    from trueline.retrain.call import Call, RetrainWords
    from trueline.retrain.earlier import Former


def display_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--quiet`` and ``--verbose``."""
    command = click.option("-v", "--verbose", is_flag=True, help="A line for each stage and epoch, and all settings.")(
        command
    )
    return click.option(
        "-q", "--quiet", is_flag=True, help="Only the result and warnings: no schema, notes or progress."
    )(command)


def _training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What ``refit`` and ``finetune`` have in common; the command takes it as ``options``."""

    @functools.wraps(command)
    def with_options(*args: Any, **options: Any) -> Any:
        need_training(click.get_current_context().info_name or "", "keras", "polars", "sklearn")
        return command(*args, **options)

    decorated: Callable[..., Any] = with_options
    for option in (
        json_option,
        event_option,
        display_options,
        reading_words,
        note_option,
        click.option(
            "--keep-data/--no-keep-data",
            default=None,
            help="Keep the rows that train, or do not. Defaults to what the earlier version did.",
        ),
        click.option(
            "--hold-out/--no-hold-out",
            default=True,
            help="Hold the newest tenth of the new rows out, at least 300, and keep them for the comparison before a "
            "promotion. Done by default.",
        ),
        click.option(
            "--newest",
            metavar="N|Nd",
            help="Train on the newest N rows, or on those of the last N days, by the version's --time column.",
        ),
    ):
        decorated = option(decorated)
    return decorated


@click.command("refit")
@click.argument("model")
@click.option(
    "--data",
    metavar="NEW",
    help="Train on these rows alone. Defaults to the data of the recipe, read again; where they were added to kept "
    "rows, to all rows that are kept.",
)
@click.option("--append", "appended", metavar="NEW", help="Train on these rows and those that are kept.")
@_training_options
def refit_command(
    model: str, data: str | None, appended: str | None, as_json: bool, events: Events, **options: Any
) -> None:
    """Train a version anew by its recipe, on new rows. MODEL is NAME, NAME:VERSION or NAME:champion.

    \b
    Example:
      trueline refit houses --append sold-last-month.csv
    """
    from trueline.retrain.call import Call
    from trueline.retrain.earlier import Former

    former = Former.find(registry(), model)
    events.about(former.version.name)
    call = Call.refit(former, data, appended, cast("RetrainWords", options))
    _report(former.store, _trained(former, call), events, "refit", as_json)


@click.command("finetune")
@click.argument("model")
@click.option("--data", metavar="NEW", required=True, help="The new rows.")
@click.option(
    "--tolerance",
    type=float,
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="How much larger the error on old rows may be, as a share; if it is larger, nothing is stored. Old rows are "
    "the kept rows, or else the golden rows.",
)
@_training_options
def finetune_command(model: str, data: str, tolerance: float, as_json: bool, events: Events, **options: Any) -> None:
    """Train a version further on new rows, from its weights, as long as old rows do not get much worse.

    \b
    Example:
      trueline finetune houses --data sold-last-month.csv
    """
    from trueline.retrain.call import Call
    from trueline.retrain.earlier import Former

    former = Former.find(registry(), model)
    events.about(former.version.name)
    call = Call("finetune", source_of(data), cast("RetrainWords", options), tolerance=tolerance)
    _report(former.store, _trained(former, call), events, "finetune", as_json)


@click.command("recalibrate")
@click.argument("model")
@click.option("--data", metavar="NEW", required=True, help="Rows that the version has not seen, with their target.")
@note_option
@reading_words
@event_option
@json_option
def recalibrate_command(model: str, data: str, note: str, as_json: bool, events: Events, **reading: str | None) -> None:
    """Fit the intervals of a version anew on new rows: the same network, in seconds. MODEL as for refit.

    \b
    Example:
      trueline recalibrate houses --data sold-last-month.csv
    """
    need_training("recalibrate", "polars", "sklearn")
    from training.table.reading import Reading
    from trueline.evaluation import Measuring
    from trueline.retrain.recalibrate import recalibrate

    store = registry()
    version = store.resolve(model)
    events.about(version.name)
    measuring = Measuring(Reading(**reading), None, "refuse", tell_note, stderr().print)
    with ended_by_signals(store.abandon) as signals:
        manifest = recalibrate(store, version, source_of(data), measuring, note, signals.raise_if_any)
        signals.state = stored_state(manifest)
    _report(store, manifest, events, "recalibrate", as_json, network_of=f"{version.name}:{version.version}")


def _trained(former: Former, call: Call) -> Manifest:
    with ended_by_signals(former.store.abandon) as signals:
        manifest = call.run(former, signals.raise_if_any)
        signals.state = stored_state(manifest)
    return manifest


def _has_champion(store: Registry, name: str) -> bool:
    """Whether a version can be compared with a champion; False where the log cannot be read, as `promote` will say."""
    try:
        return store.alias(name) is not None
    except ArtifactError:
        return False


def _report(
    store: Registry,
    manifest: Manifest,
    events: Events,
    by: Literal["refit", "finetune", "recalibrate"],
    as_json: bool,
    network_of: str = "",
) -> None:
    """Print what was stored, and tell the hook.

    Args:
        store: the model store.
        manifest: manifest of the new version.
        events: takes the event.
        by: name of the command.
        as_json: whether a line of JSON is printed.
        network_of: with ``recalibrate``, the earlier version, whose network the new one has.
    """
    with after_the_change(stored_state(manifest)):
        events.about(manifest.model_name, manifest.model_version)
        events.tell(
            "train", by=by, metrics=manifest.metrics, worth_it=manifest.verdict.worth_it, rows=manifest.lineage.rows
        )
        _tell_result(store, manifest, as_json, network_of)


def _tell_result(store: Registry, manifest: Manifest, as_json: bool, network_of: str) -> None:
    reference = f"{manifest.model_name}:{manifest.model_version}"
    out = stdout()
    if network_of:
        out.print(manifest.notes[-1])
    else:
        for part in result_tables(manifest):
            out.print(part)
    version = store.resolve(reference)
    recipe = recipe_if_any(version.path, manifest)
    out.print(f"Stored {reference}. Make it serve: trueline promote {reference}")
    if _has_champion(store, manifest.model_name):
        champion = f"{manifest.model_name}:{CHAMPION}"
        out.print(f"See first what its gates say: trueline compare {reference} {champion}")
    if (sentence := kept_sentence(recipe)) is not None:
        out.print(sentence)
    out.print(f"Report: {version.path / REPORT / 'report.html'}")
    if as_json:
        held_out = None if recipe is None or recipe.held_out is None else recipe.held_out.rows
        derivation = None if recipe is None or recipe.derivation is None else recipe.derivation.model_dump()
        print_json(
            {
                "model_name": manifest.model_name,
                "model_version": manifest.model_version,
                "metrics": manifest.metrics,
                "coverage": manifest.coverage.model_dump(),
                "verdict": manifest.verdict.model_dump(),
                "derivation": derivation,
                "held_out_rows": held_out,
                "rows": manifest.lineage.rows,
            }
        )
