"""Large requests, part by part: rows on which the network fails, and the counts of a refused request."""

from __future__ import annotations

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from service.metrics.metrics import Metrics
from service.predict.bulk import BulkRun
from service.predict.core import Core
from service.predict.parts import Options, Part
from service.wire.errors import InvalidRequestError, ModelError
from tests.builders import build_schema, sample_rows

SCHEMA = build_schema()
N = 200


@pytest.fixture
def columns():
    rows = sample_rows(SCHEMA, N)
    return {name: [row[name] for row in rows] for name in SCHEMA.names}


def failing(predictor, monkeypatch, bad):
    """Let the network fail on any batch that holds one of the rows, given by position; count the runs."""
    run, runs = predictor.run, []
    marked = {tuple(bad_row) for bad_row in bad}

    def fail(numeric, categorical):
        runs.append(len(numeric))
        if marked & {tuple(row) for row in np.nan_to_num(numeric, nan=-1.0).tolist()}:
            raise RuntimeError("cannot")
        return run(numeric, categorical)

    monkeypatch.setattr(predictor, "run", fail)
    return runs


def keys(predictor, columns, places):
    numeric = predictor.encoder.encode_columns(columns).numeric
    return np.nan_to_num(numeric, nan=-1.0)[list(places)].tolist()


@pytest.mark.parametrize("places", [{0}, {N - 1}, {17, 18, 150}, set(range(N))])
def test_by_row_only_the_rows_that_the_network_fails_on_are_reported(predictor, monkeypatch, columns, places, log):
    expected = predictor.predict_columns(columns)
    runs = failing(predictor, monkeypatch, keys(predictor, columns, places))
    run = BulkRun(Core(predictor), Options(by_row=True), None)
    run.rows = 1000
    answer = run.answer(Part(columns, N))
    assert set(answer.errors) == places
    assert all(f.reason == "no_answer" and "failed on this row" in f.message for f in answer.errors[min(places)])
    good = [i for i in range(N) if i not in places]
    for ends in ("value", "lower", "upper"):
        np.testing.assert_array_equal(getattr(answer, ends)[good], getattr(expected, ends)[good])
        assert np.isnan(getattr(answer, ends)[sorted(places)]).all()
    assert [w.row - 1000 for w in answer.warnings] == [w.row for w in expected.warnings if w.row not in places]
    assert len(runs) <= 1 + 2 * len(places) * int(np.ceil(np.log2(N)))
    assert log.text.count("Traceback") == 1


def test_rows_that_the_schema_refuses_and_rows_that_fail_keep_their_places(predictor, monkeypatch, columns):
    places = keys(predictor, columns, {40})
    columns["rooms"][3] = "many"
    failing(predictor, monkeypatch, places)
    answer = BulkRun(Core(predictor), Options(by_row=True), None).answer(Part(columns, N))
    assert {row: errors[0].reason for row, errors in answer.errors.items()} == {3: "type", 40: "no_answer"}
    assert np.isfinite(answer.value).all(axis=1).sum() == N - 2


def test_a_request_as_a_whole_fails_as_a_whole_without_more_runs(predictor, monkeypatch, columns):
    runs = failing(predictor, monkeypatch, keys(predictor, columns, {5}))
    with pytest.raises(ModelError):
        BulkRun(Core(predictor), Options(), None).answer(Part(columns, N))
    assert runs == [N]


def test_a_network_that_loses_answers_loses_no_rows(predictor, monkeypatch, columns):
    run = predictor.run
    monkeypatch.setattr(predictor, "run", lambda *X: run(*(x[: len(x) - (len(x) > 10)] for x in X)))
    expected = predictor.encoder.encode_columns(columns)
    answer = BulkRun(Core(predictor), Options(by_row=True), None).answer(Part(columns, N))
    assert not answer.errors
    np.testing.assert_array_equal(answer.value[:10], predictor.finish(
        run(expected.numeric[:10], expected.categorical[:10]), predictor.bound(), []
    ).value)  # fmt: skip


def test_faults_of_the_requests_own_keys_have_labels_of_their_own(predictor, columns):
    metrics = Metrics(CollectorRegistry())
    run = BulkRun(Core(predictor), Options(by_row=True), None)
    with pytest.raises(InvalidRequestError) as excinfo:
        BulkRun(Core(predictor), Options(interval=0.99999), None)
    faults = [
        fault._replace(row=0) for fault in (*excinfo.value.faults, excinfo.value.faults[0]._replace(field="made-up"))
    ]
    run.answer(Part({}, 1, faults))
    run.count(metrics)
    assert metrics.registry.get_sample_value(
        "trueline_validation_failures_total", {"field": "interval", "reason": "range"}
    ) == 1.0  # fmt: skip
    assert metrics.registry.get_sample_value(
        "trueline_validation_failures_total", {"field": "unknown", "reason": "range"}
    ) == 1.0  # fmt: skip
