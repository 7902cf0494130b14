"""Runs over reused buffers give the answers of ``session.run``, and each caller gets its own."""

from concurrent.futures import ThreadPoolExecutor

import onnx
import pytest

from artifact.rows.encoding import Encoder
from artifact.runtimes.bound import BOUND_ROWS
from artifact.runtimes.by_onnx import OnnxRuntime
from tests.builders import HOUSE_FEATURES, build_graph, build_schema, plain_features, sample_rows

SCHEMAS = {
    "numbers and categories": build_schema(),
    "numbers, two targets": build_schema(plain_features(3), targets=("a", "b")),
    "categories": build_schema([f for f in HOUSE_FEATURES if f.kind == "category"]),
}


def runtimes(schema, tmp_path, **options):
    path = tmp_path / "model.onnx"
    onnx.save(build_graph(schema, **options), path)
    plain, bound = OnnxRuntime(path), OnnxRuntime(path)
    X = Encoder(schema).encode_rows(sample_rows(schema, 2))
    bound.run(X.numeric, X.categorical)  # the first run shows the shapes
    assert bound.bound_runs is not None
    return plain, bound


def once(runtime, X):
    """A run by ``session.run``."""
    runtime.bound_runs = None
    return runtime.run(X.numeric, X.categorical)


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("spread", [True, False])
def test_answers_are_those_of_a_plain_run(tmp_path, name, spread):
    schema = SCHEMAS[name]
    plain, bound = runtimes(schema, tmp_path, spread=spread)
    for n in (4, 1, 3, 2, 7, BOUND_ROWS, BOUND_ROWS + 1, 1):
        X = Encoder(schema).encode_rows(sample_rows(schema, n, seed=n))
        expected, answers = once(plain, X), bound.run(X.numeric, X.categorical)
        assert answers.value.tobytes() == expected.value.tobytes()
        assert answers.value.shape == (n, len(schema.targets))
        assert (answers.spread is None) == (not spread)
        if spread:
            assert answers.spread.tobytes() == expected.spread.tobytes()


def test_answers_stay_when_the_next_run_writes_into_the_buffers(tmp_path):
    schema = build_schema()
    _, bound = runtimes(schema, tmp_path)
    first, second = (Encoder(schema).encode_rows(sample_rows(schema, 4, seed=seed)) for seed in (1, 2))
    first_answers = bound.run(first.numeric, first.categorical)
    before = first_answers.value.tobytes(), first_answers.spread.tobytes()
    bound.run(second.numeric, second.categorical)
    assert (first_answers.value.tobytes(), first_answers.spread.tobytes()) == before


def test_no_rows_are_answered_by_no_rows(tmp_path):
    schema = build_schema()
    _, bound = runtimes(schema, tmp_path)
    X = Encoder(schema).encode_rows([])
    assert bound.run(X.numeric, X.categorical).value.shape == (0, 1)


def test_threads_do_not_share_buffers(tmp_path):
    schema = build_schema()
    plain, bound = runtimes(schema, tmp_path, hidden=(256, 256))
    batches = [Encoder(schema).encode_rows(sample_rows(schema, 8, seed=seed)) for seed in range(8)]
    expected = [once(plain, X).value.tobytes() for X in batches]

    def run(k):
        return [bound.run(batches[k].numeric, batches[k].categorical).value.tobytes() for _ in range(50)]

    with ThreadPoolExecutor(len(batches)) as threads:
        for k, results in enumerate(threads.map(run, range(len(batches)))):
            assert set(results) == {expected[k]}
