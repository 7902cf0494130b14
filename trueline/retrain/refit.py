"""Trains by a version's recipe on other rows: from the beginning (``refit``), or from its weights (``finetune``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from artifact.errors import DataError
from artifact.lineage import IN_MEMORY
from artifact.manifest import Manifest
from artifact.recipe import Derivation
from trueline.retrain.earlier import Former
from trueline.retrain.misfits import naming_rows, of_other_kind
from trueline.retrain.old_rows import OldRows
from trueline.retrain.rows import new_rows
from trueline.retrain.selection import NewRows, RowChoice
from trueline.trainer import trained

if TYPE_CHECKING:
    import polars as pl

    from artifact.rows.schema import FeatureSchema
    from training.prepare.request import Request


@dataclass(frozen=True, slots=True)
class Display:
    """What a training shows of itself, see :func:`trueline.trainer.trained`."""

    quiet: bool = False
    verbose: bool = False
    raise_if_ended: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class RetrainOptions:
    """What the user asks for, except the rows.

    Attributes:
        by: name of the command.
        keep_data: whether the rows that train are kept; None to do as for the earlier version.
        note: the user's own words; empty for those of the recipe.
        tolerance: with ``finetune``, how much larger the error on old rows may be, as a share.
    """

    by: Literal["refit", "finetune"]
    keep_data: bool | None = None
    note: str = ""
    tolerance: float = 0.1


@dataclass(frozen=True, slots=True)
class Listener:
    """Takes sentences on the rows.

    Attributes:
        note: takes a sentence on rows and columns that were left out or held out.
        warn: takes a sentence on what is probably wrong with the rows; it is shown even where notes are not.
    """

    note: Callable[[str], None]
    warn: Callable[[str], None]


def train_anew(
    former: Former,
    choice: RowChoice,
    options: RetrainOptions,
    listener: Listener,
    display: Display | None = None,
) -> Manifest:
    """Train by the recipe of an earlier version, and store a new one.

    Args:
        former: the earlier version.
        choice: the rows to train on.
        options: what else the user asks for.
        listener: takes sentences on the rows.
        display: what the training shows. Defaults to everything but the details of ``verbose``.

    Raises:
        DataError: the rows do not fit the recipe; nothing was written.
        RefusedError: with ``finetune``, the error on old rows is above the tolerance; nothing was written.
        ArtifactError: kept rows are gone or damaged; nothing was written.
    """
    display = display or Display()
    with ExitStack() as stack:
        rows = new_rows(former, choice, stack)
        for note in rows.notes:
            listener.note(note)
        for warning in rows.warnings:
            listener.warn(warning)
        request = request_of(former, choice, options, rows)
        with naming_rows(rows.fresh, former.schema, choice.data):
            return trained(
                request,
                former.store,
                quiet=display.quiet,
                verbose=display.verbose,
                raise_if_ended=display.raise_if_ended,
                check_schema=lambda schema, notes: _check_schema(former, schema, notes, choice.data, rows.fresh),
            )


def request_of(former: Former, choice: RowChoice, options: RetrainOptions, rows: NewRows) -> Request:
    recipe = former.recipe
    keep_data = (recipe.table is not None) if options.keep_data is None else options.keep_data
    newest = "" if choice.newest is None else f"{choice.newest.number}{'d' if choice.newest.days else ''}"
    request = replace(
        former.request(),
        data=choice.data,
        reading=choice.reading,
        # A table in memory has nothing to stream.
        stream=None if rows.file is None else True,
        table=rows.table,
        file=rows.file,
        held_out=rows.held_out,
        keep_data=keep_data,
        note=options.note or recipe.note,
        # No command can name a table in memory.
        command=() if choice.source.frame is not None else _command(recipe.command, choice.data, keep_data=keep_data),
        derivation=Derivation(
            by=options.by,
            version=former.reference,
            data=choice.data,
            new_rows=rows.new,
            appended=choice.appended,
            newest=newest,
        ),
    )
    if options.by == "refit":
        return request
    old_rows = OldRows.of(former, options.tolerance)
    return replace(request, init=former.reference, accept=old_rows.check)


def _command(words: Sequence[str], data: str, *, keep_data: bool) -> tuple[str, ...]:
    """The words after ``trueline train``, with the new rows in the place of the old; the data comes first."""
    rest = [word for word in words[1:] if word != "--keep-data"]
    return (data, *rest, *(["--keep-data"] if keep_data else [])) if words else ()


def _check_schema(
    former: Former, schema: FeatureSchema, notes: Sequence[str], data: str, fresh: pl.DataFrame | None
) -> None:
    """Refuse rows in which a feature has another kind than before, or is no feature: every caller would be refused.

    Args:
        former: the earlier version.
        schema: schema of the new rows.
        notes: notes on the new rows.
        data: name of the new rows, for the message.
        fresh: the new rows, in which the message points at values of another kind; None where they are streamed.

    Raises:
        DataError: there is such a feature.
    """
    from training.transfer.features import alike

    for feature in former.schema.features:
        name = feature.name
        if name not in schema.names:
            why = next((note for note in notes if f"'{name}'" in note), "It is no feature there.")
            raise DataError(
                f"Expected the features of {former.reference} in {data}. Received: no '{name}'. {why} "
                "Correct the rows, or train on them with `trueline train`."
            )
        new = schema.feature(name)
        if not alike(new, feature):
            others = of_other_kind(fresh, former.schema, name)
            raise DataError(
                f"Expected '{name}' to be of kind {feature.kind} in {data}, as in {former.reference}. "
                f"Received: {new.kind}.{others} Correct the rows, or train on them with `trueline train`."
            )


def data_of_recipe(former: Former) -> tuple[str, bool]:
    """The data on which a version was trained, for a call that gives no other.

    Returns:
        The path of the data, and whether they are a part only: then the kept rows have all.

    Raises:
        DataError: the data came from no file, or are a part and no rows are kept.
    """
    recipe = former.recipe
    data, is_part = recipe.data, recipe.is_data_a_part
    step = f"Give the rows: trueline refit {former.reference} --data NEW, or from Python model.refit(NEW)."
    if is_part and recipe.table is None:
        raise DataError(
            f"Expected --data: {former.reference} was trained on {data} and on rows of an earlier version, and these "
            f"are not kept of it. Received: none. {step}"
        )
    if not is_part and (data in IN_MEMORY.values() or data == "-"):
        raise DataError(
            f"Expected --data: {former.reference} was trained on {'standard input' if data == '-' else data}, which "
            f"cannot be read again. Received: none. {step}"
        )
    return data, is_part
