"""Versions, and rows whose targets one of them answers, for the tests of the gates."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from onnx import numpy_helper

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from tests.builders import build_graph, build_schema, build_version, sample_rows
from trueline.main import run

SCHEMA = build_schema()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return LocalRegistry(tmp_path)


def call(capsys, *arguments):
    code = run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def gates_of(out):
    """The results in the last line of JSON, by gate."""
    return {result["gate"]: result for result in json.loads(out.strip().splitlines()[-1])["gates"]}


def graph_with(name, change, seed=0, schema=SCHEMA):
    """The graph of a version, one of its weights changed in place."""
    graph = build_graph(schema, seed=seed)
    for i, weight in enumerate(graph.graph.initializer):
        if weight.name == name:
            values = numpy_helper.to_array(weight).copy()
            change(values)
            graph.graph.initializer[i].CopyFrom(numpy_helper.from_array(values, name))
    return graph


def rows_for(version, n=600, noise=0.3, schema=SCHEMA, seed=9):
    """Rows whose targets are a version's answers and noise: no other version can do better there."""
    rows = sample_rows(schema, n, seed=seed)
    value = Predictor.load(version.path).predict_rows(rows).value.astype(float)
    value += np.random.default_rng(seed).normal(0, noise, value.shape)
    targets = {name: value[:, j] for j, name in enumerate(schema.target_names)}
    return pl.DataFrame(rows).with_columns(**{name: pl.Series(column) for name, column in targets.items()})


@pytest.fixture
def champion(home):
    return build_version(home, promote=True)


@pytest.fixture
def data(champion, tmp_path):
    path = tmp_path / "new.csv"
    rows_for(champion).write_csv(path)
    return str(path)
