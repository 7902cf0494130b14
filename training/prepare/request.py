"""What a user asks to be trained."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

import polars as pl

from artifact.errors import DataError
from artifact.rows.texts.format import TextFormat
from training.settings.config import TrainConfig
from training.table.corrections import Corrections
from training.table.data import check_columns
from training.table.names import canonical, split_names
from training.table.reading import Reading
from training.table.targets import check_target_names
from training.table.texts.table import TableTextRules
from training.transfer.earlier import Earlier
from training.transfer.features import text_columns


@dataclass(frozen=True, slots=True)
class Request:
    """What to train.

    Attributes:
        data: see :func:`training.table.data.read_table`; of a table in memory what it is, for messages and the lineage.
        targets: columns to predict; one text may name several, with commas between, see :meth:`named`.
        name: of the model.
        config: settings.
        corrections: of the inferred schema.
        group: column whose rows stay in one part, or None; it is no feature.
        time: column that orders the rows, or None: the newest rows test.
        weight: column that says how much each row counts, or None; it is no feature.
        interval_groups: categorical feature whose categories get intervals of their own, or None.
        init: ``NAME``, ``NAME:VERSION`` or ``NAME:ALIAS`` of an earlier version to start from, or None.
        stream: read Parquet batch by batch, or hold the table in memory; None: by its size.
        note: the user's own words about the version.
        command: see :class:`artifact.lineage.Lineage`.
        reading: how the files are read.
        table: the table itself where it is in memory, or None.
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

    @property
    def source(self) -> str | pl.DataFrame:
        """Where the rows come from: files by their name, or the table itself."""
        return self.data if self.table is None else self.table

    @property
    def kept(self) -> set[str]:
        """Names that the user says: a column of such a name is kept, even if a tool made the name up."""
        said = (*self.targets, self.group, self.time, self.weight, self.interval_groups, *self.corrections.features)
        return {canonical(name) for name in said if name and canonical(name)}

    @property
    def ids(self) -> set[str]:
        """Names of columns whose values name things: they pass through no float."""
        return {*self.corrections.text_columns(), *([canonical(self.group)] if self.group else [])}

    def candidates(self, columns: Iterable[str]) -> list[str]:
        """Those of a table's columns that may be features."""
        return [name for name in columns if name not in (*self.targets, self.group, self.weight)]

    def named(self, columns: Collection[str], left_out: Collection[str] = ()) -> Request:
        """The request in a table's terms: names in the form that its columns have, each target by itself.

        A text of several targets is split at its commas, unless it is the name of a column.

        Args:
            columns: of the table.
            left_out: columns without a name of their own, which corrections may leave out too.
        """
        targets = tuple(map(canonical, self.targets))
        if len(targets) == 1:
            targets = split_names(targets[0], columns)
        names = (self.group, self.time, self.weight, self.interval_groups)
        group, time, weight, interval_groups = (None if name is None else canonical(name) for name in names)
        corrections = self.corrections.named(left_out)
        return replace(
            self,
            targets=targets,
            group=group,
            time=time,
            weight=weight,
            interval_groups=interval_groups,
            corrections=corrections,
        )


def text_rules(request: Request, earlier: Earlier | None = None) -> TableTextRules:
    """What is said of the texts of a table's columns."""
    corrections = request.corrections
    as_text = corrections.text_columns() if earlier is None else text_columns(earlier.schema, corrections)
    known: dict[str, TextFormat | None] = {}
    if earlier is not None:
        known = {f.name: f.text for f in earlier.schema.features} | {t.name: t.text for t in earlier.schema.targets}
    return TableTextRules(corrections, request.targets, [request.group] if request.group else [], as_text, known)


def check_request(table: pl.DataFrame, request: Request) -> None:
    """Check that what is asked for fits together and names columns that there are.

    Raises:
        DataError: it does not.
    """
    check_target_names(list(request.targets), table)
    check_columns(table, [c for c in (request.group, request.time, request.weight) if c], "column")
    asked = [("--group", request.group), ("--time", request.time), ("--weight", request.weight)]
    _check_roles(request)
    for option, name in (*(("--target", target) for target in request.targets), *asked):
        dtype = table.schema[name] if name else pl.Null()
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
            raise DataError(
                f"Expected {option} to be a column of single values. Received: '{name}' of type {dtype}. "
                "Give a column of numbers, dates or texts instead."
            )
    unknown = [name for name in request.corrections.targets if name not in request.targets]
    if unknown:
        raise DataError(f"Expected targets in schema.toml among {request.targets}. Received: '{unknown[0]}'.")
    if request.time and request.group:
        raise DataError("Expected --group or --time. Received: both.")


def _check_roles(request: Request) -> None:
    """Check that no column that is predicted or weighs orders or groups the rows too."""
    for option, name in (("--group", request.group), ("--time", request.time), ("--weight", request.weight)):
        if name and name in request.targets:
            raise DataError(f"Expected {option} to be another column than the target. Received: '{name}'.")
    for option, name in (("--group", request.group), ("--time", request.time)):
        if name and name == request.weight:
            raise DataError(f"Expected {option} to be another column than that of --weight. Received: '{name}'.")
