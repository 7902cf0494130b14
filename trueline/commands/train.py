"""``trueline train``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from artifact.errors import ArtifactError, RefusedError, TruelineError
from trueline.commands.data import kept_sentence
from trueline.commands.ended import after_the_change, champion_state, ended_by_signals, stored_state
from trueline.commands.events import Events, event_option
from trueline.commands.gates import force_option, forced_gates, tell_gates
from trueline.commands.options import (
    DATA_HELP,
    NamesOption,
    json_option,
    note_option,
    print_json,
    reading_words,
    text_words,
    typed_words,
    why_option,
)
from trueline.environment import need_training, registry
from trueline.frames import source_of
from trueline.terminal.consoles import stdout
from trueline.terminal.tables import result_tables
from trueline.trainer import TrainWords, request_of, trained

if TYPE_CHECKING:
    from artifact.manifest import Manifest
    from artifact.registry.base import Reference, Registry
    from trueline.gates.promote import Judgement, Wish

# Options that do not change what is trained.
ABOUT_THE_VERSION = ("note", "promote", "force", "why", "on_event", "as_json", "quiet", "verbose")


def _families() -> Iterable[str]:
    from training.families import models

    return models()


def _objectives() -> Iterable[str]:
    from training.objectives import KINDS

    return KINDS


@click.command("train", epilog=DATA_HELP)
@click.argument("data")
@click.option("--target", required=True, metavar="COL[,COL]", help="Column to predict; several with commas.")
@click.option(
    "--name",
    metavar="NAME",
    help="Name of the model: lower-case letters, digits, '.', '_' and '-'. Defaults to the file's name.",
)
@click.option("--preset", metavar="NAME", help="How much work to spend: fast, balanced or best. Defaults to balanced.")
@click.option(
    "--model",
    metavar="NAME",
    cls=NamesOption,
    names=_families,
    help="Model family: {names}. Defaults to the preset's.",
)
@click.option(
    "--objective",
    metavar="NAME",
    cls=NamesOption,
    names=_objectives,
    help="What is minimised: {names}. Defaults to mse.",
)
@click.option(
    "--cv",
    type=click.IntRange(min=1),
    metavar="K",
    help="Number of folds; their networks train side by side. With 1, one network trains and rows are held out. "
    "Defaults to the preset's.",
)
@click.option(
    "--augment",
    metavar="NAME[,NAME]",
    help="noise, mixup or both: copies of the networks train on changed rows, and the gain is measured.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="One setting; may be given again. The value is read as TOML, or else as text.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings from a TOML file. The command line overrides it.",
)
@click.option("--schema", type=click.Path(path_type=Path), help="Corrections of the schema: a schema.toml.")
@click.option(
    "--group", metavar="COL", help="Rows with the same value in this column stay in one fold or part; it is no feature."
)
@click.option(
    "--time",
    metavar="COL",
    help="Column that orders the rows: the oldest train, the newest test. Not with --group.",
)
@click.option("--weight", metavar="COL", help="Column that says how much each row counts; it is no feature.")
@click.option("--interval-groups", metavar="COL", help="Each category of this feature gets intervals of its own.")
@click.option(
    "--init",
    metavar="MODEL",
    help="Start from the weights of an earlier version (NAME, NAME:VERSION or NAME:champion), where they fit the "
    "table.",
)
@click.option(
    "--stream/--no-stream",
    default=None,
    help="--stream reads Parquet batch by batch, so that the table may be larger than memory; --no-stream holds it "
    "in memory. By default only large tables are streamed.",
)
@click.option(
    "--keep-data",
    is_flag=True,
    help="Keep the table's rows beside the version, once for all versions of the same table: "
    "refit adds new rows to them, and reproduce trains on them again.",
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of everything random. Defaults to 0.")
@click.option(
    "--device",
    metavar="WHAT",
    help="Device that computes: auto, cpu, gpu, or GPUs by number (gpu:1 or gpu:0,1). "
    "Defaults to auto: a GPU where there is one.",
)
@note_option
@event_option
@click.option(
    "--promote", is_flag=True, help="Make the new version the champion, the version that serves, if its gates let it."
)
@force_option("With --promote: gates")
@why_option
@reading_words
@text_words
@click.option("-q", "--quiet", is_flag=True, help="Print only the result: no schema, notes or progress.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each stage and epoch, and all settings.")
@json_option
@click.pass_context
def train_command(
    context: click.Context,
    /,
    data: str,
    target: str,
    promote: bool,
    force: str,
    why: str,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    events: Events,
    **options: Any,
) -> None:
    """Train a network on a table, compare it with simpler models, and store it.

    \b
    Example:
      trueline train houses.csv --target price --set epochs=40 --promote
    """
    need_training("train", "keras", "polars", "sklearn")
    from training.settings.text import parse_setting
    from trueline.gates.promote import Wish

    forced = forced_gates(force, why)
    words = cast("TrainWords", {word: value for word, value in options.items() if word in TrainWords.__annotations__})
    words["settings"] = dict(parse_setting(setting) for setting in options["settings"])
    request = request_of(source_of(data), target, words, typed_words(context, ABOUT_THE_VERSION))
    store = registry()
    with ended_by_signals(store.abandon) as signals:
        manifest = trained(request, store, quiet=quiet, verbose=verbose, raise_if_ended=signals.raise_if_any)
        signals.state = stored_state(manifest)
    wish = Wish("trueline train", why, forced) if promote else None
    _report(store, manifest, wish, events, as_json)


def _report(store: Registry, manifest: Manifest, wish: Wish | None, events: Events, as_json: bool) -> None:
    """Print what was stored, and promote it where that is wished.

    Args:
        store: the model store.
        manifest: manifest of the new version.
        wish: how it is to be promoted; None for no promotion.
        events: takes the events.
        as_json: whether a line of JSON is printed.

    Raises:
        RefusedError: the version is stored and reported, and a gate refuses its promotion.
        ArtifactError: it is stored and reported, and the log is damaged or cannot be written.
    """
    stored = stored_state(manifest)
    version = store.resolve(f"{manifest.model_name}:{manifest.model_version}")
    with after_the_change(stored):
        events.about(version.name, version.version)
        events.tell("train", metrics=manifest.metrics, worth_it=manifest.verdict.worth_it, rows=manifest.lineage.rows)
        out = stdout()
        for part in result_tables(manifest):
            out.print(part)
    with after_the_change(stored, "promote it"):
        judgement, refusal = (None, None) if wish is None else _promoted(store, version, wish, events)
    is_promoted = judgement is not None and refusal is None
    with after_the_change(champion_state(version) if is_promoted else stored):
        if judgement is not None and wish is not None:
            tell_gates(judgement, wish.forced)
            if is_promoted:
                events.tell("promote", why=wish.why, former=judgement.former)
        _tell_result(version, manifest, is_promoted=is_promoted, as_json=as_json)
    if refusal is not None:
        # The version is stored and reported all the same; only the promotion did not happen.
        raise refusal


def _promoted(
    store: Registry, version: Reference, wish: Wish, events: Events
) -> tuple[Judgement | None, TruelineError | None]:
    """What the gates say of a promotion, if they could be asked; and why it was not promoted, or None where it was."""
    from trueline.gates.promote import promote

    try:
        with events.refusals(ArtifactError):
            judgement = promote(store, version, wish)
    except (RefusedError, ArtifactError) as error:
        return None, error
    return judgement, judgement.refused


def _tell_result(version: Reference, manifest: Manifest, *, is_promoted: bool, as_json: bool) -> None:
    from artifact.manifest import REPORT
    from artifact.recipe import recipe_if_any
    from training.evaluation.advice import next_step

    out, reference = stdout(), f"{version.name}:{version.version}"
    if is_promoted:
        out.print(f"Promoted {reference}: it is the champion of '{version.name}'.")
    else:
        out.print(f"Stored {reference}. Make it serve: trueline promote {reference}")
    kept_rows = kept_sentence(recipe_if_any(version.path, manifest))
    if kept_rows is not None:
        out.print(kept_rows)
    out.print(f"Report: {version.path / REPORT / 'report.html'}")
    if as_json:
        advice = next_step(manifest)
        print_json(
            {
                "model_name": version.name,
                "model_version": version.version,
                "metrics": manifest.metrics,
                "verdict": manifest.verdict.model_dump(),
                "next": None if advice is None else advice.command,
                "seconds": manifest.lineage.seconds,
                "rows": manifest.lineage.rows,
            }
        )
