import math
import time

import numpy as np
import pytest

from artifact.errors import FAULT_LIMIT, SchemaMismatchError
from artifact.rows.encoding import Encoder
from artifact.rows.values import DictionaryColumn
from tests.artifact.encoders import encode, encoder_of, faults
from tests.builders import build_schema, plain_features


@pytest.mark.parametrize("checked", [False, True])
def test_infinities_and_integers_beyond_float64_are_faults(checked):
    encoder = encoder_of("number", missing="impute")
    rows = [{"x": v} for v in (math.inf, 1.0, -math.inf, 10**400, None)]
    with pytest.raises(SchemaMismatchError, match=r"Row 0, 'x': Expected a finite number\. .*\(2 more\)") as caught:
        encoder.encode_rows(rows, checked=checked)
    assert [f.row for f in caught.value.faults] == [0, 2, 3]


@pytest.mark.parametrize("kind", ["number", "integer", "boolean", "datetime"])
@pytest.mark.parametrize("nothing", [None, math.nan, np.float32("nan")])
def test_a_missing_number_is_nan_or_refused(kind, nothing):
    assert np.isnan(encode(encoder_of(kind, missing="impute"), nothing)).all()
    assert faults(encoder_of(kind), nothing) == [(0, "missing")]


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_a_missing_category_is_code_0_or_refused(nothing):
    assert encode(encoder_of("category", missing="impute"), nothing) == [0]
    assert faults(encoder_of("category"), nothing) == [(0, "missing")]


def test_a_wrong_type_is_not_reported_as_missing_too():
    assert faults(encoder_of("number"), "x", None) == [(0, "type"), (1, "missing")]
    assert faults(encoder_of("category"), 5, None) == [(0, "type"), (1, "missing")]
    assert faults(encoder_of("datetime"), "soon", None) == [(0, "type"), (1, "missing")]


def test_a_value_out_of_range_is_answered_with_a_warning_or_refused():
    row = encoder_of("number", minimum=0, maximum=10).encode_rows([{"x": 11}, {"x": 10}, {"x": -0.5}])
    assert [(w.row, w.field, w.kind) for w in row.warnings] == [(0, "x", "out_of_range"), (2, "x", "out_of_range")]
    assert row.warnings[0].message == "'x' = 11 is outside the training range [0, 10]."
    assert faults(encoder_of("number", minimum=0, maximum=10, out_of_range="refuse"), 11, 10) == [(0, "range")]


def test_half_a_range_and_one_constant_value_are_ranges():
    message = encoder_of("number", maximum=1).encode_rows([{"x": 2}, {"x": -1e308}]).warnings[0].message
    assert message.endswith("[unbounded, 1].")
    assert len(encoder_of("number", minimum=3, maximum=3).encode_rows([{"x": 3}, {"x": 3.5}]).warnings) == 1


def test_an_unseen_category_is_other_or_refused_with_the_nearest_first():
    other = encoder_of("category", categories=("Leeds", "York"))
    answer = other.encode_columns({"x": np.array(["York", "Yorkk"])})
    assert answer.categorical.ravel().tolist() == [3, 1]
    assert answer.warnings[0].message == "'x' = 'Yorkk' was not seen in training; answered as 'other'."
    with pytest.raises(SchemaMismatchError, match=r"Unknown category 'Yorkk' of 'x'\. There are: 'York', 'Leeds'"):
        encode(encoder_of("category", categories=("Leeds", "York"), unseen="refuse"), "York", "Yorkk")


def test_faults_come_in_row_order_and_stop_at_the_limit():
    encoder = Encoder(build_schema(plain_features(2)))
    with pytest.raises(SchemaMismatchError) as caught:
        encoder.encode_rows([{"f0": 1.0}, {"f0": "x"}])
    assert [(f.row, f.field) for f in caught.value.faults] == [(0, "f1"), (1, "f0"), (1, "f1")]
    for rows in ([{}] * 2000, [{"f0": "x"}] * 2000, [{"z": 1}] * 2000):
        with pytest.raises(SchemaMismatchError, match=r"\(999 more\)") as caught:
            encoder.encode_rows(rows)
        assert len(caught.value.faults) == FAULT_LIMIT


def test_refusing_many_unseen_categories_does_not_compare_them_all():
    names = tuple(f"a category with a long name, number {i}" for i in range(1000))
    encoder = encoder_of("category", categories=names, unseen="refuse")
    # Processor time: other work on the machine does not count.
    began = time.process_time()
    assert (
        len(faults(encoder, *(f"a katagory with a long name, numbr {i % 150}" for i in range(20_000)))) == FAULT_LIMIT
    )
    # Comparing each with all would take minutes.
    assert time.process_time() - began < 10


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("unseen", ["other", "refuse"])
def test_a_rare_category_is_answered_with_a_warning_of_its_own(checked, unseen):
    encoder = encoder_of("category", categories=("Leeds",), rare=("Ely", "Wells"), unseen=unseen)
    for answer in (
        encoder.encode_rows([{"x": "Wells"}, {"x": "Leeds"}], checked=checked),
        encoder.encode_columns({"x": np.array(["Wells", "Leeds"])}, checked=checked),
        encoder.encode_columns({"x": DictionaryColumn(np.array([1, 0]), ["Leeds", "Wells"])}),
    ):
        assert answer.categorical.ravel().tolist() == [1, 2]
        (warning,) = answer.warnings
        assert (warning.row, warning.field, warning.kind) == (0, "x", "rare")
        assert warning.message == "'x' = 'Wells' was rare in training; answered as 'other'."


def test_only_what_never_stood_in_the_table_is_unseen():
    encoder = encoder_of("category", categories=("Leeds",), rare=("Ely",))
    kinds = [w.kind for w in encoder.encode_rows([{"x": "Ely"}, {"x": "ely"}, {"x": "Oslo"}]).warnings]
    assert kinds == ["rare", "unseen", "unseen"]
    assert faults(encoder_of("category", categories=("Leeds",), rare=("Ely",), unseen="refuse"), "Ely", "Oslo") == [
        (1, "unseen")
    ]


def test_beyond_the_rare_categories_that_are_kept_the_message_says_so():
    encoder = encoder_of("category", categories=("Leeds",), rare=("Ely",), rare_left=4100)
    (warning,) = encoder.encode_rows([{"x": "Bath"}]).warnings
    assert warning.kind == "unseen"
    assert "or is one of 4,100 rare categories that are not kept by name" in warning.message
