"""``trueline train``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueline.commands.ended import ended_by_signals
from trueline.commands.options import (
    DATA_HELP,
    NamesOption,
    given_words,
    json_option,
    print_json,
    reading_options,
    text_options,
)
from trueline.environment import need_training, registry
from trueline.terminal.consoles import stderr, stdout
from trueline.terminal.progress import Teller
from trueline.terminal.tables import result_tables

if TYPE_CHECKING:
    from training.table.reading import Reading

# Options that change nothing about what is trained.
_ABOUT_THE_VERSION = ("note", "promote", "force", "as_json", "quiet", "verbose")
_LONGEST_NOTE = 500


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
@click.option("--preset", metavar="NAME", help="How much work: fast, balanced or best. Defaults to balanced.")
@click.option(
    "--model",
    "family",
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
    help="Number of folds, trained side by side; with 1 there is one network, and rows are held out. "
    "Defaults to the preset's.",
)
@click.option(
    "--augment",
    metavar="NAME[,NAME]",
    help="noise, mixup or both: twins of the networks train on changed rows, and what that is worth is measured.",
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
    help="Settings from a TOML file. What the command line says wins over it.",
)
@click.option(
    "--schema", "schema_file", type=click.Path(path_type=Path), help="Corrections of the schema: a schema.toml."
)
@click.option(
    "--group", metavar="COL", help="Rows with the same value here stay in one fold or part; it is no feature."
)
@click.option(
    "--time", metavar="COL", help="Orders the rows: the oldest train, the newest test. Not together with --group."
)
@click.option("--weight", metavar="COL", help="How much each row counts; it is no feature.")
@click.option("--interval-groups", metavar="COL", help="Each category of this feature gets intervals of its own.")
@click.option(
    "--init",
    metavar="MODEL",
    help="Start from an earlier version (NAME, NAME:VERSION or NAME:champion): its weights, where they agree.",
)
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Read Parquet batch by batch, so that the table may be larger than memory, or hold it in memory. "
    "By default only large tables are streamed.",
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of everything random. Defaults to 0.")
@click.option(
    "--device",
    metavar="WHAT",
    help="What computes: auto, cpu, gpu, or GPUs by number (gpu:1 or gpu:0,1). "
    "Defaults to auto: a GPU where there is one.",
)
@click.option(
    "--note",
    metavar="TEXT",
    default="",
    help="Your own words about the version, up to 500 characters: models, show and the report repeat them.",
)
@click.option("--promote", is_flag=True, help="Make the new version the champion, which is what serves.")
@click.option("--force", is_flag=True, help="With --promote: even if the model does not beat predicting the mean.")
@reading_options
@text_options
@click.option("-q", "--quiet", is_flag=True, help="Only the result: no schema, notes or progress.")
@click.option("-v", "--verbose", is_flag=True, help="A line for each stage and epoch, and all settings.")
@json_option
@click.pass_context
def train_command(
    context: click.Context,
    data: str,
    target: str,
    name: str | None,
    preset: str | None,
    family: str | None,
    objective: str | None,
    cv: int | None,
    augment: str | None,
    settings: tuple[str, ...],
    config: Path | None,
    schema_file: Path | None,
    group: str | None,
    time: str | None,
    weight: str | None,
    interval_groups: str | None,
    init: str | None,
    stream: bool | None,
    seed: int | None,
    device: str | None,
    note: str,
    promote: bool,
    force: bool,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    reading: Reading,
    rules: dict[str, Any],
) -> None:
    """Train a network on a table, compare it with simpler models, and store it.

    \b
    Example:
      trueline train houses.csv --target price --set epochs=40 --promote
    """
    need_training("train", "keras", "polars", "sklearn")
    from artifact.errors import DataError, RefusedError
    from artifact.manifest import REPORT
    from artifact.registry.local import check_name
    from training.evaluation.advice import next_step
    from training.objectives import KINDS
    from training.prepare.request import Request
    from training.settings.config import TrainConfig
    from training.settings.text import parse_setting
    from training.table.corrections import Corrections
    from training.train import Observer, train
    from training.transfer.settings import objective_of_run

    if quiet and verbose:
        raise DataError("Expected --quiet or --verbose. Received: both.")
    chosen = dict(parse_setting(s) for s in settings)
    given = {"preset": preset, "model": family, "objective": objective, "folds": cv, "augment": augment, "seed": seed}
    given["device"] = device
    chosen.update({name: value for name, value in given.items() if value is not None})
    request = Request(
        data=data,
        targets=(target,),
        name=name or default_name(data),
        config=TrainConfig.build(config, chosen),
        corrections=(Corrections.read(schema_file) if schema_file else Corrections()).with_rules(**rules),
        group=group,
        time=time,
        weight=weight,
        interval_groups=interval_groups,
        init=init,
        stream=stream,
        note=_one_line(note),
        command=given_words(context, _ABOUT_THE_VERSION),
        reading=reading,
    )
    check_name(request.name)
    store = registry()
    kind = KINDS[objective_of_run(store, request.init, request.config)]
    teller = Teller(stderr(), kind.shown, in_unit=kind.in_unit, quiet=quiet, verbose=verbose)
    with ended_by_signals(store.abandon) as signals, teller:

        def stage(name: str) -> None:
            # The last stage stores the version: whoever asked for the end must not find one.
            signals.raise_if_any()
            teller.stage(name)

        def epoch(epoch: int, epochs: int, error: float) -> None:
            signals.raise_if_any()
            teller.epoch(epoch, epochs, error)

        observer = Observer(stage, epoch, schema=teller.schema, note=teller.note, devices=teller.devices)
        manifest = train(request, store, observer)
        teller.say(f"Trained by {manifest.lineage.computed}.")
        if verbose:
            teller.say(f"Settings: {json.dumps(manifest.lineage.config)}")
    reference = f"{manifest.model_name}:{manifest.model_version}"
    out = stdout()
    for part in result_tables(manifest):
        out.print(part)
    refused = None
    if promote:
        try:
            store.promote(reference, force=force)
        except RefusedError as error:
            refused = error
    if promote and refused is None:
        out.print(f"Promoted {reference}: it is the champion of '{manifest.model_name}'.")
    else:
        out.print(f"Stored {reference}. Make it serve: trueline promote {reference}")
    out.print(f"Report: {store.resolve(reference).path / REPORT / 'report.html'}")
    if as_json:
        advice = next_step(manifest)
        print_json(
            {
                "model_name": manifest.model_name,
                "model_version": manifest.model_version,
                "metrics": manifest.metrics,
                "verdict": manifest.verdict.model_dump(),
                "next": None if advice is None else advice.command,
                "seconds": manifest.lineage.seconds,
                "rows": manifest.lineage.rows,
            }
        )
    if refused is not None:
        # The version is stored and reported all the same; only the promotion did not happen.
        raise refused


def default_name(data: str) -> str:
    """A model's name from its data's: ``data/Houses 2024.csv`` is ``houses-2024``."""
    stem = data.partition(":")[2] if data.startswith("dataset:") else Path(data).name.partition(".")[0]
    return re.sub(r"[^a-z0-9._]+", "-", stem.lower()).strip("-._") or "model"


def _one_line(note: str) -> str:
    """The note as it fits a table.

    Raises:
        DataError: it is longer than 500 characters.
    """
    from artifact.errors import DataError

    text = " ".join(note.split())
    if len(text) > _LONGEST_NOTE:
        raise DataError(f"Expected a --note of up to {_LONGEST_NOTE} characters. Received: {len(text)}.")
    return text
