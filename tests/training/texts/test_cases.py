"""Tables from the field whose columns are nearly numbers, nearly dates or nearly yes-or-no."""

import tomllib
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from artifact.errors import DataError
from artifact.rows.texts.format import TextFormat
from training.overview.inspect import inspect
from training.overview.skeleton import skeleton
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.corrections import Corrections
from training.table.data import read_table
from training.table.encode import encode_frame, with_targets
from training.table.texts.table import TableTextRules, read_texts

N = 240
RANDOM = np.random.default_rng(3)
AREA = np.round(30 + 130 * RANDOM.random(N), 1)
PRICE = np.round(2600 * AREA + 190_000 * RANDOM.random(N))
DAYS = [datetime(2023, 1, 2, tzinfo=UTC) + timedelta(days=int(d)) for d in RANDOM.integers(0, 900, N)]


def prepared(columns, *, target="price", corrections=None, **options):
    """A table of texts as a CSV file has it, with a price unless there is one."""
    texts = {name: [None if v is None else str(v) for v in values] for name, values in columns.items()}
    if target == "price":
        texts.setdefault("price", [str(v) for v in PRICE])
    checked = Corrections.model_validate(corrections or {})
    request = Request("t.csv", (target,), "m", TrainConfig(preset="fast"), corrections=checked, **options)
    return prepare(pl.DataFrame(texts), request)


def with_some(values, *some):
    """The values with some others in their place, from the fifth on."""
    values = list(values)
    values[4 : 4 + len(some)] = some
    return values


def only(result, name="x"):
    return result.schema.feature(name)


def note_on(result, name):
    notes = [note for note in result.notes if f"'{name}'" in note]
    assert len(notes) == 1, result.notes
    return notes[0]


def test_case_03_a_marker_among_numbers_is_missing_and_told():
    result = prepared({"x": with_some(AREA, "#N/A", "#N/A"), "rooms": with_some(RANDOM.integers(1, 8, N), "<NA>")})
    assert (only(result).kind, only(result).missing, only(result).text) == ("number", "impute", None)
    assert only(result, "rooms").kind == "integer"
    assert "2 values count as missing: '#N/A' (2 times)" in note_on(result, "x")
    assert "1 value counts as missing: '<NA>'" in note_on(result, "rooms")
    assert np.isnan(result.X.numeric[4:6, 0]).all()


@pytest.mark.parametrize(
    "marker", ["NaT", r"\N", "--", "#DIV/0!", "#VALUE!", "#REF!", " #n/a ", "(null)", "\u2014", "unknown"]
)
def test_neighbours_of_case_03_markers_of_other_programs(marker):
    result = prepared({"x": with_some(AREA, marker)})
    assert (only(result).kind, only(result).missing) == ("number", "impute")
    assert marker.strip() in note_on(result, "x")


def test_case_03b_a_marker_in_the_target_is_named_and_its_row_left_out():
    result = prepared({"x": AREA, "price": with_some(PRICE, "#DIV/0!")})
    assert len(result.y) == N - 1
    assert "'#DIV/0!'" in note_on(result, "price")


def test_case_03b_what_is_no_number_in_a_target_is_shown_with_its_count():
    with pytest.raises(DataError) as caught:
        prepared({"x": AREA, "price": with_some(PRICE, "sold", "sold", "POA")})
    message = str(caught.value)
    assert message.startswith(
        "Expected a target of numbers. Received: 'price' with 3 of 240 values that are not numbers"
    )
    assert "'sold' (2 times), 'POA'" in message
    assert 'targets.price.missing_values = ["sold", "POA"]' in message
    with pytest.raises(DataError, match=r"240 of 240 values that are not numbers, such as 'a' \(120 times\), 'b'"):
        prepared({"x": AREA, "price": ["a", "b"] * 120})
    corrections = {"targets": {"price": {"missing_values": ["sold", "POA"]}}}
    assert (
        len(prepared({"x": AREA, "price": with_some(PRICE, "sold", "sold", "POA")}, corrections=corrections).y) == N - 3
    )


def test_case_03c_markers_among_dates_are_missing():
    result = prepared({"x": with_some([f"{d:%Y-%m-%d}" for d in DAYS], "NaT", "0000-00-00")})
    assert (only(result).kind, only(result).missing) == ("datetime", "impute")
    assert any("'NaT'" in note for note in result.notes)
    assert any("0000-00-00" in note for note in result.notes)


def test_case_01_a_decimal_comma_is_read_and_told():
    result = prepared({"x": [str(v).replace(".", ",") for v in AREA], "factor": ["1,0", "1,5", "0,5"] * 80})
    assert only(result).text == TextFormat(decimal=",")
    assert only(result, "factor").kind == "number"
    np.testing.assert_array_equal(result.X.numeric[:, 0], AREA.astype(np.float32))
    assert "decimal comma" in note_on(result, "x")


def test_case_01b_a_target_with_two_readings_is_refused_with_both_and_the_way_out():
    price = [f"{v / 1000:.3f}".replace(".", ",") for v in PRICE]
    with pytest.raises(DataError, match=r"'Preis' with '[0-9]+,[0-9]{3}', which is .* or .*; both fit all its 240"):
        prepared({"x": AREA, "Preis": price}, target="Preis")
    for corrections, factor in (({"decimal": ","}, 1000), ({"targets": {"Preis": {"thousands": ","}}}, 1)):
        result = prepared({"x": AREA, "Preis": price}, target="Preis", corrections=corrections)
        np.testing.assert_allclose(result.y[:, 0] + result.schema.targets[0].offset, PRICE / factor)


def test_case_02_thousands_that_may_be_decimals_are_not_guessed():
    feet = [f"{v:,.0f}" for v in AREA * 10]
    with pytest.raises(DataError, match=r"features\.sqft\.thousands = \",\" or features\.sqft\.decimal = \",\""):
        prepared({"sqft": feet})
    result = prepared({"sqft": feet}, corrections={"thousands": ","})
    np.testing.assert_array_equal(result.X.numeric[:, 0], np.round(AREA * 10).astype(np.float32))


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        (["1.234,5", "950"], 1234.5),
        (["1,234.5", "950"], 1234.5),
        (["1'234.5", "1\u2019950"], 1234.5),
        (["1 234,5", "950"], 1234.5),
        (["1\u00a0234,5", "950"], 1234.5),
        (["1\u202f234", "950"], 1234.0),
        (["1,234,567", "950"], 1234567.0),
        (["12,34,567", "950"], 1234567.0),
    ],
)
def test_neighbours_of_case_02_marks_with_one_reading_are_read(texts, value):
    result = prepared({"x": texts * 120})
    assert result.frame["x"][0] == value
    assert "is read as numbers with" in note_on(result, "x")


def test_a_point_before_three_digits_is_a_decimal_one_unless_the_user_says_otherwise():
    texts = [f"{v / 1000:.3f}" for v in np.round(AREA * 100)]
    result = prepared({"x": texts})
    assert result.frame["x"][0] == float(texts[0])
    assert 'features.x.thousands = "."' in note_on(result, "x")
    assert prepared({"x": texts}, corrections={"thousands": "."}).frame["x"][0] == float(texts[0]) * 1000
    # Fewer digits in one value leave no doubt.
    assert not [n for n in prepared({"x": with_some(texts, "1.5")}).notes if "'x'" in n]


def test_case_02b_units_and_currencies_are_read_where_each_value_has_them():
    result = prepared(
        {
            "area": [f"{v:.0f} m2" for v in AREA],
            "share": [f"{v:.0f}%" for v in AREA % 30],
            "fee": [f"${v * 50:,.2f}" for v in AREA],
        }
    )
    assert [f.kind for f in result.schema.features] == ["integer", "integer", "number"]
    assert [f.text.prefix + f.text.suffix for f in result.schema.features] == ["m2", "%", "$"]
    np.testing.assert_allclose(result.frame["fee"], AREA * 50)
    assert "the unit 'm2'" in note_on(result, "area")


def test_neighbours_of_case_02b_units_that_differ_or_are_unknown_are_named():
    mixed = prepared({"x": with_some([f"{v:.1f} m2" for v in AREA], "800 sqft", "12.5")})
    assert only_left_out(mixed, "x")
    assert "'800 sqft'" in note_with(mixed, "stays text")
    unknown = prepared({"drive": ["4WD", "2WD"] * 120})
    assert only(unknown, "drive").kind == "category"
    assert 'features.drive.kind = "number"' in note_on(unknown, "drive")
    corrections = {"features": {"drive": {"kind": "number"}}}
    assert prepared({"drive": ["4WD", "2WD"] * 120}, corrections=corrections).frame["drive"].to_list()[:2] == [4, 2]


def only_left_out(result, name):
    return name not in result.schema.names or result.schema.feature(name).kind == "category"


def note_with(result, words):
    notes = [note for note in result.notes if words in note]
    assert len(notes) == 1, result.notes
    return notes[0]


def test_case_22_and_22b_signs_and_brackets_are_read():
    result = prepared(
        {"temp": ["11", "\u22122", "\u221214", "3"] * 60, "net": ["17", "(8)", "(1,250.5)", "$5"[1:]] * 60}
    )
    assert result.frame["temp"].to_list()[:4] == [11, -2, -14, 3]
    assert result.frame["net"].to_list()[:4] == [17, -8, -1250.5, 5]
    assert "minus sign" in note_on(result, "temp")
    assert "brackets" in note_on(result, "net")


def test_words_among_numbers_are_named_with_the_line_that_helps():
    result = prepared({"x": with_some(AREA, "n. bek.", "n. bek.", "gone")})
    note = note_with(result, "stays text")
    assert "though 237 of its 240 values are numbers: 3 are not, such as 'n. bek.' (2 times), 'gone'" in note
    corrections = {"features": {"x": {"missing_values": ["n. bek.", "gone"]}}}
    again = prepared({"x": with_some(AREA, "n. bek.", "n. bek.", "gone")}, corrections=corrections)
    assert (only(again).kind, only(again).missing) == ("number", "impute")
    with pytest.raises(DataError, match=r"kind = \"number\".*3 of 240 values that are not numbers"):
        prepared(
            {"x": with_some(AREA, "n. bek.", "n. bek.", "gone")}, corrections={"features": {"x": {"kind": "number"}}}
        )


def test_case_04_and_04k_day_before_month_is_read_where_some_value_shows_it():
    texts = [f"{d:%d/%m/%Y}" for d in DAYS]
    for corrections in ({}, {"features": {"x": {"kind": "datetime"}}}):
        result = prepared({"x": texts}, corrections=corrections)
        assert (only(result).kind, only(result).text) == ("datetime", TextFormat(order="dmy"))
        assert result.frame["x"].to_list() == [d.replace(tzinfo=None) for d in DAYS]
        assert "(dd/mm/yyyy)" in note_on(result, "x")


@pytest.mark.parametrize(
    "form", ["%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%d %b %Y", "%B %d, %Y"]
)
def test_neighbours_of_case_04_other_orders_and_forms(form):
    result = prepared({"x": [d.strftime(form) for d in DAYS]})
    assert result.frame["x"].to_list() == [d.replace(tzinfo=None) for d in DAYS]


def test_dates_with_two_readings_are_refused_with_both_and_the_option_that_decides():
    texts = [f"{1 + d.day % 12:02}/{d.month:02}/{d.year}" for d in DAYS]
    with pytest.raises(DataError, match=r"\(dd/mm/yyyy\) or .*\(mm/dd/yyyy\).*format = .*--date-format"):
        prepared({"x": texts})
    months = {}
    for form in ("dd/mm/yyyy", "mm/dd/yyyy", "%d/%m/%Y"):
        result = prepared({"x": texts}, corrections={"features": {"x": {"format": form}}})
        months[form] = result.frame["x"].dt.month().to_list()
    assert months["dd/mm/yyyy"] == months["%d/%m/%Y"] == [d.month for d in DAYS]
    assert months["mm/dd/yyyy"] == [1 + d.day % 12 for d in DAYS]
    assert (
        prepared({"x": texts}, corrections={"format": "dd/mm/yyyy"}).frame["x"].dt.month().to_list()
        == months["%d/%m/%Y"]
    )


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d %H:%M:%S UTC", "%Y%m%dT%H%M%S", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d %H:%M:%S +0000"]
)
def test_case_04b_04c_26b_variants_of_iso_dates_are_read(form):
    result = prepared({"x": [d.strftime(form) for d in DAYS]})
    assert (only(result).kind, only(result).text) == ("datetime", None)
    assert result.frame["x"].to_list() == [d.replace(tzinfo=None) for d in DAYS]


def test_case_26_a_word_among_dates_is_named_or_missing():
    texts = [f"{d.year}-{d.month}-{d.day}" for d in DAYS]
    assert only(prepared({"x": with_some(texts, "unknown")})).missing == "impute"
    note = note_with(prepared({"x": with_some(texts, "last year")}), "stays text")
    assert "239 of its 240 values are dates: 1 is not, such as 'last year'" in note


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
@pytest.mark.parametrize("typed", [False, True])
def test_case_04d_numbers_as_dates_need_a_unit(unit, factor, typed):
    numbers = [int(d.timestamp()) * factor for d in DAYS]
    table = pl.DataFrame({"x": numbers if typed else [str(n) for n in numbers], "price": PRICE})

    def prepare_dates(**keys):
        corrections = Corrections.model_validate({"features": {"x": {"kind": "datetime", **keys}}})
        return prepare(table, Request("t", ("price",), "m", TrainConfig(preset="fast"), corrections=corrections))

    with pytest.raises(DataError, match=rf'They look like features\.x\.unit = "{unit}"'):
        prepare_dates()
    result = prepare_dates(unit=unit)
    assert result.frame["x"].to_list() == [d.replace(tzinfo=None) for d in DAYS]
    assert (only(result).text, only(result).unit) == (TextFormat(epoch=unit), None)


def test_neighbours_of_case_04d_days_of_excel_and_dates_of_digits():
    excel = [(d - datetime(1899, 12, 30, tzinfo=UTC)).days for d in DAYS]
    digits = [f"{d:%Y%m%d}" for d in DAYS]
    for values, corrections in ((excel, {"unit": "excel"}), (digits, {"format": "%Y%m%d"})):
        result = prepared({"x": values}, corrections={"features": {"x": {"kind": "datetime", **corrections}}})
        assert result.frame["x"].to_list() == [d.replace(tzinfo=None) for d in DAYS]
    with pytest.raises(DataError, match=r"240 of 240 values that are not dates, such as"):
        prepared({"x": AREA}, corrections={"features": {"x": {"kind": "datetime", "format": "%Y%m%d"}}})
    table = pl.DataFrame({"x": AREA, "price": PRICE})
    corrections = Corrections.model_validate({"features": {"x": {"kind": "datetime", "format": "%Y%m%d"}}})
    with pytest.raises(DataError, match=r"each number of 'x' to be a moment .* 240 of 240"):
        prepare(table, Request("t", ("price",), "m", TrainConfig(preset="fast"), corrections=corrections))


def test_case_23_times_of_day_are_named():
    result = prepared({"start": [f"{8 + i % 9:02}:30" for i in range(N)]})
    assert "240 of its 240 values are times of day" in note_on(result, "start")


def test_years_of_two_digits_are_named_and_read_by_a_format():
    texts = [f"{d:%d/%m/%y}" for d in DAYS]
    assert 'format = "dd/mm/yy"' in note_with(prepared({"x": texts}), "two digits")
    result = prepared({"x": texts}, corrections={"features": {"x": {"format": "dd/mm/yy"}}})
    assert result.frame["x"].to_list() == [d.replace(tzinfo=None) for d in DAYS]


def test_case_21_yes_and_no_in_several_ways_are_read():
    result = prepared({"garden": ["Y", " Y", "y", "N"] * 60, "pool": ["yes", "No", "no", "YES"] * 60})
    assert [f.kind for f in result.schema.features] == ["boolean", "boolean"]
    assert result.frame["garden"].to_list()[:4] == [True, True, True, False]
    assert "is read as yes or no" in note_on(result, "garden")


def test_yes_and_no_written_one_way_stay_categories_unless_asked():
    assert only(prepared({"x": ["yes", "no"] * 120})).kind == "category"
    result = prepared({"x": ["yes", "no"] * 120}, corrections={"features": {"x": {"kind": "boolean"}}})
    assert result.frame["x"].to_list()[:2] == [True, False]
    nearly = prepared({"x": with_some(["true", "false"] * 120, "perhaps")})
    assert "'perhaps'" in note_with(nearly, "stays text")


def test_case_28_spaces_around_words_do_not_count():
    result = prepared({"town": ["Alma", "Alma ", " Alma", "Brod\u00a0"] * 60})
    assert only(result, "town").categories == ("Alma", "Brod")


def test_case_25_and_27_zip_codes_and_words_stay_what_they_are():
    result = prepared({"zip": ["94105", "02139", "10001-1234"] * 80, "heat": ["oil", "None", "NA", "?"] * 60})
    assert [f.kind for f in result.schema.features] == ["category", "category"]
    assert set(only(result, "heat").categories) == {"oil", "None", "NA", "?"}
    assert not [note for note in result.notes if "'zip'" in note or "'heat'" in note]


def test_case_05_rows_are_ordered_by_their_dates_whatever_their_form():
    parts = {}
    for form in ("%d/%m/%Y", "%Y-%m-%d"):
        result = prepared({"x": AREA, "sold": [d.strftime(form) for d in DAYS]}, time="sold")
        parts[form] = {name: rows.tolist() for name, rows in result.plan.parts._asdict().items()}
        assert "UTC" in note_with(result, "are ordered by 'sold'")
    assert parts["%d/%m/%Y"] == parts["%Y-%m-%d"]
    newest = min(DAYS[i] for i in parts["%d/%m/%Y"]["test"])
    assert all(DAYS[i] <= newest for name in ("train", "validation") for i in parts["%d/%m/%Y"][name])


def test_point_6_a_time_that_is_none_is_refused_in_one_sentence():
    with pytest.raises(DataError, match="Expected --time to be a column of dates or numbers"):
        prepared({"x": AREA, "sold": ["early", "late", "later"] * 80}, time="sold")


def test_what_was_decided_reads_new_tables_of_the_same_and_of_plain_form(tmp_path):
    result = prepared(
        {
            "area": [str(v).replace(".", ",") for v in AREA],
            "sold": [f"{d:%d/%m/%Y}" for d in DAYS],
            "ok": ["Y", "y", "n", "N"] * 60,
            "net": with_some(["(7)", "8"] * 120, "#N/A"),
        },
        target="price",
    )
    path = tmp_path / "new.csv"
    path.write_text(
        'area;sold;ok;net;price\n"50,5";03/04/2024;Y;(7);1\n60;2024-04-03;no;#REF!;#N/A\n', encoding="utf-8"
    )
    new = read_table(str(path), as_text=[*result.schema.names, "price"])
    X = encode_frame(new, result.schema.lenient())
    assert X.numeric[:, 0].tolist() == [50.5, 60]
    assert X.numeric[0, 1] == X.numeric[1, 1]
    assert X.numeric[:, -2:].tolist()[0] == [1, -7]
    assert with_targets(new, result.schema)["price"].to_list() == [1, None]


def test_clean_tables_give_the_same_schema_without_a_note():
    result = prepared(
        {"a": AREA, "n": [v % 97 for v in range(N)], "d": [f"{d:%Y-%m-%d}" for d in DAYS], "b": ["true", "False"] * 120}
    )
    assert [f.kind for f in result.schema.features] == ["number", "integer", "datetime", "boolean"]
    assert all(f.text is None for f in result.schema.features)
    assert result.notes == []
    assert "text" not in result.schema.model_dump_json()


def test_what_the_command_line_says_holds_for_all_columns_and_goes_before_the_file():
    file = Corrections.model_validate({"decimal": ".", "features": {"x": {"thousands": ","}}})
    corrections = file.with_rules(decimal=",", thousands=None, missing_values=("gone",), format=None)
    assert (corrections.decimal, corrections.missing_values, corrections.features["x"].thousands) == (
        ",",
        ("gone",),
        ",",
    )
    with pytest.raises(DataError, match="different marks"):
        Corrections().with_rules(decimal=",", thousands=",")
    with pytest.raises(DataError, match="decimal"):
        Corrections().with_rules(decimal=";")
    with pytest.raises(DataError, match=r"(?i)expected a format of dates such as dd/mm/yyyy"):
        Corrections().with_rules(format="dd-what")


def test_a_skeleton_of_schema_toml_says_how_texts_are_written_and_changes_nothing():
    columns = {
        "area": [str(v).replace(".", ",") for v in AREA],
        "fee": [f"{v * 50:,.0f}" for v in AREA],
        "sold": [f"{1 + d.day % 12:02}/{d.month:02}/{d.year}" for d in DAYS],
        "at": [int(d.timestamp()) for d in DAYS],
        "odd": with_some(AREA, "gone"),
    }
    corrections = {
        "features": {
            "fee": {"thousands": ","},
            "sold": {"format": "mm/dd/yyyy"},
            "at": {"kind": "datetime", "unit": "s"},
            "odd": {"missing_values": ["gone"]},
        }
    }
    result = prepared(columns, corrections=corrections)
    toml = skeleton("t.csv", result.schema.features, result.schema.targets, [])
    again = prepared(columns, corrections=tomllib.loads(toml))
    assert again.schema == result.schema


def test_a_later_table_is_read_as_the_earlier_version_was():
    days = [f"{1 + d.day % 12:02}/{d.month:02}/{d.year}" for d in DAYS]
    frame = pl.DataFrame({"sold": days, "fee": ["1,234", "950"] * 120})
    formats = {"sold": TextFormat(order="mdy"), "fee": TextFormat(decimal=",")}
    result = read_texts(frame, TableTextRules(Corrections(), formats=formats))
    assert result.formats == formats
    assert result.frame["fee"][0] == 1.234
    assert read_texts(frame, TableTextRules(Corrections(thousands=","), formats=formats)).frame["fee"][0] == 1234


WHOLE = np.round(AREA * 10).astype(int)
GERMAN_THOUSANDS = [f"{v:,}".replace(",", ".") for v in WHOLE]


@pytest.mark.parametrize(
    "texts",
    [GERMAN_THOUSANDS, with_some(["1.250"] * N, "950"), with_some([f"-{v % 9 + 1}.125" for v in range(N)], "0")],
)
def test_neighbours_of_case_02_a_point_before_three_digits_beside_whole_numbers_is_asked_for(texts):
    with pytest.raises(DataError, match=r"one reading.*'x'.* both fit .*features\.x\.thousands = \"\.\""):
        prepared({"x": texts})
    plain = prepared({"x": texts}, corrections={"features": {"x": {"decimal": "."}}})
    assert plain.frame["x"].to_list() == [float(v) for v in texts]
    marked = prepared({"x": texts}, corrections={"features": {"x": {"thousands": "."}}})
    assert marked.frame["x"].to_list() == [int(v.replace(".", "")) for v in texts]


def test_neighbours_of_case_02_another_column_with_decimal_commas_makes_a_point_doubtful():
    texts = [f"{v // 1000 + 1}.{v % 1000:03d}" for v in WHOLE]
    assert prepared({"x": texts, "y": [f"{v:.1f}" for v in AREA]}).frame["x"].to_list() == [float(v) for v in texts]
    for other in ([f"{v:.1f}".replace(".", ",") for v in AREA], [f"1.{v % 1000:03d}.250" for v in WHOLE]):
        with pytest.raises(DataError, match=r"one reading\. Received: 'x' with '[0-9.]+', which is"):
            prepared({"x": texts, "y": other})
        # As the user says it is.
        assert prepared({"x": texts, "y": other}, corrections={"features": {"x": {"decimal": "."}}})
    # A target too, and a comma in it.
    with pytest.raises(DataError, match=r"'price' .*targets\.price\.thousands"):
        prepared({"price": texts, "y": [f"{v:.1f}".replace(".", ",") for v in AREA]})
    with pytest.raises(DataError, match=r"one reading\. Received: 'x'"):
        prepared({"price": [f"{v:.1f}".replace(".", ",") for v in AREA], "x": texts})


@pytest.mark.parametrize(
    ("texts", "beside"),
    [
        ([f"{v:.0f}%" if i % 3 else f"{v / 100:.3f}" for i, v in enumerate(AREA)], "160 values have '%'"),
        (["1.2k", "950"] * 120, "120 values have 'k'"),
        (["$1.2M", "$950"] * 120, "120 values have '$ M'"),
        (["1.2 Mio €", "3.4"] * 120, "120 values have 'Mio €'"),
    ],
)
def test_neighbours_of_case_02b_a_factor_beside_some_values_is_no_unit(texts, beside):
    corrections = {"features": {"x": {"kind": "number"}}}
    note = note_with(prepared({"x": texts}), "stays text")
    assert beside in note
    assert "Write all of them in one unit" in note
    assert "kind" not in note
    with pytest.raises(DataError, match=r"Expected numbers in one unit\. Received: 'x'"):
        prepared({"x": texts}, corrections=corrections)
    with pytest.raises(DataError, match=r"Expected numbers in one unit\. Received: 'price'"):
        prepared({"price": texts, "x": AREA})
    # Where each value has it, the column is in that unit; and other units change nothing.
    assert prepared({"price": [f"{v}k" for v in AREA], "x": AREA}).y.max() > 30
    euros = prepared({"price": [f"{v} €" if i % 2 else v for i, v in enumerate(PRICE)], "x": AREA})
    assert len(euros.y) == N


def test_short_years_are_proposed_in_the_order_that_the_values_show():
    for form, order in (("%d/%m/%y", "dd/mm/yy"), ("%-m/%-d/%y", "mm/dd/yy"), ("%d.%m.%y", "dd.mm.yy")):
        texts = [f"{d:{form}}" for d in DAYS]
        note = note_with(prepared({"x": texts}), "year of two digits")
        assert note.endswith(f'features.x.format = "{order}".')
        result = prepared({"x": texts}, corrections={"features": {"x": {"format": order}}})
        assert result.frame["x"].to_list() == [d.replace(tzinfo=None) for d in DAYS]
    both = note_with(prepared({"x": ["03/04/24", "05/06/24"] * 120}), "year of two digits")
    assert both.endswith('features.x.format = "dd/mm/yy" or features.x.format = "mm/dd/yy".')


def test_values_that_are_written_otherwise_are_not_proposed_as_missing():
    codes = [f"{v:.0f}-" if i % 3 == 0 else f"{v:.0f}" for i, v in enumerate(AREA)]
    limits = [f"<{v:.0f}" if i % 3 == 0 else f"{v:.0f}" for i, v in enumerate(AREA)]
    orders = [f"{d:%d/%m/%Y}" if i % 3 else f"{d:%m/%d/%Y}" for i, d in enumerate(DAYS)]
    for texts in (codes, limits, orders):
        note = note_with(prepared({"x": texts, "y": AREA}), "stays text")
        assert "Write them as the others are written" in note
        assert 'missing_values = ["..."]' in note
    with pytest.raises(DataError, match="Write them as the others are written"):
        prepared({"price": codes, "x": AREA})
    # Where no other feature is left, the reason is not lost.
    with pytest.raises(DataError, match=r"usable feature\. Received: Column 'x' stays text.*identifier \([^()]+\)\.$"):
        prepared({"x": orders})


def test_inspect_shows_a_table_whose_column_does_not_fit_its_kind_and_says_why_once(tmp_path):
    path = tmp_path / "t.csv"
    rows = "".join(f"{v} {'cm' if i % 2 else 'm'},{p}\n" for i, (v, p) in enumerate(zip(AREA, PRICE, strict=True)))
    path.write_text("x,price\n" + rows, encoding="utf-8")
    corrections = Corrections.model_validate({"features": {"x": {"kind": "number", "minimum": 0}}})
    result = inspect(Request(str(path), ("price",), "m", corrections=corrections))
    assert [column.name for column in result.overview.columns] == ["x", "price"]
    assert "120 of 240 values that are not numbers" in str(result.refusal)
    assert not [alert for alert in result.overview.alerts if alert.sentence in str(result.refusal)]


def test_a_target_of_dates_is_shown_as_people_write_them():
    frame = pl.DataFrame({"x": AREA, "price": DAYS})
    with pytest.raises(DataError, match=r"'price' with dates or times, such as 20[0-9-]{8}.* days since") as caught:
        prepare(frame, Request("t.parquet", ("price",), "m"))
    assert "datetime" not in str(caught.value)


@pytest.mark.parametrize("form", ["%Y-%d-%m", "%Y-%j", "%Y/%m", "%d.%m.%Y %H:%M Uhr", "%Y/%d/%m %H:%M"])
def test_dates_in_a_form_that_is_not_known_are_named_and_the_format_reads_them(form):
    texts = [f"{d:{form}}" for d in DAYS]
    note = note_with(prepared({"x": texts, "y": AREA}), "look like dates")
    assert repr(max(texts)) in note
    assert f'features.x.format = "{form[:8].strip()}"' in note
    result = prepared({"x": texts}, corrections={"features": {"x": {"format": form}}})
    assert result.frame["x"].to_list() == [datetime.strptime(text, form) for text in texts]


@pytest.mark.parametrize(
    "texts", [["10.0.0.1", "10.0.19.2", "10.20.1999.1"], ["1.20.3", "4.5.6", "v2"], ["2023", "2024", "x"]]
)
def test_addresses_and_versions_look_like_no_dates(texts):
    assert not [n for n in prepared({"x": texts * 80, "y": AREA}).notes if "look like dates" in n]


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", "\u2060", " \u200b\u00a0"])
def test_what_is_not_seen_around_a_value_does_not_count(unseen):
    days = [f"{d:%Y-%m-%d}{unseen}" for d in DAYS]
    result = prepared({"x": [f"{unseen}{v}" for v in AREA], "d": days, "t": [f"a{unseen}", "a"] * (N // 2)})
    assert [(f.name, f.kind) for f in result.schema.features] == [("x", "number"), ("d", "datetime")]
    assert result.frame["x"].to_list() == list(AREA)


@pytest.mark.parametrize(
    ("texts", "beside"),
    [
        ([f"{v} m" if i % 2 else f"{v * 100:.0f} cm" for i, v in enumerate(AREA)], "120 values have 'cm'"),
        ([f"${v}" if i % 2 else f"€{v}" for i, v in enumerate(AREA)], "120 values have '€'"),
        ([f"{v} {('kg', 'lbs', 'oz')[i % 3]}" for i, v in enumerate(AREA)], "80 values have 'lbs'"),
    ],
)
def test_neighbours_of_case_02b_units_that_differ_are_counted(texts, beside):
    note = note_with(prepared({"x": texts, "y": AREA}), "stays text")
    assert beside in note
    assert "Write all of them in one unit" in note


def test_marks_of_options_are_told_from_the_sentence_s_own():
    for mark in (",", "."):
        with pytest.raises(DataError, match=rf"by --thousands '\{mark}' or --decimal '\{mark}'\.$"):
            prepared({"x": [f"1{mark}250", "950"] * 120})
