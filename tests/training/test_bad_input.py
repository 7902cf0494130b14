"""Tables that hurt: each is learnt from, told of or refused; none yields a silent predictor of the mean."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from artifact.errors import DataError, TruelineError
from artifact.facts import EmptyRows, Facts
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from tests.training.test_train import QUICK, train_frame
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.encode import records
from training.train import Observer, train

N = 300
SOLVED = TrainConfig(model="linear", folds=2, epochs=30, learning_rate=0.05)
DIVERGES = TrainConfig(
    model="mlp", folds=2, epochs=6, hidden=(4,), optimizer="sgd", clip_norm=0, momentum=0, weight_decay=0,
    embedding_bins=0, activation="relu", dropout=0,
)  # fmt: skip


def rng_of(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def facts_of(frame: pl.DataFrame, **fields) -> Facts:
    return Facts.of(prepare(frame, Request("-", ("y",), "m", QUICK, **fields)).facts)


@pytest.mark.parametrize("scale", [1e12, 1e-12])
def test_targets_far_from_one_are_learnt(scale, tmp_path):
    x = rng_of().normal(size=N)
    frame = pl.DataFrame({"x": x, "y": scale * (x + rng_of(1).normal(size=N) / 3)})
    registry, manifest = train_frame(frame, tmp_path, config=SOLVED)
    assert manifest.metrics["y"]["r2"] > 0.8
    assert manifest.verdict.beats_mean
    value = Predictor.load(registry.resolve("m").path).predict_rows(records(frame.head(20), _schema(registry))).value
    assert np.abs(value).max() > 0.5 * scale


def _schema(registry: LocalRegistry):
    return Predictor.load(registry.resolve("m").path).schema


def test_case_18c_one_row_is_too_few():
    with pytest.raises(TruelineError, match=r"Expected at least 30 rows with a target\. Received: 1\."):
        facts_of(pl.DataFrame({"x": [1.0], "y": [2.0]}))


@pytest.mark.parametrize("weight", [None, float("nan"), float("inf"), -1.0])
def test_case_20b_a_weight_that_is_none_is_refused(weight):
    frame = pl.DataFrame({"x": rng_of().normal(size=N), "w": [weight] + [1.0] * (N - 1), "y": rng_of(1).normal(size=N)})
    with pytest.raises(TruelineError, match=r"Expected weights in 'w' that are finite and at least 0\. Received:"):
        facts_of(frame, weight="w")


def test_heavy_tails_and_a_constant_feature(tmp_path):
    x, z = rng_of().standard_cauchy((2, N)) * 1e6
    z[0] = 1e30
    frame = pl.DataFrame({"x": x, "z": z, "one": [1.0] * N, "y": np.arctan(x / 1e6) + rng_of(1).normal(size=N) / 10})
    registry, manifest = train_frame(frame, tmp_path, config=QUICK.model_copy(update={"epochs": 15}))
    assert [(c.column, c.why) for c in manifest.facts.columns_left_out] == [("one", "constant")]
    assert manifest.verdict.beats_mean
    assert np.isfinite(Predictor.load(registry.resolve("m").path).predict_rows([{"x": 1e30, "z": -1e30}]).value).all()


def test_a_thousand_columns(tmp_path):
    X = rng_of().normal(size=(120, 1000))
    frame = pl.DataFrame({f"f{i}": X[:, i] for i in range(1000)}).with_columns(y=pl.col("f7") * 2)
    registry, manifest = train_frame(frame, tmp_path)
    assert len(_schema(registry).features) == 1000
    assert [(leak.column, leak.target) for leak in manifest.facts.leaks] == [("f7", "y")]


def test_forty_rows(tmp_path):
    x = rng_of().normal(size=40)
    _, manifest = train_frame(pl.DataFrame({"x": x, "y": x + rng_of(1).normal(size=40) / 2}), tmp_path, config=SOLVED)
    assert manifest.metrics["y"]["r2"] > 0.4


def test_a_hundred_thousand_categories_become_those_that_rows_repeat():
    names = [f"c{i}" for i in range(100_000)]
    usual = rng_of().choice(["a", "b"], 100_000)
    frame = pl.DataFrame({"c": names + usual.tolist(), "y": rng_of(1).normal(size=200_000)})
    prepared = prepare(frame, Request("-", ("y",), "m", QUICK))
    assert set(prepared.schema.feature("c").categories) == {"a", "b"}
    with pytest.raises(TruelineError, match="identifier"):
        prepare(frame.head(100_000), Request("-", ("y",), "m", QUICK))


@pytest.mark.parametrize("copy", [lambda y: y, lambda y: -np.exp(y), lambda y: np.abs(y) * np.sign(y) + 1e-6])
def test_a_copy_of_the_target_is_named(copy):
    y = rng_of().normal(size=N)
    facts = facts_of(pl.DataFrame({"x": rng_of(1).normal(size=N), "paid": copy(y), "y": y}))
    (leak,) = facts.leaks
    assert (leak.column, leak.target) == ("paid", "y")
    assert facts == Facts(leaks=(leak,))


def test_a_category_that_tells_the_target_is_named_and_good_features_are_not():
    y = rng_of().integers(0, 4, N).astype(float)
    x = rng_of(1).normal(size=N)
    # With noise: of y + x / 3 and x the target is a difference, which is told as well.
    good = y + x / 3 + rng_of(2).normal(size=N) / 9
    frame = pl.DataFrame({"band": [f"b{int(v)}" for v in y], "good": good, "noise": x, "y": y})
    facts = facts_of(frame)
    assert facts == Facts(leaks=facts.leaks)
    assert [leak.column for leak in facts.leaks] == ["band"]


def test_rows_without_any_value_are_told():
    y = rng_of().normal(size=N)
    x = pl.Series([None if i < 5 else float(v) for i, v in enumerate(rng_of(1).normal(size=N))])
    c = pl.Series([None if i < 5 else "ab"[i % 2] for i in range(N)])
    assert facts_of(pl.DataFrame({"x": x, "c": c, "y": y})).empty_rows == EmptyRows(count=5, rows=300)


def _steep(tmp_path):
    x, z = rng_of().normal(size=(2, 200))
    path = tmp_path / "t.parquet"
    pl.DataFrame({"x": x, "z": z, "y": 3 * x - 2 * z + rng_of(1).normal(size=200)}).write_parquet(path)
    return str(path)


def test_a_loss_of_nan_is_retried_at_a_tenth_of_the_rate_and_told(tmp_path, monkeypatch):
    from training.fit import trained
    from training.fit.epochs import DivergedError

    rates, fit = [], trained.fit

    def diverging(prepared, population, *args):
        rates.append(population.config.learning_rate)
        if len(rates) == 1:
            raise DivergedError(3)
        return fit(prepared, population, *args)

    monkeypatch.setattr(trained, "fit", diverging)
    heard: list[str] = []
    config = QUICK.model_copy(update={"learning_rate": 0.04})
    request = Request(_steep(tmp_path), ("y",), "m", config)
    manifest = train(request, LocalRegistry(tmp_path / "home"), Observer(note=heard.append))
    assert rates == [0.04, pytest.approx(0.004)]
    (retry,) = manifest.facts.retries
    assert (retry.epoch, retry.learning_rate, retry.lower) == (3, 0.04, pytest.approx(0.004))
    assert heard[0] == retry.sentence
    assert heard[0] in manifest.notes
    assert manifest.lineage.config["learning_rate"] == pytest.approx(0.004)


def test_a_loss_that_stays_nan_is_refused_and_nothing_is_written(tmp_path):
    # Steps of a penalty this large overshoot by more each time, at a tenth of the rate too.
    config = DIVERGES.model_copy(update={"learning_rate": 10.0, "l2": 1e6})
    with pytest.raises(TruelineError, match=r"at a learning rate of 10, or at 1\. Received: NaN in epoch"):
        train_frame(pl.read_parquet(_steep(tmp_path)), tmp_path, config=config)
    assert not list((tmp_path / "home").glob("models/*/*"))


@pytest.mark.parametrize("role", ["group", "time", "weight"])
def test_the_target_has_no_other_role(role):
    frame = pl.DataFrame({"x": range(60), "price": range(60)})
    with pytest.raises(DataError, match=f"Expected --{role} to be another column than the target. Received: 'price'"):
        prepare(frame, Request("-", ("price",), "m", **{role: "price"}))


@pytest.mark.parametrize("role", ["group", "time"])
def test_a_weight_has_no_other_role(role):
    frame = pl.DataFrame({"x": range(60), "price": range(60)})
    with pytest.raises(DataError, match=f"Expected --{role} to be another column than that of --weight. Received: 'x'"):
        prepare(frame, Request("-", ("price",), "m", weight="x", **{role: "x"}))
