"""A version may be a mix of families: it serves the weighted mean of its parts, which unseen rows measure."""

from __future__ import annotations

import keras
import numpy as np
import polars as pl
import pytest

import training.families.trees.forest as trees
from artifact.errors import DataError
from artifact.manifest import KERAS_MODEL
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from tests.training.conftest import mixed_table
from training.ensemble import mix as mixing
from training.ensemble.weights import mean_of
from training.fit.observer import Observer
from training.networks.model import feed
from training.networks.unseen import answers
from training.prepare.bounds import Bounds
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.encode import encode_frame
from training.train import train

QUICK = {"epochs": 4, "hidden": [16], "embedding_bins": 4, "folds": 2, "repeats": 1}
MIX = ["mlp", "trees"]


@pytest.fixture(scope="module", autouse=True)
def _fewer():
    """Use as few trees as tests need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "MOST_TREES", 100)
        yield


def train_mix(tmp_path, frame=None, target="price", **settings):
    path = tmp_path / "table.parquet"
    (mixed_table() if frame is None else frame).write_parquet(path)
    registry = LocalRegistry(tmp_path / "home")
    config = TrainConfig.build(None, QUICK | settings)
    return registry, train(Request(str(path), tuple(target.split(",")), "m", config), registry)


def test_a_mix_answers_with_the_weighted_mean_of_its_parts(tmp_path):
    registry, manifest = train_mix(tmp_path, mix=["mlp", "ridge", "trees"])
    assert manifest.family == "mix"
    mix = manifest.facts.mix
    assert list(mix.weights) == ["mlp", "ridge", "trees"]
    assert sum(mix.weights.values()) == pytest.approx(1)
    assert all(ratio > 0 for ratio in mix.alone.values())
    assert mix.sentence in manifest.notes
    folder = registry.resolve("m").path
    predictor = Predictor.load(folder)
    X = encode_frame(mixed_table(seed=1), predictor.schema.lenient())
    model = keras.saving.load_model(folder / KERAS_MODEL)
    mixture = model.get_layer("mixture")
    parts = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    assert len(parts) == len(mixture.weights_of) > 1
    inputs = feed(X, [t.name for t in model.inputs])
    values = [keras.ops.convert_to_numpy(p({t.name: inputs[t.name] for t in p.inputs})["value"]) for p in parts]
    expected = sum(v * w for v, w in zip(values, mixture.weights_of, strict=True))
    served = predictor.run(X.numeric, X.categorical)
    np.testing.assert_allclose(served.value, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_no_part_is_better_alone_on_the_rows_that_measure(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    # The target is a line and a step that trees find: neither family fits both.
    y = 3 * x[:, 0] + 4.0 * (x[:, 1] > 0.3) * (x[:, 2] > 0) + rng.normal(0, 0.3, 400)
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y})
    _, manifest = train_mix(tmp_path, frame, "y", mix=["linear", "trees"])
    rmse = manifest.metrics["y"]["rmse"]
    assert rmse < manifest.baselines["ridge"]["y"]["rmse"]
    assert rmse < manifest.baselines["hist_gradient_boosting"]["y"]["rmse"]
    assert "linear" in manifest.facts.mix.weights
    assert 0.8 < manifest.coverage.covered["y"] < 0.98


def test_weights_are_those_of_the_parts_and_never_heard_of_the_rows_that_they_answer(monkeypatch):
    prepared = prepare(mixed_table(), Request("", ("price",), "m", TrainConfig.build(None, QUICK | {"mix": MIX})))
    chosen_by: list[set[float]] = []
    answered = []

    def choose(_, y, config, weight=None):
        chosen_by.append(set(y[:, 0].tolist()))
        # Each call gives other weights, so that answers show which were used.
        share = 1 / (3 + len(chosen_by))
        return np.array([share, 1 - share])

    def answer(outputs, weights, *, normal):
        answered.append((set(outputs[0].value[:, 0].tolist()), float(weights[0])))
        return mean_of(outputs, weights, normal=normal)

    monkeypatch.setattr(mixing, "choose_weights", choose)
    monkeypatch.setattr(mixing, "mean_of", answer)
    mixed = mixing.Mix(prepared.config).fit(prepared, Observer())
    everything, *of_folds = chosen_by
    assert everything == set(prepared.y[:, 0].tolist())
    folds = prepared.plan.first_cut
    assert len(of_folds) == len(folds) == len(mixed.fitted.unseen) == 2
    for k, (fold, known) in enumerate(zip(folds, of_folds, strict=True)):
        assert known == set(np.delete(prepared.y[:, 0], fold.validation).tolist())
        # The weights for the fold's rows were chosen without these rows.
        assert (len(mixed.fitted.unseen[k].value), answered[k][1]) == (len(fold.validation), 1 / (5 + k))
    first, second = (answers(part.fitted.model, prepared.X).value for part in mixed.parts)
    assert [part.family for part in mixed.parts] == MIX
    served = answers(mixed.fitted.model, prepared.X).value
    np.testing.assert_allclose(served, first / 4 + second * 3 / 4, rtol=1e-5)


def test_held_out_rows_choose_and_all_rows_train_again(tmp_path):
    registry, manifest = train_mix(tmp_path, mix=["mlp", "trees"], folds=1)
    assert manifest.lineage.parts["test"] > 0
    assert manifest.family == "mix"
    predictor = Predictor.load(registry.resolve("m").path)
    frame = mixed_table()
    X = encode_frame(frame, predictor.schema)
    # The trees were grown again on all rows, so they know them all.
    error = predictor.predict(X).value[:, 0] - frame["price"].to_numpy()
    assert np.sqrt(np.mean(error**2)) < manifest.metrics["price"]["rmse"]


@pytest.mark.parametrize(("objective", "compared"), [("gaussian", "RMSE"), ("quantile", "pinball loss")])
def test_other_objectives_mix_what_can_answer_them(tmp_path, objective, compared):
    _, manifest = train_mix(tmp_path, mix=["mlp", "linear", "trees"], objective=objective)
    assert ("trees" in manifest.facts.mix.weights) == (objective == "gaussian")
    assert manifest.facts.mix.plain == compared
    assert manifest.coverage.covered["price"] > 0.7


def test_several_targets_mix(tmp_path):
    frame = mixed_table().with_columns((pl.col("price") / 1000 + pl.col("rooms")).alias("tax"))
    registry, manifest = train_mix(tmp_path, frame, "price,tax", mix=["mlp", "trees"])
    assert set(manifest.metrics) == {"price", "tax"}
    Predictor.load(registry.resolve("m").path)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"mix": ["mlp", "forest"]}, "mix"),
        ({"mix": ["trees"]}, "a network among them"),
        ({"mix": ["mlp", "mlp"]}, "different families"),
        ({"mix": ["mlp", "trees"], "model": "tabm"}, "Expected --model or 'mix'"),
        ({"mix": ["mlp", "ridge"], "objective": "mae"}, "objective=mae"),
        ({"mix": ["mlp", "ridge"], "distil": True}, "one family for distil=true"),
    ],
)
def test_a_mix_that_cannot_be_is_refused(settings, says):
    with pytest.raises(DataError, match=says):
        TrainConfig.build(None, settings).resolved(100)


def test_a_streamed_table_mixes_too(tmp_path):
    path = tmp_path / "table.parquet"
    mixed_table(600).write_parquet(path, row_group_size=50)
    registry = LocalRegistry(tmp_path / "home")
    config = TrainConfig.build(None, QUICK | {"folds": 1, "mix": ["mlp", "trees"]})
    bounds = Bounds(batch_rows=64, chunk_rows=100)
    manifest = train(Request(str(path), ("price",), "m", config, stream=True), registry, bounds=bounds)
    assert "trees" in manifest.facts.mix.weights
    assert manifest.verdict.beats_mean
    Predictor.load(registry.resolve("m").path)


def test_best_mixes_unless_a_family_is_named():
    assert "trees" in TrainConfig(preset="best").resolved(1000).mix
    assert "ridge" not in TrainConfig(preset="best", objective="mae").resolved(1000).mix
    assert TrainConfig(preset="best", model="tabm").resolved(1000).mix == ()
    assert TrainConfig().resolved(1000).mix == ()
