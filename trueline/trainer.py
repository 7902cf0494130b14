"""Runs a training that the options of ``trueline train`` or the arguments of ``trueline.train`` describe."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from artifact.errors import DataError, unknown_name
from artifact.words.remarks import remark
from trueline.terminal.consoles import stderr
from trueline.terminal.progress import Teller

if TYPE_CHECKING:
    from artifact.manifest import Manifest
    from artifact.registry.base import Registry
    from artifact.rows.schema import FeatureSchema
    from training.prepare.request import Request
    from training.table.corrections import Corrections
    from trueline.frames import Source


class TrainWords(TypedDict, total=False):
    """The options of a training beside its table and target; ``trueline train --help`` explains each."""

    name: str | None
    preset: str | None
    model: str | None
    objective: str | None
    cv: int | None
    augment: str | Sequence[str] | None
    settings: Mapping[str, Any] | None
    config: str | os.PathLike[str] | None
    schema: str | os.PathLike[str] | Mapping[str, Any] | None
    group: str | None
    time: str | None
    weight: str | None
    interval_groups: str | None
    init: str | None
    stream: bool | None
    keep_data: bool
    seed: int | None
    device: str | None
    note: str
    separator: str | None
    encoding: str | None
    sheet: str | None
    decimal: str | None
    thousands: str | None
    missing_value: str | Sequence[str] | None
    date_format: str | None


# Options that are settings, and the settings' names.
_SETTINGS = {
    "preset": "preset",
    "model": "model",
    "objective": "objective",
    "cv": "folds",
    "augment": "augment",
    "seed": "seed",
    "device": "device",
}


def check_words(words: Mapping[str, Any], kind: type) -> None:
    """Check the names of a function's further arguments, which Python does not check.

    Args:
        words: the arguments.
        kind: a TypedDict of those that there are.

    Raises:
        TypeError: an argument that does not exist; the message lists those that do.
    """
    names = kind.__annotations__
    for word in words:
        if word not in names:
            raise TypeError(unknown_name("option", word, names))


def request_of(source: Source, target: str | Sequence[str], words: TrainWords, command: Sequence[str] = ()) -> Request:
    """The request for a training.

    Args:
        source: the table.
        target: column to predict, several separated by commas, or a list of names.
        words: the other options.
        command: the command line, see :class:`artifact.lineage.Lineage`. Defaults to nothing.

    Raises:
        DataError: an option has a value that is not allowed.
    """
    from training.prepare.request import Request
    from training.settings.config import TrainConfig
    from training.table.reading import Reading

    options = cast("Mapping[str, Any]", words)
    settings = dict(words.get("settings") or {})
    settings |= {setting: options[word] for word, setting in _SETTINGS.items() if options.get(word) is not None}
    targets = (target,) if isinstance(target, str) else tuple(target)
    config = words.get("config")
    return Request(
        data=source.name,
        targets=targets,
        name=words.get("name") or _default_name(source, targets),
        config=TrainConfig.build(None if config is None else Path(config), settings),
        corrections=_corrections(words),
        group=words.get("group"),
        time=words.get("time"),
        weight=words.get("weight"),
        interval_groups=words.get("interval_groups"),
        init=words.get("init"),
        stream=words.get("stream"),
        note=remark(words.get("note", ""), "note"),
        command=tuple(command),
        reading=Reading(words.get("separator"), words.get("encoding"), words.get("sheet")),
        table=source.frame,
        keep_data=words.get("keep_data", False),
    )


def _corrections(words: TrainWords) -> Corrections:
    from training.table.corrections import Corrections

    schema = words.get("schema")
    missing = words.get("missing_value")
    corrections = (
        Corrections()
        if schema is None
        else Corrections.of(schema)
        if isinstance(schema, Mapping)
        else Corrections.read(Path(schema))
    )
    return corrections.with_rules(
        decimal=words.get("decimal"),
        thousands=words.get("thousands"),
        missing_values=((missing,) if isinstance(missing, str) else tuple(missing)) if missing else None,
        format=words.get("date_format"),
    )


def _default_name(source: Source, targets: Sequence[str]) -> str:
    """A model's name from its file's, or for a table in memory from its targets'."""
    return default_name(source.name) if source.frame is None else slug("-".join(targets))


def default_name(data: str) -> str:
    """A model's name from its data's: ``data/Houses 2024.csv`` is ``houses-2024``."""
    return slug(data.partition(":")[2] if data.startswith("dataset:") else Path(data).name.partition(".")[0])


def slug(words: str) -> str:
    """Words as a model's name: ``Price [EUR]`` is ``price-eur``."""
    return re.sub(r"[^a-z0-9._]+", "-", words.lower()).strip("-._") or "model"


def trained(
    request: Request,
    store: Registry,
    *,
    quiet: bool = False,
    verbose: bool = False,
    raise_if_ended: Callable[[], None] = lambda: None,
    check_schema: Callable[[FeatureSchema, list[str]], None] = lambda _schema, _notes: None,
) -> Manifest:
    """Train, and show progress on standard error or in the notebook.

    Args:
        request: what to train.
        store: where the version is stored.
        quiet: show nothing. Defaults to False.
        verbose: show each stage and each epoch, and all settings. Defaults to False.
        raise_if_ended: called at each stage and epoch; it raises to end the training. Defaults to doing nothing.
        check_schema: called with the schema and the notes before anything is fitted; it raises to end the training.
            Defaults to doing nothing.

    Raises:
        DataError: both quiet and verbose; or see :func:`training.train.train`.
    """
    from artifact.registry.base import check_name
    from training.objectives import KINDS
    from training.train import Observer, train
    from training.transfer.settings import objective_of_run

    if quiet and verbose:
        raise DataError("Expected --quiet or --verbose. Received: both.")
    check_name(request.name)
    kind = KINDS[objective_of_run(store, request.init, request.config)]
    with Teller(stderr(), kind.shown, in_unit=kind.in_unit, quiet=quiet, verbose=verbose) as teller:

        def stage(name: str) -> None:
            # The last stage stores the version: a request to end must stop the training before that.
            raise_if_ended()
            teller.stage(name)

        def epoch(epoch: int, epochs: int, error: float) -> None:
            raise_if_ended()
            teller.epoch(epoch, epochs, error)

        def schema(schema: FeatureSchema, notes: list[str]) -> None:
            teller.schema(schema, notes)
            check_schema(schema, notes)

        observer = Observer(stage, epoch, schema=schema, note=teller.note, devices=teller.devices)
        manifest = train(request, store, observer)
        teller.say(f"Trained by {manifest.lineage.computed}.")
        if verbose:
            teller.say(f"Settings: {json.dumps(manifest.lineage.config)}")
    return manifest
