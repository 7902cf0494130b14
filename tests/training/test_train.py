"""Training end to end: one small version a session, whose parts are all checked."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from artifact.errors import DataError, RefusedError, TruelineError
from artifact.facts import RepeatedRows, UntargetedRows
from artifact.golden import read_golden
from artifact.predictor import Predictor
from artifact.registry.entry import Statement
from artifact.registry.local import LocalRegistry
from artifact.runtimes import Outputs
from tests.training.conftest import mixed_table
from training.export.models import check_parity
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.corrections import Corrections
from training.table.encode import records
from training.table.folds import Plan
from training.train import Observer, train

QUICK = TrainConfig(model="mlp", folds=2, repeats=1, epochs=1, hidden=(8,), embedding_bins=4)


def train_frame(frame: pl.DataFrame, tmp_path, targets=("y",), **fields):
    path = tmp_path / "table.parquet"
    frame.write_parquet(path)
    fields.setdefault("config", QUICK)
    registry = LocalRegistry(tmp_path / "home")
    return registry, train(Request(str(path), targets, "m", **fields), registry)


def test_a_version_holds_everything_the_design_names(trained):
    names = {p.relative_to(trained.folder).as_posix() for p in trained.folder.rglob("*") if p.is_file()}
    assert names >= {
        "manifest.json",
        "schema.json",
        "model.keras",
        "model.onnx",
        "calibration.json",
        "profile.json",
        "golden.json",
        "model.yaml",
        "report/report.html",
        "report/report.json",
        "report/learning.png",
        "report/predictions.png",
    }
    assert set(trained.manifest.files) == names - {"manifest.json", "model.yaml"}
    assert not list(trained.registry.home.glob("trueline/staging/*"))


def test_the_network_learns_and_the_record_says_how_well(trained):
    manifest = trained.manifest
    assert manifest.verdict.beats_mean
    assert manifest.metrics["price"]["r2"] > 0.5
    assert list(manifest.baselines) == ["mean", "ridge", "lasso", "elastic_net", "polynomial", "hist_gradient_boosting"]
    assert manifest.coverage.level == 0.9
    assert 0.7 <= manifest.coverage.covered["price"] <= 1


def test_lineage_says_where_it_came_from(trained):
    lineage = trained.manifest.lineage
    assert (lineage.rows, lineage.columns) == (240, 7)
    assert lineage.parts == {"train": 240, "out_of_fold": 240, "folds": 3, "repeats": 1}
    assert lineage.config["epochs"] == 15
    assert lineage.config["batch_size"] == 32
    assert lineage.packages["keras"]
    assert len(lineage.data_fingerprint) == 64


def test_kinds_and_policies_of_the_table(trained):
    schema = Predictor.load(trained.folder).schema
    assert [(f.name, f.kind, f.missing) for f in schema.features] == [
        ("area", "number", "impute"),
        ("rooms", "integer", "refuse"),
        ("postcode", "category", "refuse"),
        ("town", "category", "impute"),
        ("garden", "boolean", "refuse"),
        ("sold", "datetime", "refuse"),
    ]
    assert "01" in schema.feature("postcode").categories


def test_golden_rows_are_256_and_replay(trained):
    golden = read_golden(trained.folder)
    assert len(golden.rows) == 256
    Predictor.load(trained.folder).replay(golden)


def test_keras_and_onnx_are_one_function(trained):
    by_onnx = Predictor.load(trained.folder).predict_rows(read_golden(trained.folder).rows)
    by_keras = Predictor.load(trained.folder, runtime="keras").predict_rows(read_golden(trained.folder).rows)
    std = Predictor.load(trained.folder).schema.targets[0].std
    np.testing.assert_allclose(by_keras.value, by_onnx.value, atol=1e-5 * std)


def test_a_row_gets_the_same_bits_in_any_batch(trained):
    predictor = Predictor.load(trained.folder)
    rows = read_golden(trained.folder).rows
    whole = predictor.predict_rows(rows)
    for size in (1, 2, 3, 7, 50):
        part = predictor.predict_rows(rows[:size])
        for name in ("value", "lower", "upper"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[:size])


def test_same_data_seed_and_machine_give_the_same_bits(trained, tmp_path):
    registry = LocalRegistry(tmp_path)
    config = TrainConfig(model="mlp", folds=3, repeats=1, epochs=15, hidden=(32,), embedding_bins=8)
    again = train(Request(str(trained.data), ("price",), "houses", config), registry)
    rows = read_golden(trained.folder).rows
    first = Predictor.load(trained.folder).predict_rows(rows)
    second = Predictor.load(registry.resolve("houses").path).predict_rows(rows)
    for name in ("value", "lower", "upper"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert again.metrics == trained.manifest.metrics
    other = train(Request(str(trained.data), ("price",), "houses", config.model_copy(update={"seed": 1})), registry)
    assert other.metrics != again.metrics


def test_files_that_disagree_are_refused(trained):
    schema = Predictor.load(trained.folder).schema
    ours = Outputs(np.zeros((2, 1), np.float32), np.ones((2, 1), np.float32))
    check_parity(ours, ours, schema)
    with pytest.raises(TruelineError, match="'value'"):
        check_parity(ours, ours._replace(value=np.full((2, 1), schema.targets[0].std * 2e-5, np.float32)), schema)
    with pytest.raises(TruelineError, match="'value'"):
        check_parity(ours, ours._replace(value=np.full((2, 1), np.nan, np.float32)), schema)


@pytest.mark.parametrize(("deviations", "allowed"), [(0.5, 1e-5), (1.0, 1e-5), (8.0, 7.1e-4)])
def test_a_spread_may_differ_by_more_where_it_is_wide(trained, deviations, allowed):
    schema = Predictor.load(trained.folder).schema
    std = schema.targets[0].std
    spread = np.full((2, 1), deviations * std, np.float32)
    ours = Outputs(np.zeros((2, 1), np.float32), spread)
    check_parity(ours, ours._replace(spread=(spread + 0.9 * allowed * std).astype(np.float32)), schema)
    with pytest.raises(TruelineError, match="'spread'"):
        check_parity(ours, ours._replace(spread=(spread + 1.2 * allowed * std).astype(np.float32)), schema)


def test_the_report_is_whole(trained):
    page = (trained.folder / "report" / "report.html").read_text()
    assert trained.manifest.verdict.sentence[:20] in page
    assert page.count("data:image/png;base64,") == 5
    for name in ("area", "postcode", "hist_gradient_boosting", "Lineage"):
        assert name in page
    content = json.loads((trained.folder / "report" / "report.json").read_text())
    assert len(content["history"]["validation"]) == 15


def test_several_targets_one_of_them_far_from_zero(tmp_path):
    frame = mixed_table().with_columns(year=2000.0 + pl.col("rooms") / 1e3, tiny=pl.col("area").fill_null(9) * 1e-12)
    config = QUICK.model_copy(update={"epochs": 3})
    registry, manifest = train_frame(frame, tmp_path, ("price", "year", "tiny"), config=config)
    assert list(manifest.metrics) == ["price", "year", "tiny"]
    predictor = Predictor.load(registry.resolve("m").path)
    answer = predictor.predict_rows(records(frame.head(5), predictor.schema))
    assert answer.value.dtype == np.float64
    assert answer.value.shape == (5, 3)
    assert np.abs(answer.value[:, 1] - 2000).max() < 0.01
    assert 0 < answer.value[:, 2].max() < 1e-9


def test_linear_family_finds_a_line(tmp_path):
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=(2, 400))
    frame = pl.DataFrame({"x": x, "z": c, "y": 3 * x - 2 * c + 7})
    _, manifest = train_frame(
        frame, tmp_path, config=TrainConfig(model="linear", folds=3, epochs=60, learning_rate=0.05)
    )
    assert manifest.family == "linear"
    assert manifest.metrics["y"]["r2"] > 0.999


def test_only_categories_and_only_numbers(tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"c": rng.choice(["a", "b"], 80), "y": rng.normal(size=80)})
    train_frame(frame, tmp_path)
    train_frame(frame.with_columns(c=pl.Series(rng.normal(size=80))), tmp_path)


def test_a_model_that_does_not_beat_the_mean_is_stored_but_not_promoted(tmp_path):
    rng = np.random.default_rng(0)
    registry, manifest = train_frame(pl.DataFrame({"x": rng.normal(size=200), "y": rng.normal(size=200)}), tmp_path)
    assert not manifest.verdict.beats_mean
    with pytest.raises(RefusedError, match="--force"):
        registry.promote("m")
    assert registry.promote("m", statement=Statement(forced=("verdict",))).version == manifest.model_version


def test_rows_without_a_target_duplicates_and_groups_are_reported(tmp_path):
    frame = pl.concat([mixed_table(60)] * 3).with_columns(
        price=pl.when(pl.int_range(180) < 5).then(None).otherwise(pl.col("price"))
    )
    _, manifest = train_frame(frame, tmp_path, ("price",))
    assert manifest.facts.untargeted_rows == UntargetedRows(count=5, rows=180)
    assert manifest.facts.repeated_rows == RepeatedRows(count=175, rows=175, across_parts=False)
    held_out = TrainConfig(folds=1)
    _, manifest = train_frame(frame, tmp_path, ("price",), config=QUICK.model_copy(update={"folds": 1}))
    assert manifest.facts.repeated_rows.across_parts
    for config in (held_out, QUICK):
        prepared = prepare(frame, Request("-", ("price",), "m", config, group="area"))
        assert "area" not in prepared.schema.names
        homes = [set(prepared.frame["area"].gather(part).to_list()) for part in disjoint(prepared.plan)]
        assert sum(map(len, homes)) == len(set().union(*homes))


def disjoint(plan: Plan) -> list[np.ndarray]:
    """The parts of a plan that must have no row in common."""
    return list(plan.parts) if plan.parts is not None else [fold.validation for fold in plan.folds]


def test_time_orders_the_parts_and_leaves_the_calendar():
    prepared = prepare(mixed_table(), Request("-", ("price",), "m", time="sold"))
    latest = [prepared.frame["sold"].gather(part).max() for part in disjoint(prepared.plan)]
    assert latest == sorted(latest)
    sold = prepared.schema.feature("sold")
    assert "days" not in sold.parts
    assert "season_sin" in sold.parts
    ordered = prepare(mixed_table(), Request("-", ("price",), "m", time="rooms"))
    assert "rooms" not in ordered.schema.names


@pytest.mark.parametrize(
    ("frame", "fields", "message"),
    [
        (pl.DataFrame({"x": range(40), "y": ["a"] * 40}), {}, "target of numbers.*'a'"),
        (pl.DataFrame({"x": [0.5, 1.5] * 20, "y": [1.0] * 40}), {}, "'y' to vary"),
        (pl.DataFrame({"x": range(29), "y": range(29)}), {}, "at least 30 rows"),
        (pl.DataFrame({"x": range(40), "yy": range(40)}), {}, "Unknown column 'y'. There are: 'yy'"),
        (pl.DataFrame({"x": range(40), "y": range(40)}), {"group": "g"}, "Unknown column 'g'"),
        (pl.DataFrame({"x": [0.5, 1] * 20, "y": range(40)}), {"group": "x", "time": "x"}, "--group or --time"),
        (pl.DataFrame({"x": [1] * 40, "y": range(40)}), {}, "at least one usable feature"),
    ],
)
def test_a_wrong_table_is_refused_before_any_work(frame, fields, message, tmp_path):
    with pytest.raises(DataError, match=message):
        train_frame(frame, tmp_path, **fields)
    assert not (tmp_path / "home" / "models").exists()


def test_a_full_disk_leaves_nothing(trained, tmp_path, monkeypatch):
    champion = trained.registry.promote("houses")

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.export.version.write_report", full)
    with pytest.raises(OSError, match="No space left"):
        train(Request(str(trained.data), ("price",), "houses", QUICK), trained.registry)
    assert trained.registry.versions("houses") == [champion.version]
    assert not list(trained.registry.home.glob("trueline/staging/*"))
    assert trained.registry.resolve("houses:champion") == champion


def test_observers_hear_every_stage_and_epoch(tmp_path):
    frame = mixed_table(60)
    frame.write_csv(tmp_path / "t.csv")
    events: list[object] = []
    observer = Observer(
        stage=events.append,
        epoch=lambda epoch, epochs, rmse: events.append((epoch, epochs, rmse > 0)),
        schema=lambda schema, notes: events.append(len(schema.features)),
    )
    train(Request(str(tmp_path / "t.csv"), ("price",), "m", QUICK), LocalRegistry(tmp_path), observer)
    assert events == ["read", 6, "fit", (1, 1, True), "compare", "store"]


def test_corrections_reach_the_stored_schema(tmp_path):
    corrections = Corrections.model_validate(
        {
            "features": {"area": {"unit": "m2", "maximum": 500.0, "out_of_range": "refuse"}, "garden": {"drop": True}},
            "targets": {"price": {"unit": "GBP"}},
        }
    )
    registry, _ = train_frame(mixed_table(), tmp_path, ("price",), corrections=corrections)
    schema = Predictor.load(registry.resolve("m").path).schema
    assert (schema.feature("area").unit, schema.feature("area").maximum) == ("m2", 500)
    assert "garden" not in schema.names
    assert schema.targets[0].unit == "GBP"
