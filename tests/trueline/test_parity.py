"""``predict`` and ``evaluate`` take the file that trained: target, weights, groups, odd values and all."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from artifact.registry.local import LocalRegistry
from tests.builders import build_version
from tests.trueline.test_commands import call, last_json
from training.prepare.bounds import Bounds
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.corrections import Corrections, FeatureCorrection
from training.train import prepared_table

N = 60
RNG = np.random.default_rng(0)


def _cycle(*values: Any, **options: Any) -> pl.Series:
    return pl.Series([values[i % len(values)] for i in range(N)], **options)


# The columns of case 30 and similar ones, which training takes as features or leaves out.
COLUMNS: dict[str, pl.Series] = {
    "price": pl.Series(RNG.normal(size=N)),
    "weight": pl.Series(RNG.uniform(1, 2, N)),
    "cust": pl.Series([2**63 + i % 12 for i in range(N)], dtype=pl.UInt64),
    "ends": pl.Series([float("inf") if i == 3 else -float("inf") if i == 4 else i / 7 for i in range(N)]),
    "gaps": pl.Series([None if i % 5 == 0 else i / 3 for i in range(N)], dtype=pl.Float32),
    "nan": pl.Series([float("nan") if i % 5 == 0 else i / 3 for i in range(N)]),
    "small": _cycle(1, 2, None, dtype=pl.UInt8),
    "huge": pl.Series([2**63 + i**2 * 10**15 for i in range(N)], dtype=pl.UInt64),
    "amount": pl.Series([Decimal(f"{i * 3 % 17}.50") for i in range(N)], dtype=pl.Decimal(30, 2)),
    "flag": _cycle(True, False, None),
    "town": _cycle("Cern", "Lodi", "Cern", None),
    "kind": _cycle("a", "b", dtype=pl.Enum(["a", "b"])),
    "coded": _cycle("x", "y", "x", dtype=pl.Categorical),
    "shop": pl.Series([2**63 + i % 4 for i in range(N)], dtype=pl.UInt64),
    "yes": _cycle(True, False),
    "day": _cycle(*(date(2020, 1 + i % 12, 1 + i % 28) for i in range(40))),
    "moment": _cycle(*(datetime(2024, 1, 1 + i, i, tzinfo=UTC) for i in range(24))).dt.convert_time_zone("Asia/Tokyo"),
    "clock": _cycle(time(1, 2), time(3, 4)),
    "span": _cycle(timedelta(days=1), timedelta(hours=2)),
    "tags": _cycle(["a"], []),
    "point": _cycle({"x": 1}, {"x": 2}),
    "blob": _cycle(b"\xff", b"a"),
    "nothing": _cycle(None),
}  # fmt: skip
CORRECTIONS = {"shop": FeatureCorrection(kind="category"), "yes": FeatureCorrection(kind="number")}


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv", "ndjson"])
def test_the_training_file_is_taken_as_it_is(tmp_path: Path, monkeypatch, capsys, suffix):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    path = tmp_path / f"table.{suffix}"
    frame = pl.DataFrame(COLUMNS)
    if suffix in ("csv", "ndjson"):
        frame = frame.drop("blob", "span", *(["tags", "point"] if suffix == "csv" else []))
    {"parquet": frame.write_parquet, "arrow": frame.write_ipc, "csv": frame.write_csv, "ndjson": frame.write_ndjson}[
        suffix
    ](path)
    request = Request(
        str(path),
        ("price",),
        "houses",
        TrainConfig.build(settings={"folds": 1, "refit": False}),
        # A CSV's true and false are no numbers.
        Corrections(
            features={name: correction for name, correction in CORRECTIONS.items() if (name, suffix) != ("yes", "csv")}
        ),
        group="cust",
        weight="weight",
    )
    with prepared_table(request, Bounds(), None) as (_, prepared, _facts):
        schema = prepared.schema
    assert {"ends", "gaps", "town", "shop", "yes", "moment", "huge"} <= set(schema.names)
    build_version(LocalRegistry(tmp_path / "home"), promote=True, schema=schema)
    output = tmp_path / "out.parquet"
    code, out, err = call(capsys, "predict", "houses", str(path), "-o", str(output), "--json")
    assert code == 0, err
    assert last_json(out)["rows"] == N
    if suffix != "ndjson":  # JSON has no infinities
        assert last_json(out)["warnings"]["infinite"] == 2
        warnings = pl.read_parquet(output)["warnings"]
        assert "'ends' is infinite; answered as missing." in warnings[3]
    code, out, err = call(capsys, "evaluate", "houses", str(path), "--json")
    assert code == 0, err
    assert last_json(out)["rows"] == N


def test_an_infinity_where_nothing_was_missing_is_refused_by_its_row(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    build_version(LocalRegistry(tmp_path / "home"), promote=True)
    path = tmp_path / "new.parquet"
    row = {"age": [1.0], "income": [1e4], "rooms": [1], "garden": [True], "town": ["Leeds"], "heating": ["gas"]}
    frame = pl.DataFrame({**row, "sold": ["2021-05-01"], "price": [1.0]})
    bad = frame.with_columns(age=pl.lit(float("inf")))
    pl.concat([frame.with_columns(price=pl.lit(None, pl.Float64)), frame, frame, bad]).write_parquet(path)
    for command in ("predict", "evaluate"):
        code, _, err = call(capsys, command, "houses", str(path))
        assert code == 2
        # Rows are counted in the table, with those that are left out.
        assert "row 4, 'age': Expected a finite number. Received: inf." in err
