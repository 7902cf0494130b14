"""A request for a training: the table, the targets and all that the user says of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from artifact.errors import DataError
from artifact.recipe import Derivation
from artifact.registry.tables import RowsAside
from artifact.rows.texts.format import TextFormat
from training.settings.config import TrainConfig
from training.table.corrections import Corrections
from training.table.data import check_columns
from training.table.kept import TrainingTable
from training.table.names import canonical, split_names
from training.table.reading import Reading
from training.table.targets import check_target_names
from training.table.texts.table import TableTextRules
from training.transfer.earlier import Earlier
from training.transfer.features import text_columns

if TYPE_CHECKING:
    from artifact.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Request:
    """What to train.

    Attributes:
        data: see :func:`training.table.data.read_table`; for a table in memory, its name in messages and the lineage.
        targets: columns to predict; one text may name several, with commas between, see :meth:`with_names_of`.
        name: the model's name.
        config: settings.
        corrections: the user's corrections of the inferred schema.
        group: column of groups, whose rows stay in one part, or None; it is no feature.
        time: column that orders the rows, so that the newest rows test, or None.
        weight: column that says how much each row counts, or None; it is no feature.
        interval_groups: categorical feature whose categories get intervals of their own, or None.
        init: ``NAME``, ``NAME:VERSION`` or ``NAME:ALIAS`` of an earlier version to start from, or None.
        stream: whether to read Parquet batch by batch; False holds the table in memory, and None lets its size decide.
        note: the user's own words about the version.
        command: see :class:`artifact.lineage.Lineage`.
        reading: how to read the files.
        table: the table itself if it is in memory, or None.
        file: a Parquet file that is read in the place of ``data``, or None.
        keep_data: whether the rows are kept beside the version.
        held_out: a file of rows that no part of this training sees, to be kept beside the version, or None.
        derivation: the earlier version that this one is made from by another command than ``train``, or None.
        accept: function that gets the finished version before it is stored, and raises an error if it must not be
            stored; or None.
    """

    data: str
    targets: tuple[str, ...]
    name: str
    config: TrainConfig = field(default_factory=lambda: TrainConfig())
    corrections: Corrections = field(default_factory=Corrections)
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    interval_groups: str | None = None
    init: str | None = None
    stream: bool | None = None
    note: str = ""
    command: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)
    table: pl.DataFrame | None = field(default=None, repr=False, compare=False)
    file: Path | None = None
    keep_data: bool = False
    held_out: RowsAside | None = None
    derivation: Derivation | None = None
    accept: Callable[[Predictor], None] | None = field(default=None, repr=False, compare=False)

    @property
    def source(self) -> str | pl.DataFrame:
        """Where the rows come from: files by their name, or the table itself."""
        if self.table is not None:
            return self.table
        return self.data if self.file is None else str(self.file)

    @property
    def names_in_use(self) -> set[str]:
        """Names that the user gives: their columns stay, even if they look like an index that a tool wrote."""
        names = (*self.targets, self.group, self.time, self.weight, self.interval_groups, *self.corrections.features)
        return {canonical(name) for name in names if name and canonical(name)}

    @property
    def ids(self) -> set[str]:
        """Names of columns that hold ids: they never become floats, which would merge long ids."""
        return {*self.corrections.text_columns(), *([canonical(self.group)] if self.group else [])}

    def candidates(self, columns: Iterable[str]) -> list[str]:
        """The columns of a table that may become features."""
        return [name for name in columns if name not in (*self.targets, self.group, self.weight)]

    def with_names_of(self, columns: Collection[str], left_out: Collection[str] = ()) -> Request:
        """The request with names in canonical form, as the table has them, and with one text for each target.

        A text of several targets is split at its commas, unless it is the name of a column.

        Args:
            columns: the table's columns.
            left_out: columns without a name of their own, which corrections may leave out too.
        """
        targets = tuple(map(canonical, self.targets))
        if len(targets) == 1:
            targets = split_names(targets[0], columns)
        names = (self.group, self.time, self.weight, self.interval_groups)
        group, time, weight, interval_groups = (None if name is None else canonical(name) for name in names)
        corrections = self.corrections.with_canonical_names(left_out)
        return replace(
            self,
            targets=targets,
            group=group,
            time=time,
            weight=weight,
            interval_groups=interval_groups,
            corrections=corrections,
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """What a version comes from.

    Attributes:
        request: what the user asked for, in the table's terms.
        table: what the version says of the table.
        started: ``time.perf_counter()`` when the work began.
    """

    request: Request
    table: TrainingTable
    started: float


def text_rules(request: Request, earlier: Earlier | None = None) -> TableTextRules:
    """The user's rules for the texts of each column, with the formats of the version to start from."""
    corrections = request.corrections
    as_text = corrections.text_columns() if earlier is None else text_columns(earlier.schema, corrections)
    formats: dict[str, TextFormat | None] = {}
    if earlier is not None:
        formats = {f.name: f.text for f in earlier.schema.features} | {t.name: t.text for t in earlier.schema.targets}
    return TableTextRules(corrections, request.targets, [request.group] if request.group else [], as_text, formats)


def check_request(table: pl.DataFrame, request: Request) -> None:
    """Check that a request names columns of the table, and that they fit their roles and each other.

    Raises:
        DataError: they do not.
    """
    check_target_names(list(request.targets), table)
    check_columns(table, [c for c in (request.group, request.time, request.weight) if c], "column")
    roles = [("--group", request.group), ("--time", request.time), ("--weight", request.weight)]
    _check_roles(request)
    for option, name in (*(("--target", target) for target in request.targets), *roles):
        dtype = table.schema[name] if name else pl.Null()
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
            raise DataError(
                f"Expected {option} to be a column of single values. Received: '{name}' of type {dtype}. "
                "Give a column of numbers, dates or texts instead."
            )
    unknown = [name for name in request.corrections.targets if name not in request.targets]
    if unknown:
        listed = ", ".join(f"'{name}'" for name in request.targets)
        raise DataError(f"Expected each target in schema.toml to be one of {listed}. Received: '{unknown[0]}'.")
    if request.time and request.group:
        raise DataError("Expected --group or --time. Received: both.")


def _check_roles(request: Request) -> None:
    """Check that the column of groups or times is neither a target nor the column of weights."""
    for option, name in (("--group", request.group), ("--time", request.time), ("--weight", request.weight)):
        if name and name in request.targets:
            raise DataError(f"Expected {option} to be another column than the target. Received: '{name}'.")
    for option, name in (("--group", request.group), ("--time", request.time)):
        if name and name == request.weight:
            raise DataError(f"Expected {option} to be another column than that of --weight. Received: '{name}'.")
