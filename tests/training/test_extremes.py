"""Dates, targets and stores at the ends of what there is: learnt from, or told in one sentence before training."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from artifact.errors import ArtifactError, DataError
from artifact.facts import ColumnLeftOut, UnreadableValues
from artifact.manifest import REPORT
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from training.prepare.bounds import Bounds
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.data import read_table
from training.table.encode import encode_frame
from training.table.usual import golden_rows
from training.train import Observer, train

N = 240
SOLVED = TrainConfig(model="ridge", folds=2)
RNG = np.random.default_rng(0)
AREA = RNG.uniform(30, 200, N).round(1)
PRICE = (2000 * AREA + RNG.normal(0, 20_000, N)).round()
DAYS = [datetime(2024, 1 + i % 12, 1 + i % 28) for i in range(N)]


def trained(frame: pl.DataFrame, folder: Path, target: str = "price", **fields):
    path = folder / f"t.{fields.pop('ending', 'csv')}"
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    registry = LocalRegistry(folder)
    manifest = train(Request(str(path), (target,), "m", fields.pop("config", SOLVED), **fields), registry)
    return manifest, registry.resolve("m").path, path


def answers_of(folder: Path, path: Path) -> np.ndarray:
    predictor = Predictor.load(folder)
    X = encode_frame(read_table(str(path)), predictor.schema)
    return predictor.run(X.numeric, X.categorical).value


@pytest.mark.parametrize("far", ["9999-12-31", "0001-01-01", "9999-12-31T23:59:59.999999"])
@pytest.mark.parametrize("rows", [1, N // 2])
def test_case_17j_a_date_at_the_ends_of_the_calendar_trains(far, rows, tmp_path):
    """17c has it in half of the rows, 17j in one."""
    until = [far if i < rows else str(day.date()) for i, day in enumerate(DAYS)]
    manifest, folder, path = trained(pl.DataFrame({"until": until, "area": AREA, "price": PRICE}), tmp_path)
    assert manifest.metrics["price"]["r2"] > 0.5
    assert (folder / REPORT / "report.html").is_file()
    assert np.isfinite(answers_of(folder, path)).all()


@pytest.mark.parametrize("unit", ["us", "ms"])
def test_moments_beyond_the_calendar_are_missing_and_told(unit, tmp_path):
    """A neighbour of 17c: PostgreSQL's "infinity" comes through Parquet as the year 294247."""
    until = pl.Series(DAYS, dtype=pl.Datetime(unit)).to_physical().to_list()
    until[3], until[7] = {"us": (2**63 - 1, -(2**62)), "ms": (253402300800000, 2**61)}[unit]
    frame = pl.DataFrame({"until": pl.Series(until).cast(pl.Datetime(unit)), "area": AREA, "price": PRICE})
    manifest, folder, path = trained(frame, tmp_path, ending="parquet")
    # What does not even fit into microseconds is missing as the file is read.
    count = 2 if unit == "us" else 1
    fact = UnreadableValues(column="until", count=count, are_moments=True)
    assert manifest.facts.unreadable_values == (fact,)
    assert fact.sentence in manifest.notes
    assert Predictor.load(folder).schema.feature("until").missing == "impute"
    assert np.isfinite(answers_of(folder, path)).all()


def test_a_column_of_nothing_but_far_moments_is_left_out():
    until = pl.Series([2**63 - 1] * N).cast(pl.Datetime("us"))
    prepared = prepare(pl.DataFrame({"until": until, "area": AREA, "price": PRICE}), Request("-", ("price",), "m"))
    assert [(fact.column, fact.why) for fact in prepared.facts if isinstance(fact, ColumnLeftOut)] == [
        ("until", "empty")
    ]


def test_far_moments_of_a_streamed_table_are_told_too(tmp_path):
    n = 4000
    until = pl.Series([datetime(2020, 1, 1) + timedelta(days=i % 900) for i in range(n)]).to_physical().to_list()
    until[5] = 2**63 - 1
    area = RNG.uniform(30, 200, n)
    frame = pl.DataFrame({"until": pl.Series(until).cast(pl.Datetime("us")), "area": area, "price": 2000 * area})
    frame.write_parquet(tmp_path / "t.parquet")
    notes: list[str] = []
    observer = Observer(schema=lambda _, sentences: notes.extend(sentences) or _stop())
    config = TrainConfig(preset="fast", model="mlp", folds=1)
    request = Request(str(tmp_path / "t.parquet"), ("price",), "m", config, stream=True)
    with pytest.raises(StopIteration):
        train(request, LocalRegistry(tmp_path), observer, Bounds())
    assert UnreadableValues(column="until", count=1, are_moments=True).sentence in notes


def _stop() -> None:
    raise StopIteration


def test_golden_dates_stay_in_the_calendar():
    until = [datetime(9999, 12, 31), *DAYS[1:]]
    prepared = prepare(pl.DataFrame({"until": until, "area": AREA, "price": PRICE}), Request("-", ("price",), "m"))
    rows = golden_rows(prepared.frame, prepared.schema, 0)
    assert max(row["until"] for row in rows) == "9999-12-31T23:59:59+00:00"
    assert min(row["until"] for row in rows) == "0001-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("scale", "received"),
    [(1e38, "Divide it, for example by 1e+38"), (1e300, "Divide it"), (1e-40, "Multiply it"), (-1e38, "Divide it")],
)
@pytest.mark.parametrize("stream", [False, True])
def test_case_17e_17f_a_target_beyond_float32_is_refused_before_training(scale, received, stream, tmp_path):
    area = RNG.uniform(30, 200, 1000)
    pl.DataFrame({"area": area, "price": area / 100 * scale}).write_parquet(tmp_path / "t.parquet")
    config = TrainConfig(preset="fast", model="mlp", folds=1)
    request = Request(str(tmp_path / "t.parquet"), ("price",), "m", config, stream=stream)
    with pytest.raises(DataError, match="answers are 32-bit numbers") as caught:
        train(request, LocalRegistry(tmp_path), Observer(schema=lambda *_: _stop()))
    assert received in str(caught.value)
    assert "'price'" in str(caught.value)


@pytest.mark.parametrize("scale", [1e-27, 1e15, 1e24, 1e-30])
def test_case_17h_17i_a_target_far_from_one_stays_fine(scale, tmp_path):
    manifest, folder, path = trained(pl.DataFrame({"area": AREA, "price": PRICE * scale}), tmp_path)
    assert manifest.metrics["price"]["r2"] > 0.5
    assert answers_of(folder, path).max() > 1e4 * scale


def test_a_target_with_an_offset_of_many_digits_stays_fine(tmp_path):
    """A neighbour of 17f: values near 0 whose spread is nearer still."""
    price = 1e-15 + PRICE * 1e-24
    manifest, *_ = trained(pl.DataFrame({"area": AREA, "price": price}), tmp_path)
    assert manifest.metrics["price"]["r2"] > 0.5


def broken_stores(folder: Path) -> dict[str, Path]:
    """A home that is a file, one below a file, and ones whose folders cannot be made."""
    (folder / "file").write_text("")
    for name, inside in (("models-is-a-file", "models"), ("staging-is-a-file", "trueline")):
        (folder / name).mkdir()
        (folder / name / inside).write_text("")
    (folder / "name-is-a-file" / "models").mkdir(parents=True)
    (folder / "name-is-a-file" / "models" / "m").write_text("")
    stores = {name: folder / name for name in ("file", "models-is-a-file", "staging-is-a-file", "name-is-a-file")}
    return {**stores, "below-a-file": folder / "file" / "store"}


def test_case_onetrainer_168_a_store_that_cannot_be_written_is_found_before_the_table_is_read(tmp_path):
    for name, home in broken_stores(tmp_path).items():
        with pytest.raises(ArtifactError, match="Expected a model store that can be written") as caught:
            train(Request("no-such-table.csv", ("y",), "m"), LocalRegistry(home))
        assert str(home) in str(caught.value), name
        assert "Traceback" not in str(caught.value)


def test_a_store_that_can_be_written_is_left_as_it_was(tmp_path):
    registry = LocalRegistry(tmp_path / "home")
    registry.check_writable("m")
    assert registry.names() == []
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not (registry.models / "m").exists()
    (registry.models / "m").mkdir(parents=True)
    (registry.models / "m" / "latest").write_text("x")
    registry.check_writable("m")
    assert [path.name for path in registry.models.rglob("*")] == ["m", "latest"]


NESTED = {
    "list": pl.Series("v", [[i, i + 1] for i in range(N)]),
    "struct": pl.Series("v", [{"a": i} for i in range(N)]),
    "binary": pl.Series("v", [bytes([i]) for i in range(N)]),
}


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("stream", [False, True])
def test_nested_and_binary_columns_are_told_in_one_sentence_before_training(kind, stream, tmp_path):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"area": AREA, "price": PRICE}).with_columns(NESTED[kind]).write_parquet(path)
    for option, fields in (
        ("--target", {"targets": ("v",)}),
        ("--group", {"group": "v"}),
        ("--time", {"time": "v"}),
        ("--weight", {"weight": "v"}),
    ):
        config = TrainConfig(preset="fast", model="mlp", folds=1)
        options = {"targets": ("price",), **fields}
        request = Request(str(path), options.pop("targets"), "m", config, stream=stream, **options)
        with pytest.raises(DataError, match=f"Expected {option} to be a column of single values") as caught:
            train(request, LocalRegistry(tmp_path), Observer(schema=lambda *_: _stop()))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", NESTED)
def test_a_nested_or_binary_feature_is_left_out_with_a_note(kind):
    frame = pl.DataFrame({"area": AREA, "price": PRICE}).with_columns(NESTED[kind])
    facts = prepare(frame, Request("-", ("price",), "m")).facts
    assert [(fact.column, fact.why) for fact in facts if isinstance(fact, ColumnLeftOut)] == [("v", "type")]


@pytest.mark.parametrize("value", [1e30, -999.0])
def test_case_17d_17l_a_feature_with_a_far_value_stays_fine(value, tmp_path):
    """The sentinel and the overflow are the feature's own matter: answers stay finite."""
    area = np.where(np.arange(N) == 3, value, AREA)
    manifest, folder, path = trained(pl.DataFrame({"area": area, "rooms": PRICE, "price": PRICE + 5}), tmp_path)
    assert manifest.verdict.beats_mean
    assert np.isfinite(answers_of(folder, path)).all()


def test_case_19_a_yes_or_no_target_is_refused_with_its_values():
    frame = pl.DataFrame({"area": AREA, "sold": ["yes", "no"] * (N // 2)})
    with pytest.raises(DataError, match="Expected a target of numbers") as caught:
        prepare(frame, Request("-", ("sold",), "m"))
    assert "'yes'" in str(caught.value)
    assert "--objective logistic" in str(caught.value)


def test_case_20_weights_of_0_count_for_nothing_and_missing_ones_are_refused():
    frame = pl.DataFrame({"area": AREA, "w": np.arange(N) % 2, "price": PRICE})
    weight = prepare(frame, Request("-", ("price",), "m", weight="w")).weight
    assert weight is not None
    assert (weight == 0).sum() == N // 2
    missing = frame.with_columns(w=pl.when(pl.int_range(N) != 5).then("w"))
    with pytest.raises(DataError, match="no value, in 1 of 240 rows"):
        prepare(missing, Request("-", ("price",), "m", weight="w"))
