"""The overview of a table: its columns, training's notes on them, and further alerts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from artifact.rows.schema import Feature
from training.overview.alerts import NOTES, Alert, feature_alerts, number_alerts
from training.overview.columns import Column, Role, described
from training.overview.pairs import pair_alerts
from training.prepare.in_memory import Prepared
from training.prepare.request import Request
from training.table.usable import facts_of, why_useless


@dataclass(frozen=True, slots=True)
class Overview:
    """A table before training.

    Attributes:
        data: the path or name that the user gave.
        rows: number of rows of the table as it was read.
        described: number of rows that the figures describe; rows without a target are left out.
        columns: facts of the columns, in the table's order.
        alerts: training's notes on the table, then what else a person should look at.
    """

    data: str
    rows: int
    described: int
    columns: tuple[Column, ...]
    alerts: tuple[Alert, ...]

    @property
    def checks(self) -> list[str]:
        """The alerts that are not training's notes, as sentences."""
        return [alert.sentence for alert in self.alerts if alert.kind not in NOTES]

    def document(self) -> dict[str, Any]:
        """The overview as JSON."""
        return {
            "data": self.data,
            "rows": self.rows,
            "described_rows": self.described,
            "columns": [asdict(column) for column in self.columns],
            "alerts": [alert._asdict() for alert in self.alerts],
        }


def overview(
    frame: pl.DataFrame,
    features: list[Feature],
    roles: dict[str, Role],
    notes: list[str],
    *,
    data: str,
    rows: int,
    seed: int = 0,
) -> Overview:
    """The overview of a table as training has it.

    Args:
        frame: the rows that can train, in the types that training gives them.
        features: the schema's features.
        roles: roles of columns that are no features since they are targets, groups or weights, by name.
        notes: training's notes on the table.
        data: the path or name that the user gave.
        rows: number of rows of the table as it was read.
        seed: seed of the samples of rows for alerts. Defaults to 0.
    """
    by_name = {feature.name: feature for feature in features}
    columns: list[Column] = []
    alerts: list[Alert] = []
    numbered = frame.height == rows
    for name in frame.columns:
        column, feature = frame[name], by_name.get(name)
        if feature is not None:
            columns.append(described(column, "feature", feature.kind, feature.unit))
            continue
        role = roles.get(name, "left out")
        columns.append(described(column, role))
        if role == "target" and column.dtype.is_numeric():
            alerts += number_alerts(column, "target", numbered=numbered)
        elif role == "left out" and (left_out := why_useless(facts_of(column))):
            alerts.append(Alert("left out", (name,), left_out.sentence))
    alerts += feature_alerts(frame, features, numbered=numbered)
    alerts += pair_alerts(frame, features, seed)
    # A column that training notes as a key gets no second alert.
    keys = {name for name in frame.columns for note in notes if f"'{name}'" in note and "identifier" in note}
    alerts = [alert for alert in alerts if alert.kind != "near key" or alert.columns[0] not in keys]
    sentences = {alert.sentence for alert in alerts}
    names = sorted(frame.columns, key=len, reverse=True)
    note_alerts = [
        Alert("note", tuple(n for n in names if f"'{n}'" in note), note) for note in notes if note not in sentences
    ]
    return Overview(data, rows, frame.height, tuple(columns), (*note_alerts, *alerts))


def overview_of(prepared: Prepared, request: Request, rows: int) -> Overview:
    """The overview of a table that is ready to train.

    Args:
        prepared: the table's rows, or a sample of them if it is streamed.
        request: what is trained.
        rows: number of rows of the table as it was read.
    """
    features = [*prepared.schema.features]
    roles = roles_of(request)
    return overview(
        prepared.frame, features, roles, prepared.notes, data=request.data, rows=rows, seed=prepared.config.seed
    )


def roles_of(request: Request) -> dict[str, Role]:
    """Roles of the columns that are targets, groups or weights, by name."""
    roles: dict[str, Role] = dict.fromkeys(request.targets, "target")
    if request.group:
        roles[request.group] = "group"
    if request.weight:
        roles[request.weight] = "weight"
    return roles
