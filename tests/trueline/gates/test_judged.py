"""How versions are judged by what they serve: int8, Keras, quantiles, several targets and weights."""

from __future__ import annotations

import json

import numpy as np
import onnx
import polars as pl
import pytest
from sklearn.metrics import mean_pinball_loss

from artifact.gates.judge import judge
from artifact.gates.side import Side
from artifact.intervals.calibration import Calibration
from artifact.manifest import INT8_MODEL
from artifact.predictor import Predictor
from artifact.runtimes import Outputs
from tests.builders import build_graph, build_schema, build_version, write_version
from tests.keras_builders import build_keras_version
from tests.trueline.gates.conftest import SCHEMA, call, gates_of, graph_with, rows_for
from training.table.reading import Reading
from trueline.gates.rows import Given, compared


def test_several_targets_and_weights_are_taken_in(home, tmp_path, capsys):
    schema = build_schema(targets=("price", "rent"))
    first = build_version(home, schema=schema, promote=True)

    def one_target(values):
        values[:, 1] *= 2.0

    with home.create("houses") as (version, folder):
        manifest = write_version(folder, version, schema=schema, graph=graph_with("head_w", one_target, schema=schema))
        config = {**manifest.lineage.config, "weight": "w"}
        update = {"lineage": manifest.lineage.model_copy(update={"config": config})}
        manifest.model_copy(update=update).write(folder)
    rows = rows_for(first, schema=schema).with_columns(w=pl.Series([1.0, 0.0] * 300))
    rows.write_csv(tmp_path / "new.csv")
    names = f"houses:{home.versions('houses')[-1]}", "houses", str(tmp_path / "new.csv")
    _, out, _ = call(capsys, "compare", *names, "--json")
    assert "the RMSE of 'rent' is" in gates_of(out)["error"]["sentence"]
    weighted = gates_of(out)["error"]["figure"]
    rows.drop("w").write_csv(tmp_path / "new.csv")
    _, out, _ = call(capsys, "compare", *names, "--json")
    assert "has no column 'w', which weighted the training" in gates_of(out)["error"]["sentence"]
    assert gates_of(out)["error"]["figure"] != weighted
    rows.with_columns(w=pl.lit(-1.0)).write_csv(tmp_path / "new.csv")
    code, _, err = call(capsys, "compare", *names)
    assert (code, "Expected weights in 'w' that are finite and at least 0" in err) == (2, True)


def test_versions_in_8_bit_integers_are_compared_as_they_are_served(home, champion, data, capsys):
    int8 = build_version(home)
    code, _, err = call(capsys, "promote", f"houses:{int8.version}", "--runtime", "onnx-int8")
    assert (code, f"Expected {INT8_MODEL} in" in err) == (1, True)
    assert "refused by the gate files" in err
    # The copy of one version answers otherwise than its network does: served by it, the version is worse.
    graph = graph_with("head_w", lambda values: np.multiply(values, 1.5, out=values))
    for version, model in ((champion, build_graph(SCHEMA)), (int8, graph)):
        onnx.save(model, version.path / INT8_MODEL)
        manifest = home.manifest("houses", version.version)
        tolerant = {"tolerance": 1e6, "difference": 0.0, "rmse_ratio": 1.0, "rmse_limit": 2.0}
        type(manifest).model_validate({**manifest.model_dump(), "int8": tolerant}).write(version.path)
    names = f"houses:{int8.version}", f"houses:{champion.version}", data
    assert gates_of(call(capsys, "compare", *names, "--json")[1])["error"]["passed"]
    served = gates_of(call(capsys, "compare", *names, "--runtime", "onnx-int8", "--json")[1])
    assert not served["error"]["passed"]


def test_versions_that_keras_serves_are_compared_as_they_are_served(home, capsys, tmp_path):
    first = build_keras_version(home, promote=True, with_onnx=False)
    rows_for(first).write_csv(tmp_path / "new.csv")
    build_keras_version(home, with_onnx=False)
    code, out, err = call(capsys, "promote", "houses", "--data", str(tmp_path / "new.csv"), "--json")
    assert code == 0, err
    assert gates_of(out)["error"]["figure"] == 1.0
    assert gates_of(out)["latency"]["measured"]
    build_version(home, seed=3)
    code, out, _ = call(capsys, "promote", "houses", "--data", str(tmp_path / "new.csv"), "--json")
    assert (code, gates_of(out)["error"]["passed"]) == (1, False)


LEVELS = (0.05, 0.5, 0.95)


class Heads:
    """A runtime whose values are those of another one, with quantiles around them."""

    def __init__(self, inner, width):
        self.inner, self.width = inner, width
        self.name, self.device = inner.name, inner.device

    def run(self, numeric, categorical):
        value = self.inner.run(numeric, categorical).value
        steps = np.array([-self.width, 0.0, self.width], np.float32)
        return Outputs(value, None, value[:, :, None] + steps)


def quantile_side(version, width, objective="quantile"):
    """A version as one of the quantile objective would be, its outer quantiles ``width`` off the median."""
    loaded = Predictor.load(version.path)
    y = np.random.default_rng(0).normal(0, 1, (400, 1))
    calibration = Calibration.fit(y, np.zeros_like(y), None, np.tile([-width, 0.0, width], (400, 1, 1)))
    config = {"objective": objective, **({"quantiles": list(LEVELS)} if objective == "quantile" else {})}
    lineage = loaded.manifest.lineage.model_copy(update={"config": config})
    manifest = loaded.manifest.model_copy(update={"objective": objective, "lineage": lineage})
    predictor = Predictor(loaded.schema, Heads(loaded.runtime, width), calibration, manifest)
    return Side.of(f"houses:{version.version}", version.path, predictor)


def test_quantiles_are_judged_by_their_pinball_loss(home, champion):
    rows = rows_for(champion, noise=1.0)
    right, wide = quantile_side(champion, 1.645), quantile_side(build_version(home), 6.0)
    judged = compared(Given(rows, Reading()), wide, right).rows
    assert (judged.plain, judged.root) == ("pinball loss", False)
    value = wide.predictor.predict_rows(rows.drop("price").to_dicts()).value[:, 0]
    heads = [value + step for step in (-6.0, 0.0, 6.0)]
    y = rows["price"].to_numpy()
    expected = np.mean([mean_pinball_loss(y, head, alpha=level) for head, level in zip(heads, LEVELS, strict=True)])
    assert judged.candidate.errors.mean() == pytest.approx(expected, rel=1e-5)
    # The values are the same: only the quantiles tell the two apart.
    results = {result.gate: result for result in judge(wide, right, judged)}
    assert not results["error"].passed
    assert "the pinball loss is" in results["error"].sentence
    # Where the objectives differ, both are judged by what they have in common.
    other = quantile_side(build_version(home), 1.645, objective="mse")
    judged = compared(Given(rows, Reading()), other, right).rows
    assert (judged.plain, judged.root) == ("RMSE", True)
    assert judged.notes == ("They are compared by the RMSE, for their objectives differ: mse and quantile.",)
    np.testing.assert_allclose(judged.candidate.errors, judged.champion.errors)


def test_rows_beyond_what_adds_knowledge_are_drawn_at_random(home, champion, monkeypatch):
    monkeypatch.setattr("trueline.gates.rows.MOST_ROWS", 100)
    version = build_version(home)
    sides = [Side.candidate(f"houses:{one.version}", one.path) for one in (version, champion)]
    judged = compared(Given(rows_for(champion), Reading()), *sides).rows
    assert len(judged) == 100
    assert judged.notes == ("They are drawn at random from 600.",)
    assert max(cell.rows.max() for cell in judged.cells) < 100


def test_answers_that_are_no_numbers_are_refused(home, champion):
    broken, whole = quantile_side(build_version(home), 1.645, "mse"), quantile_side(champion, 1.645, "mse")
    broken.predictor.runtime.inner = Silent(broken.predictor.runtime.inner)
    rows = compared(Given(rows_for(champion), Reading()), broken, whole).rows
    results = judge(broken, whole, rows)
    assert {"files", "error", "coverage"} <= {result.gate for result in results if not result.passed}
    assert json.dumps([result.model_dump() for result in results], allow_nan=False)


class Silent:
    """A runtime whose answers are no numbers."""

    def __init__(self, inner):
        self.inner = inner

    def run(self, numeric, categorical):
        return Outputs(np.full_like(self.inner.run(numeric, categorical).value, np.nan))
