from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.errors import SchemaMismatchError
from artifact.rows.encoding import Encoder
from artifact.rows.schema import Feature, FeatureSchema, Target
from artifact.rows.texts.dates import format_of_dates, read_moment
from artifact.rows.texts.format import PLAIN, TextFormat
from artifact.rows.texts.numbers import read_number
from artifact.rows.texts.plain import SPACES, clean_text, is_marker
from artifact.rows.texts.read import read_texts
from artifact.rows.values import read_numbers
from training.table.encode import feature_values
from training.table.texts.columns import are_markers, moments, numbers, plain_texts, words

FORMATS = st.builds(
    TextFormat,
    decimal=st.sampled_from([".", ","]),
    thousands=st.sampled_from(["", ",", ".", "'", " "]),
    prefix=st.sampled_from(["", "$", "US$", "EUR"]),
    suffix=st.sampled_from(["", "m2", "%", "km/h", "€"]),
    brackets=st.booleans(),
    missing_values=st.sampled_from([(), ("-1", "gone")]),
).filter(lambda f: f.decimal != f.thousands)
LETTERS = "0123456789.,'\u2019 \u00a0\u202f\u2009-+\u2212()eE$€%mM2km/hUSEUR\t\n\x1cngainf_"
TEXTS = st.text(alphabet=LETTERS, max_size=14) | st.from_regex(
    r"[-(\u2212]?[$€]? ?[0-9]{1,3}([,.' \u00a0][0-9]{3}){0,2}([.,][0-9]{0,3})?(e[0-9])?( ?(m2|%|€))?\)?", fullmatch=True
)


@given(st.lists(TEXTS, max_size=20), FORMATS)
def test_whole_columns_are_read_as_single_texts_are(texts, text_format):
    column = pl.Series("x", texts, dtype=pl.String)
    cleaned = plain_texts(column)
    assert cleaned.to_list() == [clean_text(text) for text in texts]
    markers = text_format.missing_values
    for dates in (False, True):
        result = are_markers(cleaned, markers, dates=dates).to_list()
        assert result == [is_marker(clean_text(text), markers, dates=dates) for text in texts]
    without = text_format.model_copy(update={"missing_values": ()})
    assert numbers(cleaned, without).to_list() == [read_number(text, without) for text in texts]
    stripped = [text.strip(SPACES) for text in texts]
    assert words(column, markers).to_list() == [t if t and t not in markers else None for t in stripped]


@given(st.lists(TEXTS, max_size=12), FORMATS, st.sampled_from(["number", "boolean", "datetime", "category"]))
def test_predict_and_the_service_read_a_column_alike(texts, text_format, kind):
    feature = Feature(name="x", kind=kind, text=text_format, parts=("days",) if kind == "datetime" else ())
    values = feature_values(pl.Series("x", texts, dtype=pl.String), feature)
    by_one = read_texts(feature, texts)
    if values.dtype == pl.String and kind != "category":
        # Some text does not fit: both ways leave it to the encoder.
        assert any(isinstance(value, str) for value in by_one)
        return
    whole = values.to_numpy() if kind == "datetime" else values.to_list()
    for one, other in zip(by_one, whole, strict=True):
        missing = other is None or (kind == "datetime" and np.isnat(other))
        assert one is None if missing else one == other


@given(
    st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)).map(lambda d: d.replace(microsecond=0))
)
def test_dates_of_either_order_and_iso_are_one_moment(moment):
    micros = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    day, clock = f"{moment.day:02}/{moment.month:02}/{moment.year:04}", moment.strftime("%H:%M:%S")
    assert read_moment(f"{day} {clock}", TextFormat(order="dmy")) == micros
    assert read_moment(f"{moment.month}-{moment.day}-{moment.year:04} {clock}", TextFormat(order="mdy")) == micros
    assert read_moment(f"{moment.isoformat(sep=' ')} UTC", TextFormat(order="mdy")) == micros


def test_moments_of_a_column_are_those_of_its_texts():
    texts = ["31/12/2024", "2024-12-31", None, "31/13/2024", "31/12/2024 11:59 pm"]
    form = TextFormat(order="dmy")
    expected = [None if t is None else read_moment(t, form) for t in texts]
    assert moments(pl.Series("x", texts), form).to_physical().to_list() == expected
    assert expected[3] is None


DATES = st.from_regex(
    r"([0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-3]?[0-9][-/.][01]?[0-9][-/.](19|20)[0-9]{2})"
    r"([T x,]{0,2}[0-2]?[0-9](:[0-5][0-9]){0,2}([.][0-9]{1,7})?)?( ?(Z|UTC|pm|[+-][01][0-9]:?[03]0))?",
    fullmatch=True,
)


@given(st.lists(DATES | TEXTS, max_size=20), st.sampled_from([PLAIN, TextFormat(order="dmy"), TextFormat(order="mdy")]))
def test_days_and_times_that_are_read_apart_are_those_that_are_read_together(texts, text_format):
    cleaned = plain_texts(pl.Series("x", texts, dtype=pl.String))
    values = moments(cleaned, text_format, many=0).to_physical().to_list()
    assert values == [read_moment(text, text_format) for text in texts]


@pytest.mark.parametrize(
    "text", ["", "08:30", "2024", "3", "1/2/2024", "2024-02-30", "29 Feb 2023", "x 2024-01-01", "12 foo 2024"]
)
def test_what_is_no_date_is_none(text):
    assert read_moment(text, PLAIN) is None


@pytest.mark.parametrize(
    ("number", "epoch"),
    [("1714566600", "s"), ("1714566600000", "ms"), ("1714566600000000000", "ns"), ("45413.520833333", "excel")],
)
def test_numbers_that_count_from_an_epoch(number, epoch):
    assert read_moment(number, TextFormat(epoch=epoch)) == 1_714_566_600_000_000
    assert read_moment("2024-05-01T12:30:00Z", TextFormat(epoch=epoch)) == 1_714_566_600_000_000


@pytest.mark.parametrize("form", ["dd/mm/yyyy", "DD.MM.YYYY", "d/m/yyyy", "dmy"])
def test_a_format_of_dates_may_be_written_in_letters(form):
    assert format_of_dates(form) == TextFormat(order="dmy")
    with pytest.raises(ValueError, match="Expected a format of dates such as dd/mm/yyyy"):
        format_of_dates(f"x{form}")


def test_a_schema_without_formats_has_the_digest_that_it_always_had():
    schema = FeatureSchema(
        features=(Feature(name="a", kind="number"),), targets=(Target(name="y", minimum=0, maximum=1, std=1),)
    )
    assert "text" not in schema.model_dump_json()
    written = schema.model_copy(update={"features": (Feature(name="a", kind="number", text=TextFormat(decimal=",")),)})
    assert written.digest() != schema.digest()
    assert FeatureSchema.model_validate_json(written.model_dump_json()) == written


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("number", "50,5", "Expected a number. Send 50.5."),
        ("number", "1.234,5", "Expected a number. Send 1234.5."),
        ("integer", "(7)", "Expected an integer. Send -7."),
        ("number", "1,234", "Expected a number. Send it with a decimal point and without marks between thousands."),
        ("number", "abc", "Expected a number."),
        ("number", "n/a", "Expected a number. Send null for a missing value."),
        ("boolean", "Yes", "Expected true or false. Send true."),
        (
            "datetime",
            "23/10/2024",
            "Expected an ISO 8601 date or time, for example 2024-05-01T12:30:00Z. Send 2024-10-23.",
        ),
        ("datetime", "03/04/2024", "Expected an ISO 8601 date or time, for example 2024-05-01T12:30:00Z."),
    ],
)
def test_json_stays_strict_and_says_what_to_send(kind, value, message):
    feature = Feature(name="x", kind=kind, missing="impute", parts=("days",) if kind == "datetime" else ())
    schema = FeatureSchema(features=(feature,), targets=(Target(name="y", minimum=0, maximum=1, std=1),))
    with pytest.raises(SchemaMismatchError) as caught:
        Encoder(schema).encode_rows([{"x": value}])
    assert caught.value.faults[0].message == message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("50.5", "Expected a number. Send 50.5 in JSON; in a CSV write '50,5', as training read it."),
        ("1706.577", "Expected a number. Send 1706.577 in JSON; in a CSV write '1706,577', as training read it."),
        ("1,234.5", "Expected a number. Send 1234.5 in JSON; in a CSV write '1234,5', as training read it."),
        ("50,5", "Expected a number. Send 50.5."),
    ],
)
def test_a_text_that_is_not_as_training_read_it_is_told_how_a_csv_has_it(value, message):
    faults = []
    feature = Feature(name="x", kind="number", text=TextFormat(decimal=",", thousands="."))
    read_numbers(feature, [value], faults)
    assert [fault.message for fault in faults] == [message]
    assert read_number(message.partition("write '")[2].partition("'")[0] or value, feature.text) is not None
