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
from trueline.retrain.old_rows import OldRows
from trueline.retrain.rows import NewRows, Wanted, new_rows
from trueline.trainer import trained

if TYPE_CHECKING:
    from artifact.rows.schema import FeatureSchema
    from training.prepare.request import Request


@dataclass(frozen=True, slots=True)
class Telling:
    """How a training is shown, see :func:`trueline.trainer.trained`."""

    quiet: bool = False
    verbose: bool = False
    raise_if_ended: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asks for, except the rows.

    Attributes:
        by: the command.
        keep_data: whether the rows that train are kept; None: as those of the earlier version.
        note: the user's own words; empty for those of the recipe.
        tolerance: with ``finetune``: how much larger the error on old rows may be, as a share.
    """

    by: Literal["refit", "finetune"]
    keep_data: bool | None = None
    note: str = ""
    tolerance: float = 0.1


def trained_anew(
    former: Former, wanted: Wanted, asked: Asked, tell: Callable[[str], None], telling: Telling | None = None
) -> Manifest:
    """Train by the recipe of an earlier version, and store a new one.

    Args:
        former: the earlier version.
        wanted: the rows.
        asked: what else is asked for.
        tell: takes a sentence on what was left out or held out.
        telling: how the training is shown. Defaults to all of it.

    Raises:
        DataError: the rows do not fit the recipe; nothing was written.
        RefusedError: with ``finetune``, old rows got worse beyond the tolerance; nothing was written.
        ArtifactError: kept rows are gone or damaged; nothing was written.
    """
    telling = telling or Telling()
    with ExitStack() as stack:
        rows = new_rows(former, wanted, stack)
        for note in rows.notes:
            tell(note)
        request = request_of(former, wanted, asked, rows)
        return trained(
            request,
            former.store,
            quiet=telling.quiet,
            verbose=telling.verbose,
            raise_if_ended=telling.raise_if_ended,
            check_schema=lambda schema, notes: _check_schema(former, schema, notes, wanted.data),
        )


def request_of(former: Former, wanted: Wanted, asked: Asked, rows: NewRows) -> Request:
    recipe = former.recipe
    keep_data = (recipe.table is not None) if asked.keep_data is None else asked.keep_data
    newest = "" if wanted.newest is None else f"{wanted.newest.number}{'d' if wanted.newest.days else ''}"
    request = replace(
        former.request(),
        data=wanted.data,
        reading=wanted.reading,
        # A table in memory has nothing to stream.
        stream=None if rows.file is None else True,
        table=rows.table,
        file=rows.file,
        held_out=rows.held_out,
        keep_data=keep_data,
        note=asked.note or recipe.note,
        # No command can name a table in memory.
        command=() if wanted.source.frame is not None else _command(recipe.command, wanted.data, keep_data=keep_data),
        derivation=Derivation(
            by=asked.by,
            version=former.reference,
            data=wanted.data,
            new_rows=rows.new,
            appended=wanted.appended,
            newest=newest,
        ),
    )
    if asked.by == "refit":
        return request
    old_rows = OldRows.of(former, asked.tolerance)
    return replace(request, init=former.reference, accept=old_rows.check)


def _command(words: Sequence[str], data: str, *, keep_data: bool) -> tuple[str, ...]:
    """The words after ``trueline train``, with the new rows in the place of the old; the data comes first."""
    rest = [word for word in words[1:] if word != "--keep-data"]
    return (data, *rest, *(["--keep-data"] if keep_data else [])) if words else ()


def _check_schema(former: Former, schema: FeatureSchema, notes: Sequence[str], data: str) -> None:
    """Refuse rows in which a feature is something else than before, or none: every caller would be refused.

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
            raise DataError(
                f"Expected '{name}' to be of kind {feature.kind} in {data}, as in {former.reference}. "
                f"Received: {new.kind}. Correct the rows, or train on them with `trueline train`."
            )


def data_of_recipe(former: Former) -> str:
    """The data on which a version was trained, for a call that gives no other.

    Raises:
        DataError: it came from no file.
    """
    data = former.recipe.data
    if data in IN_MEMORY.values() or data == "-":
        raise DataError(
            f"Expected --data: {former.reference} was trained on {'standard input' if data == '-' else data}, which "
            f"cannot be read again. Received: none. Give the rows: trueline refit {former.reference} --data NEW, or "
            "from Python model.refit(NEW)."
        )
    return data
