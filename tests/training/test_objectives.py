"""Every objective learns the answer that it names, refuses a target that it does not take, and is served."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from prometheus_client import CollectorRegistry
from scipy.special import expit
from scipy.stats import expectile, norm
from sklearn import metrics as reference

from artifact.errors import DataError
from artifact.layers import TargetScaling
from artifact.manifest import Manifest
from artifact.predictor import Predictor
from artifact.registry.entry import Statement
from artifact.registry.local import LocalRegistry
from service.metrics.metrics import Metrics
from service.settings.settings import Settings
from service.worker import Worker
from tests.service.conftest import calling
from training.objectives import KINDS, objective_of
from training.objectives.kinds import check_target
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.train import train

RNG = np.random.default_rng(0)
N = 1500
X = RNG.uniform(-2, 2, N)
RATE = np.exp(0.6 * X + 1)
NORMAL = 2 * X + RNG.normal(size=N) * np.exp(0.5 * X)
# Rows at which the truth is compared: away from the ends, where a small network has seen little.
AT = np.linspace(-1.5, 1.5, 13)
# The 0.8-expectile of a standard normal distribution.
EXPECTILE = expectile(norm.ppf((np.arange(20_000) + 0.5) / 20_000), 0.8)
TARGETS = {
    "mae": NORMAL,
    "huber": NORMAL,
    "quantile": NORMAL,
    "gaussian": NORMAL,
    "poisson": RNG.poisson(RATE),
    "gamma": RNG.gamma(4, RATE / 4),
    "tweedie": RNG.gamma(2, RATE) * (RNG.random(N) < 0.5),
    "logistic": (RNG.random(N) < expit(2 * X)).astype(int),
    "expectile": NORMAL,
}
VALUES = {
    "quantile": 2 * AT,
    "gaussian": 2 * AT,
    "mae": 2 * AT,
    "huber": 2 * AT,
    **dict.fromkeys(("poisson", "gamma", "tweedie"), np.exp(0.6 * AT + 1)),
    "logistic": expit(2 * AT),
    "expectile": 2 * AT + np.exp(0.5 * AT) * EXPECTILE,
}


class Learnt(NamedTuple):
    manifest: Manifest
    registry: LocalRegistry
    folder: Path


@pytest.fixture(scope="module")
def learn(tmp_path_factory):
    """Train a small model of each objective, once."""
    models: dict[str, Learnt] = {}

    def learnt(objective: str) -> Learnt:
        if objective not in models:
            home = tmp_path_factory.mktemp(objective)
            group = RNG.choice(["a", "b"], N)
            weight = np.ones(N)
            pl.DataFrame({"x": X, "g": group, "w": weight, "y": TARGETS[objective]}).write_csv(home / "d.csv")
            config = TrainConfig(
                objective=objective, model="mlp", folds=2, epochs=20, hidden=(32,), embedding_bins=0, dropout=0.0
            )
            request = Request(str(home / "d.csv"), ("y",), "m", config, weight="w", interval_groups="g")
            registry = LocalRegistry(home)
            manifest = train(request, registry)
            models[objective] = Learnt(manifest, registry, registry.resolve("m").path)
        return models[objective]

    return learnt


def rows(x: np.ndarray) -> list[dict]:
    return [{"x": float(value), "g": "a"} for value in x]


@pytest.mark.parametrize("objective", TARGETS)
def test_the_truth_is_found_and_covered_and_reported_as_itself(learn, objective):
    manifest, _, folder = learn(objective)
    # Loading compares the ONNX file's answers to the golden rows with those of training.
    answers = Predictor.load(folder).predict_rows(rows(AT))
    truth = VALUES[objective]
    scale = {"poisson": truth, "gamma": truth, "tweedie": truth}.get(objective, np.ones_like(truth))
    allowed = {"logistic": 0.12, "tweedie": 0.35}.get(objective, 0.5 if scale[0] == 1 else 0.25)
    assert np.abs((answers.value[:, 0] - truth) / scale).max() < allowed
    assert manifest.objective == objective
    assert manifest.coverage.covered["y"] == pytest.approx(0.9, abs=0.03)
    kind = KINDS[objective]
    assert manifest.verdict.metric == kind.metric
    assert kind.plain in manifest.verdict.sentence or "does not beat" in manifest.verdict.sentence
    assert manifest.metrics["y"][kind.metric] is not None
    constant = "expectile" if objective == "expectile" else "median" if kind.metric == "mae" else "mean"
    assert manifest.metrics["y"][kind.metric] < manifest.baselines[constant]["y"][kind.metric]
    low, high = kind.support
    assert low is None or answers.lower.min() >= low
    assert high is None or answers.upper.max() <= high


def test_gaussian_spreads_are_the_rows_own_standard_deviations(learn):
    manifest, _, folder = learn("gaussian")
    predictor = Predictor.load(folder)
    X_at = predictor.encoder.encode_rows(rows(AT))
    spread = predictor.run(X_at.numeric, X_at.categorical).spread
    np.testing.assert_allclose(spread[:, 0], np.exp(0.5 * AT), rtol=0.3)
    best = np.mean(0.5 * X) + 0.5 * np.log(2 * np.pi * np.e)
    assert manifest.metrics["y"]["nll"] == pytest.approx(best, abs=0.1)
    assert "nll" not in manifest.baselines["mean"]["y"]


def test_quantiles_are_those_of_the_truth_and_never_cross(learn):
    manifest, _, folder = learn("quantile")
    predictor = Predictor.load(folder)
    wild = np.concatenate([AT, [-2, 2, 1e6, -1e6]])
    X_at = predictor.encoder.encode_rows(rows(wild))
    outputs = predictor.run(X_at.numeric, X_at.categorical)
    assert outputs.spread is None
    assert (np.diff(outputs.quantiles[:, 0], axis=-1) > 0).all()
    np.testing.assert_allclose(outputs.quantiles[:, 0, 2], outputs.value[:, 0], rtol=1e-6)
    normal = np.array([-1.6449, -0.6745, 0, 0.6745, 1.6449])
    truth = 2 * AT[:, None] + np.exp(0.5 * AT)[:, None] * normal
    assert np.abs((outputs.quantiles[: len(AT), 0] - truth) / np.exp(0.5 * AT)[:, None]).max() < 0.6
    assert {f"pinball_{q:g}" for q in (0.05, 0.25, 0.5, 0.75, 0.95)} <= set(manifest.metrics["y"])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("objective", ["quantile", "gaussian"])
async def test_the_service_answers_at_any_level(learn, objective):
    _, registry, folder = learn(objective)
    registry.promote("m", statement=Statement(forced=("verdict",)))
    predictor = Predictor.load(folder)
    worker = Worker(Settings(), registry, Metrics(CollectorRegistry()))
    rows_to_answer = rows(AT[:3])
    widths = []
    async with calling(worker, inner_paths=[], inner_mounts=[]) as http:
        for level in (0.5, 0.95):
            got = await http.post("/predict", json={"rows": rows_to_answer, "interval": level})
            assert got.status_code == 200, got.text
            expected = predictor.predict_rows(rows_to_answer, level)
            for name in ("value", "lower", "upper"):
                answers = [row[name] for row in got.json()["predictions"]]
                assert answers == getattr(expected, name)[:, 0].tolist()
            widths.append(expected.upper - expected.lower)
    assert (widths[1] > widths[0]).all()


@pytest.mark.parametrize(
    ("objective", "values", "says"),
    [
        ("poisson", [1, -2, 3], "0 or more"),
        ("poisson", [0, 0, 0], "above 0 in some row"),
        ("tweedie", [1, 0, -0.5], "0 or more"),
        ("gamma", [1, 0, 3], "above 0"),
        ("logistic", [0, 1, 0.5], "0 or 1"),
    ],
)
def test_a_target_that_does_not_fit_is_reported_at_once(objective, values, says):
    with pytest.raises(DataError, match=f"Expected 'y' to be {says}"):
        check_target(objective, "y", np.array(values, float))
    table = pl.DataFrame({"x": np.arange(60.0), "y": np.resize(values, 60)})
    with pytest.raises(DataError, match="Expected 'y' to"):
        prepare(table, Request("m", ("y",), "m", TrainConfig(objective=objective)))


@pytest.mark.parametrize("quantiles", [(0.1, 0.9), (0.5, 0.1, 0.9), (0.1, 0.4, 0.9), (0.5, 0.5, 0.5), (0.1, 0.5)])
def test_quantiles_have_the_median_in_their_middle(quantiles):
    with pytest.raises(DataError, match="quantiles"):
        TrainConfig.build(settings={"objective": "quantile", "quantiles": quantiles})
    with pytest.raises(DataError, match="'mse', 'mae'"):
        TrainConfig.build(settings={"objective": "msr"})


@pytest.mark.parametrize("objective", KINDS)
def test_a_score_is_the_error_of_the_members_joint_answer(objective):
    config = TrainConfig(objective=objective)
    record = objective_of(config)
    y = RNG.integers(0, 2, (40, 2)).astype(float) if objective == "logistic" else RNG.gamma(2, 1, (40, 2))
    width = record.n_values(2) + record.n_spreads(2)
    outputs = RNG.normal(size=(3, 40, width)).astype(np.float32)
    scaling = TargetScaling([0.0, 0.0], [1.0, 1.0], link=record.kind.link, n_quantiles=record.n_quantiles)
    value = np.asarray(scaling(outputs)["value"], np.float64)
    score = record.score(y, outputs)
    if objective in ("mse", "mae", "poisson", "gamma", "tweedie", "logistic", "expectile"):
        expected = np.mean(record.kind.errors(y, value, config))
        assert score == pytest.approx(expected, rel=1e-4)
    weight = np.zeros(40)
    weight[:10] = 2.0
    assert record.score(y, outputs, weight) == pytest.approx(record.score(y[:10], outputs[:, :10]), rel=1e-6)
    # With one member and one network, the shown error is the same, except that nothing is corrected yet.
    single = np.mean(np.asarray(record.error(y[None, None].astype(np.float32), outputs[None, :1])))
    assert single == pytest.approx(float(np.mean(record.errors(y, outputs[:1].astype(np.float64)))), rel=1e-3)
    if record.corrected is None:
        assert single == pytest.approx(record.score(y, outputs[:1]), rel=1e-3)
    else:
        assert single > record.score(y, outputs[:1])


def gradients(config: TrainConfig, y: np.ndarray, value: np.ndarray, log_spread: np.ndarray) -> list[np.ndarray]:
    """Gradients of the loss for one network and member, by value and by log spread, (n_samples, n_targets) each."""
    # Imported here, since loading TensorFlow takes seconds that other tests of this folder need not spend.
    import tensorflow as tf

    parts = [tf.constant(part[None, None], tf.float32) for part in (value, log_spread)]
    with tf.GradientTape() as tape:
        tape.watch(parts)
        loss = tf.reduce_sum(objective_of(config).loss(tf.constant(y[None, None], tf.float32), tf.concat(parts, -1)))
    return [np.asarray(gradient[0, 0]) for gradient in tape.gradient(loss, parts)]


def test_rows_weigh_by_their_spread_and_what_is_learnt_of_the_spread_stays():
    y, value = np.zeros((5, 2)), np.full((5, 2), 0.25)
    # The first target's spreads differ by the allowed factor, and by more; the second target's are equal.
    spread = np.array([[1, 0.5], [2, 0.5], [0.5, 0.5], [30, 0.5], [1 / 30, 0.5]])
    equal = gradients(TrainConfig(row_weight="equal"), y, value, np.log(spread))
    by_spread = gradients(TrainConfig(row_weight="spread"), y, value, np.log(spread))
    np.testing.assert_allclose(by_spread[0][:, 0] / equal[0][:, 0], [1, 0.5, 2, 0.2, 5], rtol=1e-5)
    np.testing.assert_allclose(by_spread[0][:, 1], equal[0][:, 1], rtol=1e-5)
    # The weight counts as a constant: no spread grows to make an error count less.
    np.testing.assert_allclose(by_spread[1], equal[1], rtol=1e-6)


@pytest.mark.parametrize(("typical", "factor"), [(0.3, 1.0), (0.15, 1.0), (0.015, 100.0)])
def test_errors_of_nearly_exact_answers_keep_their_size(typical, factor):
    y, value, log_spread = np.zeros((4, 1)), np.full((4, 1), 0.01), np.full((4, 1), np.log(typical))
    equal, by_spread = (gradients(TrainConfig(row_weight=w), y, value, log_spread)[0] for w in ("equal", "spread"))
    np.testing.assert_allclose(by_spread / equal, factor, rtol=1e-4)


def test_weights_by_spread_leave_the_mean_of_skewed_noise(tmp_path):
    """The noise has a mean far from its median."""
    rng = np.random.default_rng(3)
    x = rng.uniform(-2, 2, (1500, 2))
    noise = np.exp(0.5 * x[:, 1]) * (rng.exponential(size=1500) - 1)
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.sin(x[:, 0]) + noise}).write_csv(tmp_path / "d.csv")
    config = TrainConfig(preset="fast", repeats=1, epochs=30)
    registry = LocalRegistry(tmp_path)
    manifest = train(Request(str(tmp_path / "d.csv"), ("y",), "m", config), registry)
    assert manifest.lineage.config["row_weight"] == "spread"
    at = rng.uniform(-1.8, 1.8, (500, 2))
    answers = Predictor.load(registry.resolve("m").path).predict_rows([{"a": a, "b": b} for a, b in at.tolist()])
    # The median lies 0.31 deviations of the noise below the mean.
    assert np.mean(answers.value[:, 0] - np.sin(at[:, 0])) == pytest.approx(0, abs=0.12)


@pytest.mark.parametrize(("objective", "power"), [("poisson", 1), ("tweedie", 1.7), ("gamma", 2)])
def test_deviances_are_scikit_learns(objective, power):
    y, value = RNG.gamma(2, 1, 50), RNG.gamma(2, 1, 50)
    expected = reference.mean_tweedie_deviance(y, value, power=power)
    config = TrainConfig(objective=objective, tweedie_power=1.7)
    assert np.mean(KINDS[objective].errors(y, value, config)) == pytest.approx(expected)
