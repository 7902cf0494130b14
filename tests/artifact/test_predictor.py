import json
import shutil

import numpy as np
import pytest

from artifact import manifest as files
from artifact.errors import ArtifactError, DataError, SchemaMismatchError
from artifact.golden import Golden, read_golden
from artifact.intervals.calibration import Calibration
from artifact.manifest import Manifest
from artifact.predictor import Predictor
from artifact.rows.encoding import Encoder
from artifact.rows.schema import FeatureSchema, Target
from artifact.runtimes import Outputs
from tests.builders import build_manifest, build_schema, plain_features, sample_rows, write_version

FILES = (files.MANIFEST, files.SCHEMA, files.ONNX_MODEL, files.CALIBRATION, files.PROFILE, files.GOLDEN)


def rewrite(folder, name, change):
    """Change a JSON file and make the manifest agree with it, as a faulty writer would."""
    content = json.loads((folder / name).read_bytes())
    change(content)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    Manifest.read(folder).write(folder)


class EchoRuntime:
    """A runtime that answers each row's first number for every target, with a spread of 1."""

    name, device = "echo", "cpu"

    def __init__(self, n_targets=1):
        self.n_targets = n_targets

    def run(self, numeric, categorical):
        value = np.repeat(numeric[:, :1], self.n_targets, axis=1)
        return Outputs(value, np.ones_like(value))


def echo(n_samples=9, offset=0.0):
    schema = FeatureSchema(
        features=plain_features(1), targets=(Target(name="y", minimum=0, maximum=1, std=1, offset=offset),)
    )
    scores = np.arange(1.0, n_samples + 1)[:, None]
    calibration = Calibration.fit(scores, np.zeros_like(scores), np.ones_like(scores))
    return Predictor(schema, EchoRuntime(), calibration, build_manifest(schema, "echo", "v1"))


# Chunks


def test_no_call_of_the_runtime_takes_more_rows_than_its_memory_is_for(monkeypatch):
    predictor, calls = echo(), []
    run = predictor.runtime.run
    monkeypatch.setattr(predictor.runtime, "run", lambda *X: calls.append(len(X[0])) or run(*X))
    numeric = np.arange(10_000, dtype=np.float32)[:, None]
    outputs = predictor.run(numeric, np.zeros((10_000, 0), np.int32))
    assert calls == [4096, 4096, 1808]
    assert (outputs.value == numeric).all()
    assert outputs.spread is not None
    assert (outputs.spread == 1).all()
    assert outputs.quantiles is None


def test_rows_in_chunks_are_answered_to_the_last_bit_as_rows_at_once(built):
    predictor = Predictor.load(built)
    X = Encoder(predictor.schema).encode_rows(sample_rows(predictor.schema, 9_000, seed=5))
    whole, chunked = predictor.runtime.run(X.numeric, X.categorical), predictor.run(X.numeric, X.categorical)
    for one, other in zip(whole, chunked, strict=True):
        assert np.array_equal(one, other) if one is not None else other is None


# Load


def test_a_loaded_version_answers_as_the_one_that_was_saved(built):
    schema = build_schema()
    rows = sample_rows(schema, 100, seed=5)
    first, second = Predictor.load(built), Predictor.load(built, check=False, threads=2)
    assert (first.model_name, first.model_version, first.schema) == ("houses", "v1", schema)
    one, two = first.predict_rows(rows), second.predict_rows(rows)
    for name in ("value", "lower", "upper"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    golden = read_golden(built)
    assert first.golden(golden.rows) == golden


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_in_any_file_is_refused(folder, name):
    path = folder / name
    whole = path.read_bytes()
    for at in (0, len(whole) // 3, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(ArtifactError):
            Predictor.load(folder)
    path.write_bytes(whole)
    Predictor.load(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "folder"])
def test_a_missing_or_broken_off_file_is_refused(folder, name, damage):
    path = folder / name
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(whole[: len(whole) // 2] if damage == "half" else b"")
    with pytest.raises(ArtifactError):
        Predictor.load(folder)
    if name not in (files.PROFILE, files.GOLDEN):
        with pytest.raises(ArtifactError) as caught:
            Predictor.load(folder, check=False)
        assert "pydantic" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_keras_runtime_of_a_version_without_keras_model_is_refused(built):
    with pytest.raises(ArtifactError, match=r"Expected model\.keras"):
        Predictor.load(built, runtime="keras")


@pytest.mark.parametrize("name", ["value", "lower", "upper"])
@pytest.mark.parametrize("difference", [0.01, 1e300, float("nan")])
def test_an_altered_golden_answer_is_refused(folder, name, difference):
    def change(golden):
        golden[name][7][0] += difference

    rewrite(folder, files.GOLDEN, change)
    with pytest.raises(ArtifactError, match=f"Expected the golden rows' {name} as at training"):
        Predictor.load(folder)


def test_a_golden_answer_of_another_processor_is_accepted(folder):
    def change(golden):
        for row in golden["value"]:
            row[0] += 5e-5  # the target's deviation is 10

    rewrite(folder, files.GOLDEN, change)
    Predictor.load(folder)


def test_golden_answers_of_another_shape_are_refused(folder):
    rewrite(folder, files.GOLDEN, lambda golden: golden["value"].pop())
    with pytest.raises(ArtifactError, match=r"for each row and target\. Received: 255 for 256"):
        Predictor.load(folder)


def test_golden_rows_that_break_the_schema_are_refused(folder):
    rewrite(folder, files.GOLDEN, lambda golden: golden["rows"][0].update(rooms="five"))
    with pytest.raises(ArtifactError, match="Expected golden rows that fit the schema"):
        Predictor.load(folder)


def test_another_network_under_the_same_schema_is_refused(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_version(other, "v2", seed=1)
    shutil.copy(other / files.ONNX_MODEL, folder / files.ONNX_MODEL)
    Manifest.read(folder).write(folder)
    with pytest.raises(ArtifactError, match="golden rows"):
        Predictor.load(folder)


# Predict


def test_rows_columns_and_encoded_rows_get_the_same_answers(built):
    predictor = Predictor.load(built)
    rows = sample_rows(predictor.schema, 9)
    columns = {name: [row[name] for row in rows] for name in predictor.schema.names}
    expected = predictor.predict_rows(rows)
    for answer in (predictor.predict_columns(columns), predictor.predict(Encoder(predictor.schema).encode_rows(rows))):
        for name in ("value", "lower", "upper"):
            np.testing.assert_array_equal(getattr(answer, name), getattr(expected, name))
    assert (expected.lower < expected.value).all()
    assert (expected.value < expected.upper).all()


def test_no_rows_get_no_answers(built):
    answer = Predictor.load(built).predict_rows([])
    assert answer.value.shape == answer.lower.shape == answer.upper.shape == (0, 1)


def test_warnings_reach_the_answer_and_faults_do_not_become_one(built):
    predictor = Predictor.load(built)
    row = sample_rows(predictor.schema, 1)[0]
    answer = predictor.predict_rows([{**row, "town": "Bath", "age": 200}])
    assert [(w.field, w.kind) for w in answer.warnings] == [("age", "out_of_range"), ("town", "unseen")]
    with pytest.raises(SchemaMismatchError):
        predictor.predict_rows([{**row, "heating": "coal"}])


def test_the_level_sets_the_width_and_defaults_to_what_the_rows_can_promise():
    predictor, rows = echo(n_samples=99), [{"f0": 2.0}]
    assert predictor.default_level == 0.9
    assert predictor.predict_rows(rows).upper.tolist() == predictor.predict_rows(rows, 0.9).upper.tolist() == [[92]]
    assert predictor.predict_rows(rows, 0.5).lower.tolist() == [[-48]]
    assert echo(n_samples=3).predict_rows(rows).upper.tolist() == [[5]]
    with pytest.raises(DataError, match=r"at most 0\.99, for 99"):
        predictor.predict_rows(rows, 0.999)


def test_any_number_of_levels_may_be_asked_for():
    predictor = echo(n_samples=999)
    for i in range(1, 200):
        assert predictor.bound(i / 1000) == [i]


def test_a_target_with_an_offset_is_answered_in_float64():
    answer = echo(offset=1e9).predict_rows([{"f0": 0.5}])
    assert answer.value.dtype == answer.upper.dtype == np.float64
    assert answer.value[0, 0] == 1e9 + 0.5


def test_golden_rows_survive_json():
    predictor = echo(offset=0.1)
    golden = predictor.golden([{"f0": 0.3}, {"f0": 1e300}])
    predictor.replay(Golden.model_validate_json(golden.model_dump_json()))


def test_golden_rows_are_answered_in_pieces_as_at_once(built):
    predictor, golden, rests = Predictor.load(built), read_golden(built), []
    whole = predictor.differences(golden)
    assert predictor.differences(golden, lambda: rests.append(1)) == whole
    # After the encoding, and after each 64 rows.
    assert len(rests) == 1 + -(-len(golden.rows) // 64) > 1
    # The last piece counts as the first one does.
    golden.value[-1][0] += 1e3
    with pytest.raises(ArtifactError, match="Expected the golden rows' value as at training"):
        predictor.replay(golden, lambda: None)
    # A fault names the row among all rows.
    golden.rows[40]["nothing"] = 1
    with pytest.raises(ArtifactError, match="Row 40"):
        predictor.replay(golden, lambda: None)


def test_a_runtime_that_is_open_already_computes(built):
    runtime = EchoRuntime()
    predictor = Predictor.load(built, runtime=runtime, check=False)
    assert predictor.runtime is runtime
    assert predictor.manifest == Manifest.read(built)
