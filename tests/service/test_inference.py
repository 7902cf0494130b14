import json

import numpy as np
import pytest

from artifact.predictor import Predictor
from artifact.runtimes import Outputs
from service.live.model import LiveModel
from service.predict.inference import Answer
from service.predict.jobs import guarded
from service.predict.requests import PredictRequest, RequestReader
from service.wire.errors import InvalidRequestError, ModelError
from tests.builders import sample_rows


def answer(predictor, requests):
    """The answers to some requests, as the batcher gets them."""
    return guarded(LiveModel(predictor, max_rows=1000), requests)


def by_rows(rows, interval=None):
    return PredictRequest(rows, None, len(rows), interval)


def by_columns(rows, interval=None):
    return PredictRequest(None, {name: [r[name] for r in rows] for name in rows[0]}, len(rows), interval)


def same(given: Answer, predictor: Predictor, rows, level=None):
    expected = predictor.predict_rows(rows, level)
    for name in ("value", "lower", "upper"):
        assert getattr(given, name) == getattr(expected, name).tolist()
    assert sorted(given.warnings) == sorted(expected.warnings)


def with_network(predictor: Predictor, run) -> Predictor:
    """The same version, but another network."""

    class Network:
        name = "fake"

        def computed_rows(self, n_rows):
            return n_rows

    network = Network()
    network.run = run
    return Predictor(predictor.schema, network, predictor.calibration, predictor.manifest)


def constant(numeric, categorical):
    ones = np.ones((len(numeric), 1), np.float32)
    return Outputs(ones, ones)


@pytest.mark.parametrize("sizes", [[1], [1, 1], [3, 1, 2], [7, 8, 32, 1], [1] * 33])
def test_each_request_gets_the_predictors_answer_to_the_last_bit(predictor, sizes):
    parts = [sample_rows(predictor.schema, n, seed=n + i) for i, n in enumerate(sizes)]
    for rows, outcome in zip(parts, answer(predictor, [by_rows(rows) for rows in parts]), strict=True):
        same(outcome, predictor, rows)


def test_rows_columns_and_intervals_mix_in_a_batch(predictor):
    levels = [None, 0.5, 0.8, None, 0.5]
    shapes = [by_rows, by_columns, by_rows, by_columns, by_rows]
    parts = [sample_rows(predictor.schema, 2 + i, seed=i) for i in range(5)]
    parts[2][1]["age"] = 140  # a warning in the middle
    parts[3][0]["town"] = "Bath"
    requests = [shape(rows, level) for shape, rows, level in zip(shapes, parts, levels, strict=True)]
    for rows, level, outcome in zip(parts, levels, answer(predictor, requests), strict=True):
        same(outcome, predictor, rows, level)


def test_a_refused_request_does_not_hurt_the_others(predictor):
    good = sample_rows(predictor.schema, 3)
    bad = [good[0], {**good[1], "heating": "coal"}]
    outcomes = answer(predictor, [by_rows(good), by_rows(bad), by_columns(bad), by_rows(good, 0.9999), by_rows(good)])
    same(outcomes[0], predictor, good)
    same(outcomes[4], predictor, good)
    assert [(f.row, f.field, f.reason) for f in outcomes[1].faults] == [(1, "heating", "unseen")]
    assert [(f.row, f.field, f.reason) for f in outcomes[2].faults] == [(1, "heating", "unseen")]
    (fault,) = outcomes[3].faults
    assert fault[:2] == (None, "interval")
    assert fault.message.startswith("Expected 'interval' of at most 0.995")
    assert "Received" not in fault.message


def test_legal_extremes_have_a_finite_answer(predictor):
    reader = RequestReader(predictor.schema, max_rows=10)
    row = {**predictor.schema.example_row(), "age": 1e308, "income": -1e308}
    (outcome,) = answer(predictor, [reader.read(json.dumps({"rows": [row]}).encode())])
    assert np.isfinite(outcome.value).all()
    assert [w.kind for w in outcome.warnings] == ["out_of_range", "out_of_range"]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_no_answer_is_ever_nan(predictor, broken):
    def run(numeric, categorical):
        value, spread, _ = constant(numeric, categorical)
        value[1] = broken
        return Outputs(value, spread)

    rows = sample_rows(predictor.schema, 2)
    first, second = answer(with_network(predictor, run), [by_rows(rows), by_rows(rows)])
    assert isinstance(first, InvalidRequestError)
    assert [(f.row, f.reason) for f in first.faults] == [(1, "no_answer")]
    assert isinstance(second, Answer)


def test_a_network_that_fails_fails_only_the_request_that_makes_it_fail(predictor, log):

    def run(numeric, categorical):
        if (numeric[:, 0] == 13).any():
            raise RuntimeError("superstition")
        return constant(numeric, categorical)

    rows = [{**row, "age": 20 + i} for i, row in enumerate(sample_rows(predictor.schema, 3))]
    requests = [by_rows([row]) for row in rows]
    requests.insert(1, by_rows([{**rows[0], "age": 13}]))
    outcomes = answer(with_network(predictor, run), requests)
    assert [type(o) for o in outcomes] == [Answer, ModelError, Answer, Answer]
    assert "superstition" not in outcomes[1].message
    assert "superstition" in log.text


def test_a_network_that_loses_rows_is_found_out(predictor):
    def run(numeric, categorical):
        return constant(numeric[1:], categorical)

    outcomes = answer(with_network(predictor, run), [by_rows(sample_rows(predictor.schema, 2))])
    assert isinstance(outcomes[0], ModelError)
    assert outcomes[0].message == "Expected 2 answers. Received: 1."


def test_warnings_go_to_their_requests_after_a_failed_batch(predictor):
    calls = []

    def run(numeric, categorical):
        calls.append(len(numeric))
        if len(calls) == 1:
            raise RuntimeError("once")
        return constant(numeric, categorical)

    row = predictor.schema.example_row()
    outcomes = answer(with_network(predictor, run), [by_rows([row]), by_rows([row, {**row, "age": 200}])])
    assert calls == [3, 1, 2]
    assert [[w.row for w in o.warnings] for o in outcomes] == [[], [1]]
