"""Tables that are streamed: the same schema, notes and nearly the same model as in memory; what hurts is told."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import keras
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact.errors import DataError
from artifact.facts import EmptyRows, Facts, Leak
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from artifact.rows.texts.format import TextFormat
from tests.training.conftest import mixed_table
from training.prepare.bounds import Bounds
from training.prepare.in_memory import Prepared, prepare
from training.prepare.request import Request, text_rules
from training.prepare.streamed import prepared_stream
from training.settings.config import TrainConfig
from training.table.corrections import Corrections
from training.table.data import TableFacts, read_table
from training.table.parquet import ParquetSource
from training.table.paths import files_of
from training.table.texts.table import read_texts
from training.train import train

SMALL = Bounds(batch_rows=64, chunk_rows=100)
HELD_OUT = TrainConfig(model="mlp", folds=1)


def request(path: Path | str, targets=("price",), config=HELD_OUT, **fields) -> Request:
    return Request(str(path), targets, "m", config, **fields)


def streamed(job: Request, bounds: Bounds = SMALL) -> tuple[Prepared, TableFacts]:
    with prepared_stream(job, ParquetSource(files_of(job.data)), bounds) as results:
        return results


def write(frame: pl.DataFrame, path: Path, group_rows: int = 50) -> Path:
    frame.write_parquet(path, row_group_size=group_rows)
    return path


def awkward_table(n: int = 600) -> pl.DataFrame:
    """Columns and rows that each have a sentence of their own, and texts that are something else."""
    i = pl.int_range(n)
    return mixed_table(n).with_columns(
        price=pl.when(i % 40 == 7).then(None).otherwise(pl.col("price")),
        counter=i + 5,
        account=pl.format("A-{}", i * 977 % 100_003),
        country=pl.lit("UK"),
        nothing=pl.lit(None, dtype=pl.Float64),
        ratio=pl.when(i % 50 == 0).then(float("inf")).otherwise((i * 37 % 101) / 10),
        as_number=pl.format("{}.5", i * 7 % 13),
        as_flag=pl.when(i % 2 == 0).then(pl.lit("TRUE")).otherwise(pl.lit("?")),
        as_day=pl.format("2024-0{}-11", i % 9 + 1),
        late=pl.when(i > n - 9).then(pl.lit("new")).otherwise(pl.lit("old")),
        leak=pl.col("price") * 2,
        spare=pl.lit(1.0) * (i % 5),
    )


def test_schema_notes_and_fingerprint_are_those_of_the_table_in_memory(tmp_path):
    corrections = {
        "features": {"rooms": {"unit": "1", "maximum": 99}, "spare": {"drop": True}, "late": {"kind": "category"}}
    }
    job = request(write(awkward_table(), tmp_path / "t.parquet"), corrections=Corrections.model_validate(corrections))
    ours, facts = streamed(job)
    table = read_table(job.data, as_text=["late"])
    theirs = prepare(table, job)
    assert facts == TableFacts.of(table)
    assert ours.schema.names == theirs.schema.names
    for one, other in zip(ours.schema.features, theirs.schema.features, strict=True):
        # The categories are counted in other held-out rows' absence, so their order may differ.
        alike = {"example", "categories"} if one.kind == "category" else set()
        assert one.model_dump(exclude=alike) == other.model_dump(exclude=alike)
        assert set(one.categories) == set(other.categories)
    assert "new" in ours.schema.feature("late").categories
    # Both see that 'leak' is one; how much of the order it tells hangs on the rows that were looked at.
    leaks = [[fact for fact in p.facts if isinstance(fact, Leak)] for p in (ours, theirs)]
    assert [[leak.column for leak in of_one] for of_one in leaks] == [["leak"], ["leak"]]
    others = [
        set(p.notes) - {leak.sentence for leak in of_one} for p, of_one in zip((ours, theirs), leaks, strict=True)
    ]
    assert others[0] == others[1]
    assert ours.sizes() | {"sample": 0} == {**theirs.sizes(), "sample": 0}


@pytest.mark.parametrize("batch_rows", [16, 1_000])
def test_texts_that_are_nearly_numbers_or_dates_are_read_as_in_memory(tmp_path, batch_rows):
    n, i = 240, pl.int_range(240)
    day = pl.datetime(2023, 1, 2) + pl.duration(days=i * 3)
    comma = (i % 97 / 10).cast(pl.String).str.replace(".", ",", literal=True)
    frame = mixed_table(n).with_columns(
        area=pl.when(i == 200).then(pl.lit("#N/A")).otherwise(comma),
        fee=pl.format("${}.50", i % 50),
        sold=day.dt.strftime("%d/%m/%Y"),
        ok=pl.when(i == 150).then(pl.lit("y ")).when(i % 2 == 0).then(pl.lit("Y")).otherwise(pl.lit("N")),
        odd=pl.when(i == 100).then(pl.lit("gone")).otherwise((i % 7).cast(pl.String)),
        town=pl.when(i % 3 == 0).then(pl.lit("Alma ")).otherwise(pl.lit("Alma")),
        epoch=1_700_000_000 + i * 86_400,
        blank=pl.lit("NA"),
    )
    corrections = {"features": {"epoch": {"kind": "datetime", "unit": "s"}}}
    job = request(write(frame, tmp_path / "t.parquet", 50), corrections=Corrections.model_validate(corrections))
    ours, facts = streamed(job, Bounds(batch_rows, 1_000))
    texts = read_texts(frame, text_rules(job))
    theirs = prepare(frame, job)
    assert facts == TableFacts.of(texts.frame)
    for name in ("area", "fee", "sold", "ok", "odd", "epoch"):
        one, other = ours.schema.feature(name), theirs.schema.feature(name)
        assert one.model_dump(exclude={"example", "categories"}) == other.model_dump(exclude={"example", "categories"})
    assert ours.schema.feature("sold").text == TextFormat(order="dmy")
    # Any of a column's texts that show a reading equally well may be the example.
    assert {note.partition(": '")[0] for note in ours.notes} >= {note.partition(": '")[0] for note in texts.notes}
    assert any("'gone'" in note for note in ours.notes)
    assert any(note.startswith("Column 'blank' is left out: it is empty") for note in ours.notes)
    both = request(write(frame.with_columns(sold=pl.lit("01/02/2024")), tmp_path / "u.parquet"))
    with pytest.raises(DataError, match=r"\(dd/mm/yyyy\)"):
        streamed(both)


@pytest.mark.parametrize("batch_rows", [16, 1_000])
def test_points_that_may_mark_thousands_are_asked_for_as_in_memory(tmp_path, batch_rows):
    i = pl.int_range(240)
    mixed = mixed_table(240).with_columns(fee=pl.when(i < 200).then(pl.lit("950")).otherwise(pl.lit("1.250")))
    with pytest.raises(DataError, match=r"one reading\. Received: 'fee'"):
        streamed(request(write(mixed, tmp_path / "m.parquet", 50)), Bounds(batch_rows, 1_000))
    fee = pl.when(i < 200).then(pl.format("{}.125", i % 9 + 1)).otherwise(pl.lit("1.250"))
    ours, _ = streamed(request(write(mixed_table(240).with_columns(fee=fee), tmp_path / "p.parquet", 50)))
    assert any('features.fee.thousands = "."' in note for note in ours.notes)
    commas = mixed_table(240).with_columns(fee=fee, area=pl.format("{},5", i % 90 + 10))
    with pytest.raises(DataError, match=r"one reading\. Received: 'fee'"):
        streamed(request(write(commas, tmp_path / "c.parquet", 50)), Bounds(batch_rows, 1_000))


def test_no_row_is_in_two_parts_and_categories_are_those_that_networks_see(tmp_path):
    n = 600
    frame = mixed_table(n).with_columns(price=pl.int_range(n) + 1000.0, rare=pl.format("c{}", pl.int_range(n) % 150))
    job = request(write(frame, tmp_path / "t.parquet"), config=TrainConfig(model="mlp", folds=1, seed=3))
    with prepared_stream(job, ParquetSource(files_of(job.data)), SMALL) as (ours, _):
        trains = np.concatenate([ours.stream.spool.read(i).y[:, 0] for i in range(ours.stream.spool.n_chunks)])
    parts = ours.plan.parts
    offset = ours.schema.targets[0].offset
    held_out = [(ours.y[rows, 0] + offset).tolist() for rows in parts[1:]]
    assert sorted([*trains, *(price for part in held_out for price in part)]) == frame["price"].to_list()
    assert set(ours.y[parts.train, 0] + offset) <= set(trains)
    rows_seen = frame.filter(pl.col("price").is_in([*trains, *held_out[0]]))
    counts = rows_seen["rare"].value_counts()
    assert set(ours.schema.feature("rare").categories) == set(counts.filter(pl.col("count") >= 3)["rare"])
    assert 0 < len(ours.schema.feature("rare").categories) < 150
    assert ours.schema.targets[0].std == pytest.approx(rows_seen["price"].std(ddof=0))
    assert (ours.schema.targets[0].minimum, ours.schema.targets[0].maximum) == (
        rows_seen["price"].min(),
        rows_seen["price"].max(),
    )
    train = pl.Series(trains)
    mean, std = ours.stream.scale("mse")
    assert (mean[0] + offset, std[0]) == (pytest.approx(train.mean()), pytest.approx(train.std(ddof=0)))


def test_duplicates_and_empty_rows_are_counted_in_all_rows(tmp_path):
    frame = pl.concat([mixed_table(200), mixed_table(200)])
    blank = {name: None for name in frame.columns if name != "price"}
    frame = pl.concat([frame, pl.DataFrame([{**blank, "price": 7.0}] * 3, schema=frame.schema)])
    ours, _ = streamed(request(write(frame, tmp_path / "t.parquet")), Bounds(64, 100, sample_rows=20, least_sample=20))
    facts = Facts.of(ours.facts)
    assert facts.repeated_rows is not None
    assert (facts.repeated_rows.across_parts, facts.repeated_rows.rows) == (True, len(ours.plan.parts.test))
    assert facts.empty_rows == EmptyRows(count=3, rows=403)
    assert any("a sample of " in note for note in ours.notes)
    assert ours.sizes()["train"] > ours.sizes()["sample"]


def rmse_of(prepared: Prepared) -> float:
    """Of the test rows by networks that are fitted to the others."""
    from training.fit.observer import Observer
    from training.fit.trained import Trained
    from training.networks.unseen import answers

    fitted = Trained().fit(prepared, Observer()).fitted
    X, y = prepared.rows(prepared.plan.parts.test)
    return float(np.sqrt(np.mean(np.square(answers(fitted.model, X).value - y))))


def test_a_streamed_model_is_about_as_good_and_is_stored_whole(tmp_path):
    path = write(mixed_table(3000), tmp_path / "t.parquet", 170)
    config = TrainConfig(model="mlp", folds=1, refit=False, repeats=1, epochs=12, hidden=(32,), embedding_bins=8)
    registry, job = LocalRegistry(tmp_path), request(path, config=config, stream=True)
    bounds = Bounds(batch_rows=256, chunk_rows=500, sample_rows=1_000)
    ours = train(job, registry, bounds=bounds)
    rmse = ours.metrics["price"]["rmse"]
    in_memory = prepare(read_table(job.data), job)
    assert rmse < 1.2 * rmse_of(in_memory)
    assert ours.metrics["price"]["r2"] > 0.85
    assert (ours.lineage.rows, ours.lineage.parts["train"]) == (3000, in_memory.sizes()["train"])
    assert 0.8 <= ours.coverage.covered["price"] <= 1
    predictor = Predictor.load(registry.resolve("m").path)
    assert predictor.predict_rows([predictor.schema.example_row()]).value.shape == (1, 1)
    # The same table and seed give the same network, although a thread reads ahead.
    with prepared_stream(job, ParquetSource([path]), bounds) as (prepared, _):
        assert rmse_of(prepared) == pytest.approx(rmse, rel=1e-6)


def test_weights_two_targets_and_several_networks_are_streamed(tmp_path):
    frame = mixed_table(1200).with_columns(
        counts=pl.int_range(1200) % 3, year=2000.0 + pl.col("rooms") / 1e3, weight=pl.int_range(1200) % 4
    )
    path = write(frame, tmp_path / "t.parquet")
    config = TrainConfig(model="tabm", folds=1, repeats=2, epochs=2, hidden=(8,), embedding_bins=4, members=2)
    job = request(path, ("price", "year"), config, weight="weight", stream=True)
    ours, _ = streamed(job)
    assert ours.schema.targets[1].offset == 2000
    assert "weight" not in ours.schema.names
    assert ours.weight is not None
    everything = np.concatenate([ours.stream.spool.sizes.cumsum()[-1:], [len(r) for r in ours.plan.parts[1:]]])
    assert everything.sum() == 1200
    registry = LocalRegistry(tmp_path)
    manifest = train(job, registry, bounds=SMALL)
    assert list(manifest.metrics) == ["price", "year"]
    answer = Predictor.load(registry.resolve("m").path).predict_rows(
        [
            dict.fromkeys(ours.schema.names[:1], 1.0)
            | {"rooms": 3, "postcode": "00", "town": None, "garden": True, "sold": "2022-01-01", "counts": 1}
        ]
    )
    assert abs(answer.value[0, 1] - 2000) < 0.1


def test_augmentation_and_corrected_variances_are_streamed_too(tmp_path):
    settings = {"model": "mlp", "folds": 1, "repeats": 2, "epochs": 4, "hidden": [16], "embedding_bins": 4}
    config = TrainConfig.build(None, {**settings, "objective": "gaussian", "augment": ["noise"]})
    job = request(write(mixed_table(600), tmp_path / "t.parquet"), config=config, stream=True)
    registry = LocalRegistry(tmp_path / "home")
    manifest = train(job, registry)
    assert manifest.augmentation is not None
    assert manifest.augmentation.rows > 0
    model = keras.saving.load_model(registry.resolve("m").path / "model.keras")
    assert model.get_layer("target").spread_scale != [1.0]
    assert manifest.lineage.config["refit"] is False


def test_time_holds_the_newest_out_and_groups_stay_together(tmp_path):
    path = write(mixed_table(900), tmp_path / "t.parquet")
    ours, _ = streamed(request(path, time="sold"))
    parts = ours.plan.parts
    latest = [ours.frame["sold"].gather(rows).max() for rows in parts]
    assert latest == sorted(latest)
    assert ours.frame["sold"].gather(parts.test).min() > ours.frame["sold"].gather(parts.calibration).max()
    assert "days" not in ours.schema.feature("sold").parts
    ours, _ = streamed(request(path, group="area"))
    homes = [set(ours.frame["area"].gather(rows).to_list()) for rows in ours.plan.parts]
    assert sum(map(len, homes)) == len(set().union(*homes))
    assert "area" not in ours.schema.names
    # 82 of 900 rows share the missing area; more of one group than can be held is refused.
    with pytest.raises(DataError, match="groups in 'one' of at most"):
        one = write(mixed_table(900).with_columns(one=pl.lit("a")), tmp_path / "one.parquet")
        streamed(
            request(
                one,
                group="one",
                config=TrainConfig(
                    model="mlp", folds=1, test_fraction=0.01, calibration_fraction=0.01, validation_fraction=0.01
                ),
            )
        )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (TrainConfig(model="ridge"), "model=ridge, which is solved"),
        (TrainConfig(model="linear"), "model=linear"),
        (TrainConfig(folds=4), "4 folds"),
        (TrainConfig(refit=True), "refit=true"),
    ],
)
def test_what_needs_all_rows_in_memory_is_refused(config, message, tmp_path):
    with pytest.raises(DataError, match=message):
        streamed(request(write(mixed_table(60), tmp_path / "t.parquet"), config=config))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"price": pl.lit("a")}, "target of numbers.*'a'"),
        ({"price": pl.lit(1.0)}, "'price' to vary. Received: 1.0 in each of 60"),
        ({"price": pl.lit(None, dtype=pl.Float64)}, "at least 30 rows with a target. Received: 0"),
        ({"w": pl.lit(-1.0)}, "finite and at least 0. Received: -1, in 60 of 60"),
        ({"w": pl.lit("x")}, "--weight to be a column of numbers"),
        ({"w": pl.lit(0.0)}, "weight above 0"),
    ],
)
def test_a_wrong_table_is_refused_as_in_memory(change, message, tmp_path):
    path = write(mixed_table(60).with_columns(w=pl.lit(1.0)).with_columns(**change), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=message):
        streamed(request(path, weight="w"))


def test_empty_row_groups_and_files_of_numbers_of_two_types(tmp_path):
    frame = mixed_table(200)
    table = frame.to_arrow()
    with pq.ParquetWriter(tmp_path / "a.parquet", table.schema) as writer:
        for rows in (table[:0], table[:90], table[90:90], table[90:]):
            writer.write_table(rows)
    write(frame.with_columns(pl.col("rooms").cast(pl.Float64) + 0.5), tmp_path / "b.parquet")
    job = request(tmp_path / "*.parquet")
    ours, facts = streamed(job)
    assert facts == TableFacts.of(read_table(job.data))
    assert ours.schema.feature("rooms").kind == "number"
    assert ours.schema.feature("rooms").maximum == 7.5
    write(frame.with_columns(rooms=pl.lit("four")), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"'rooms' to be of one type.*Int64 in .*a.parquet, String in .*b.parquet"):
        streamed(job)
    write(frame.drop("rooms"), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"other columns in .*b.parquet"):
        streamed(job)


def test_a_damaged_row_group_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    frame = mixed_table(400)
    pq.write_table(frame.to_arrow(), path, row_group_size=100, use_dictionary=False, compression="zstd")
    chunk = pq.ParquetFile(path).metadata.row_group(2).column(0)
    damaged = bytearray(path.read_bytes())
    start = chunk.data_page_offset
    damaged[start : start + chunk.total_compressed_size] = os.urandom(chunk.total_compressed_size)
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"t.parquet to be readable as parquet. Received, in row group 3 of 4"):
        streamed(request(path))
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="to be readable as parquet"):
        streamed(request(path))


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = write(mixed_table(300), tmp_path / "t.parquet")
    source = ParquetSource([path])
    batches = source.batches(64)
    next(batches)
    write(mixed_table(300, seed=1), path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="to stay as it is while it is read"):
        list(batches)
    path.unlink()
    with pytest.raises(DataError, match="to stay as it is"):
        list(source.batches(64))


def test_a_date_column_with_values_in_a_handful_of_rows(tmp_path):
    """The sample has none of them; the schema knows them all the same."""
    n = 2000
    when = [datetime(2024, 3, 1) if i == 1990 else datetime(2024, 3, 9, 5) if i == 1991 else None for i in range(n)]
    frame = mixed_table(n).with_columns(when=pl.Series(when, dtype=pl.Datetime("us")))
    ours, _ = streamed(request(write(frame, tmp_path / "t.parquet")), Bounds(64, 400, sample_rows=30, least_sample=30))
    feature = ours.schema.feature("when")
    assert feature.missing == "impute"
    assert feature.maximum - feature.minimum == (8 * 24 + 5) * 3600
    assert feature.parts == ("days", "hour_sin", "hour_cos")


def test_arrow_dictionaries_and_wide_types_are_read_as_in_memory(tmp_path):
    table = pa.table(
        {
            "c": pa.array(["a", "b", None] * 40).dictionary_encode(),
            "u": pa.array(range(120), pa.uint64()),
            "d": pa.array([1, 2, 3] * 40).cast(pa.decimal128(21, 2)),
            "y": pa.array(np.arange(120) ** 2 % 17, pa.int8()),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=33)
    job = request(tmp_path / "t.parquet", ("y",))
    ours, facts = streamed(job)
    frame = read_table(job.data)
    assert facts == TableFacts.of(frame)
    assert ours.schema.names == prepare(frame, job).schema.names
