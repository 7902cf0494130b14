"""What is said of a table before anything is trained."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from artifact.errors import DataError
from tests.processes import ROOT
from training.overview.alerts import feature_alerts, number_alerts
from training.overview.columns import described
from training.overview.inspect import inspect
from training.overview.pairs import correlations, pair_alerts
from training.overview.skeleton import quoted
from training.prepare.bounds import Bounds
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.table.corrections import Corrections
from training.table.data import read_table


def request(path, *targets, **options):
    return Request(data=str(path), targets=targets, name="m", **options)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def houses(rng, n=200):
    area = rng.uniform(30, 160, n).round(1)
    return pl.DataFrame(
        {
            "ref": [f"H{i}" for i in range(n)],
            "town": rng.choice(["Alma", "Brod", "Cern"], n),
            "area": area,
            "rooms": rng.integers(1, 8, n),
            "garden": rng.random(n) < 0.5,
            "sold": [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)],
            "country": ["UK"] * n,
            "price": (3000 * area + rng.normal(0, 2e4, n)).round(),
        }
    )


def kinds(inspected):
    return {(alert.kind, alert.columns) for alert in inspected.overview.alerts}


# Columns


def test_a_column_is_described_by_its_kind():
    number = described(pl.Series("x", [3.0, None, 1.0, 8.0]), "feature")
    assert (number.kind, number.missing, number.distinct) == ("number", 1, 3)
    assert (number.low, number.middle, number.high, number.examples) == (1.0, 3.0, 8.0, (3.0, 1.0, 8.0))
    category = described(pl.Series("x", ["b", "a", "b", "b", "c", "a", "a", None, "d", "d"]), "feature")
    assert (category.rare, category.rare_rows) == (2, 3)
    assert (category.examples, category.counts) == (("a", "b", "d"), (3, 3, 2))
    moments = pl.Series("x", ["2024-01-01T00:00:00", "2024-01-03T12:30:00", "2024-01-02T00:00:00"]).str.to_datetime()
    moment = described(moments, "feature")
    assert (moment.kind, moment.low, moment.middle, moment.high) == (
        *("datetime", "2024-01-01"),
        *("2024-01-02", "2024-01-03T12:30:00"),
    )
    flag = described(pl.Series("x", [True, False, None]), "feature")
    assert (flag.kind, flag.missing, flag.distinct, flag.low) == ("boolean", 1, 2, None)


def test_infinities_are_missing_and_no_figure_is_one():
    column = described(pl.Series("x", [1.0, float("inf"), float("-inf"), float("nan"), 2.0, None]), "left out")
    assert (column.missing, column.distinct, column.low, column.high, column.examples) == (4, 2, 1.0, 2.0, (1.0, 2.0))


@pytest.mark.parametrize(
    "values",
    [
        [[1], [2, 3], None],
        [{"a": 1}, {"a": 2}, {"a": 1}],
        [b"x", b"y", b"x"],
        [None, None, None],
    ],
)
def test_a_column_that_no_row_of_a_request_holds_is_described_too(values):
    column = described(pl.Series("x", values), "left out")
    assert column.missing == sum(v is None for v in values)
    assert column.low is None


# Alerts


def features_of(frame):
    from training.table.infer import usable_features

    return usable_features(frame, frame.columns, Corrections()).features


def sentences(frame):
    return {a.kind: a.sentence for a in feature_alerts(frame, features_of(frame), numbered=True)}


def test_a_mark_of_missing_values_a_few_far_ones_a_cap_and_a_skew_are_told_apart(rng):
    x = rng.normal(100, 10, 400)
    assert sentences(pl.DataFrame({"x": x})) == {}
    marked = np.where(np.arange(400) % 10 == 0, -999.0, x)
    assert "is -999 in 40 rows" in sentences(pl.DataFrame({"x": marked}))["marker"]
    far = np.where(np.arange(400) == 7, 1e6, x)
    assert sentences(pl.DataFrame({"x": far}))["outliers"].startswith(
        "Column 'x' has 1 value far from all others: the farthest is 1,000,000 in row 8, the median "
    )
    assert "is 110, its highest value, in" in sentences(pl.DataFrame({"x": np.minimum(x, 110.0)}))["cap"]
    skewed = sentences(pl.DataFrame({"x": rng.exponential(size=4_000) ** 2.2}))
    assert list(skewed) == ["skew"]


@pytest.mark.parametrize("values", [[0, 1], [0.0, 100.0], [-1, 0, 1], [0, 0, 1, 90]])
def test_grades_and_yes_or_no_have_no_far_end(values):
    assert sentences(pl.DataFrame({"x": [values[i % len(values)] for i in range(200)]})) == {}


def test_far_dates_are_told_as_far_numbers_are():
    usual = [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(200)]
    for at, kind, part in (
        ([7], "outliers", "the farthest is 9999-12-31 in row 8, the median 2024-06"),
        (range(0, 200, 5), "marker", "is 9999-12-31 in 40 rows, far from its median 2024-0"),
        (range(0, 200, 2), "marker", "is 9999-12-31 in 100 rows, far from its median "),
    ):
        moments = pl.Series("until", ["9999-12-31" if i in at else day for i, day in enumerate(usual)])
        sentence_of = sentences(pl.DataFrame({"until": moments.str.to_datetime(time_unit="us")}))
        assert list(sentence_of) == [kind]
        assert part in sentence_of[kind]


def test_a_target_is_held_to_more_and_gets_advice(rng):
    y = pl.Series("y", rng.exponential(size=2_000) ** 1.2)
    assert [a.kind for a in number_alerts(y, "feature", numbered=True)] == []
    (alert,) = number_alerts(y, "target", numbered=True)
    assert alert.kind == "skew"
    assert "--objective mae" in alert.sentence


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_no_size_of_numbers_is_too_much(scale, offset, rng):
    for values in (rng.normal(size=100), np.zeros(100), np.where(np.arange(100) < 3, 5.0, 0.0)):
        list(number_alerts(pl.Series("x", values * scale + offset), "target", numbered=True))


def test_nearly_one_value_nearly_a_key_mostly_missing_and_mostly_rare_are_told(rng):
    n = 1_000
    frame = pl.DataFrame(
        {
            "flat": [0] * (n - 2) + [1, 2],
            "key": rng.permutation(np.arange(n) * 7),
            "gaps": [None if i % 10 else float(i % 7) for i in range(n)],
            "street": [f"s{i // 2}" if i % 3 else "main" for i in range(n)],
        }
    )
    alert_on = {a.columns[0]: a for a in feature_alerts(frame, features_of(frame), numbered=True)}
    assert (alert_on["flat"].kind, alert_on["flat"].sentence) == ("one value", "Column 'flat' is 0 in all but 2 rows.")
    assert "1,000 different values in 1,000 rows" in alert_on["key"].sentence
    assert alert_on["gaps"].sentence == "Column 'gaps' is missing in 90% of the rows."
    assert alert_on["street"].kind == "rare"


def test_pairs_that_say_the_same_are_told_with_gaps_too(rng):
    n = 300
    x = rng.normal(size=n)
    town = rng.choice(["a", "b", "c"], n)
    frame = pl.DataFrame(
        {
            "x": np.where(np.arange(n) % 5 == 0, np.nan, x),
            "exp": np.exp(x),
            "minus": -x,
            "noise": rng.normal(size=n),
            "town": town,
            "code": np.char.add("0", town),
            "other": rng.choice(["a", "b", "c"], n),
        }
    ).with_columns(pl.col("x").fill_nan(None))
    alerts = list(pair_alerts(frame, features_of(frame)))
    assert {a.columns for a in alerts} == {("x", "exp"), ("x", "minus"), ("exp", "minus"), ("town", "code")}
    assert "(rank correlation -1.00)" in next(a.sentence for a in alerts if a.columns == ("x", "minus"))


def test_correlations_are_pearson_s_on_the_rows_that_both_have(rng):
    values = rng.normal(size=(200, 3)) + 1e6
    values[:, 1] += values[:, 0] - 1e6
    values[::3, 0] = np.nan
    both = np.isfinite(values[:, 0])
    expected = np.corrcoef(values[both, 0], values[both, 1])[0, 1]
    assert correlations(values)[0, 1] == pytest.approx(expected, rel=1e-6)
    few = np.full((200, 2), np.nan)
    few[:10] = rng.normal(size=(10, 2))
    assert np.isnan(correlations(few)[0, 1])


def test_more_pairs_than_are_shown_are_counted(rng):
    x = rng.normal(size=100)
    frame = pl.DataFrame({f"x{i}": x + i for i in range(8)})
    alerts = list(pair_alerts(frame, features_of(frame)))
    assert len(alerts) == 11
    assert alerts[-1].sentence == "18 more pairs of columns go together as closely."


# The whole table


def test_the_notes_of_training_stand_first_and_no_rule_is_a_second_one(rng, tmp_path):
    table = houses(rng).with_columns(leak=pl.col("price") * 2 + 1)
    table = pl.concat([table, table.head(20)]).with_columns(
        price=pl.when(pl.int_range(pl.len()) < 3).then(None).otherwise(pl.col("price"))
    )
    table.write_csv(tmp_path / "t.csv")
    inspected = inspect(request(tmp_path / "t.csv", "price"))
    notes = prepare(read_table(str(tmp_path / "t.csv")), request(tmp_path / "t.csv", "price")).notes
    alert_sentences = [a.sentence for a in inspected.overview.alerts]
    assert set(notes) <= set(alert_sentences)
    assert {("left out", ("ref",)), ("left out", ("country",))} <= kinds(inspected)
    (leak,) = (a for a in inspected.overview.alerts if "a leak, if" in a.sentence)
    assert set(leak.columns) == {"leak", "price"}
    columns = {c.name: c for c in inspected.overview.columns}
    assert (columns["ref"].role, columns["price"].role, columns["area"].role) == ("left out", "target", "feature")
    assert (inspected.overview.rows, inspected.overview.described) == (220, 217)
    assert any("occur more than once, equal in every column" in s for s in alert_sentences)


def test_a_key_that_training_notes_is_told_once(rng, tmp_path):
    houses(rng).with_columns(account=pl.Series(rng.permutation(200) * 977 + 10_000)).write_csv(tmp_path / "t.csv")
    alert_sentences = [
        a.sentence for a in inspect(request(tmp_path / "t.csv", "price")).overview.alerts if "'account'" in a.sentence
    ]
    assert len(alert_sentences) == 1


def test_without_a_target_all_columns_are_looked_at(rng, tmp_path):
    houses(rng).write_parquet(tmp_path / "t.parquet")
    inspected = inspect(request(tmp_path / "t.parquet"))
    assert {c.name: c.role for c in inspected.overview.columns}["price"] == "feature"
    assert {("left out", ("ref",)), ("left out", ("country",))} <= kinds(inspected)


@pytest.mark.parametrize("column", [[1.0] * 60, ["a", "b", "c"] * 20, [None] * 60])
def test_a_table_that_training_refuses_is_shown_all_the_same(column, rng, tmp_path):
    houses(rng, 60).with_columns(price=pl.Series(column)).write_parquet(tmp_path / "t.parquet")
    inspected = inspect(request(tmp_path / "t.parquet", "price"))
    assert isinstance(inspected.refusal, DataError)
    assert {c.name for c in inspected.overview.columns} == set(houses(rng).columns)


def test_columns_of_no_use_alone_are_shown(tmp_path):
    pl.DataFrame({"id": [f"k{i}" for i in range(50)], "list": [[i] for i in range(50)]}).write_parquet(
        tmp_path / "t.parquet"
    )
    inspected = inspect(request(tmp_path / "t.parquet"))
    assert [c.role for c in inspected.overview.columns] == ["left out", "left out"]


def test_of_a_streamed_table_every_so_many_rows_are_looked_at_whatever_the_batches(rng, tmp_path):
    houses(rng, 1_000).with_columns(at=pl.int_range(1_000)).write_parquet(tmp_path / "t.parquet", row_group_size=170)
    bounds = Bounds(batch_rows=130, least_sample=300, sample_cells=1)
    inspected = inspect(request(tmp_path / "t.parquet", "price", stream=True), bounds)
    assert (inspected.overview.rows, inspected.overview.described) == (1_000, 250)
    assert "One of 4 rows was looked at: 250 of 1,000." in [a.sentence for a in inspected.overview.alerts]
    at = next(c for c in inspected.overview.columns if c.name == "at")
    assert (at.low, at.high, at.examples) == (0, 996, (0, 4, 8))
    assert not any(a.kind == "outliers" and "in row" in a.sentence for a in inspected.overview.alerts)


def test_a_column_without_a_name_is_noted_and_no_column(rng, tmp_path):
    table = houses(rng)
    lines = table.with_row_index("").write_csv().splitlines()
    (tmp_path / "t.csv").write_text("\n".join(lines))
    inspected = inspect(request(tmp_path / "t.csv", "price"))
    assert [c.name for c in inspected.overview.columns] == table.columns
    assert any(a.kind == "note" and "it has no name of its own" in a.sentence for a in inspected.overview.alerts)


def test_a_target_with_a_comma_is_one_column(rng, tmp_path):
    houses(rng).rename({"price": "price, EUR"}).write_csv(tmp_path / "t.csv")
    inspected = inspect(request(tmp_path / "t.csv", "price, EUR"))
    assert [t.name for t in inspected.targets] == ["price, EUR"]
    assert '[targets."price, EUR"]' in inspected.schema_toml()


# schema.toml


def tables(rng):
    plain = houses(rng)
    strange = houses(rng).rename({"area": 'a "b" \\ c', "rooms": "x.y\n#z", "town": "größe [m²]"})
    gaps = houses(rng).with_columns(
        pl.when(pl.int_range(pl.len()) % 9 == 0).then(None).otherwise(pl.col(c)).alias(c)
        for c in ("area", "rooms", "garden", "sold", "town")
    )
    typed = houses(rng).with_columns(
        pl.col("sold").str.to_date(),
        pl.col("town").cast(pl.Categorical),
        tags=pl.int_range(pl.len()).reshape((-1, 1)),
        empty=pl.lit(None),
        big=pl.int_range(pl.len()).cast(pl.UInt64) % 90,
    )
    texts = houses(rng).with_columns(
        zip=pl.Series([f"{i % 40:05d}" for i in range(200)]), words=pl.Series(["NA", " x ", "y", "true"] * 50)
    )
    return {"plain": plain, "strange": strange, "gaps": gaps, "typed": typed, "texts": texts}


@pytest.mark.parametrize("name", ["plain", "strange", "gaps", "typed", "texts"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_skeleton_is_accepted_unchanged_and_changes_nothing(name, suffix, rng, tmp_path):
    table = tables(rng)[name]
    path, toml = tmp_path / f"t.{suffix}", tmp_path / "schema.toml"
    if suffix == "csv":
        table.drop("tags", strict=False).write_csv(path)
    else:
        table.write_parquet(path)
    inspected = inspect(request(path, "price"))
    toml.write_text(inspected.schema_toml(), encoding="utf-8")
    corrections = Corrections.read(toml)
    before = prepare(read_table(str(path)), request(path, "price"))
    again = prepare(
        read_table(str(path), as_text=corrections.text_columns()), request(path, "price", corrections=corrections)
    )
    assert again.schema == before.schema
    assert again.schema.digest() == before.schema.digest()
    assert set(corrections.features) | {"price"} == set(read_table(str(path)).columns)


def test_a_skeleton_leaves_out_what_is_no_feature_by_the_options(rng, tmp_path):
    houses(rng).with_columns(w=pl.lit(1.0), owner=pl.int_range(200) % 20).write_csv(tmp_path / "t.csv")
    needed = request(tmp_path / "t.csv", "price", group="owner", weight="w")
    inspected = inspect(needed)
    (tmp_path / "s.toml").write_text(inspected.schema_toml())
    corrections = Corrections.read(tmp_path / "s.toml")
    assert not {"owner", "w", "price"} & set(corrections.features)
    prepare(read_table(needed.data), request(needed.data, "price", group="owner", weight="w", corrections=corrections))


@pytest.mark.parametrize("text", ["plain", 'q"\\', "\x00\x01\x1f\x7f\x85", "\U0001f600 é", "a\nb\tc"])
def test_any_text_is_a_toml_string(text):
    import tomllib

    assert tomllib.loads(f"x = {quoted(text)}")["x"] == text


def test_a_table_is_inspected_without_what_trains():
    program = (
        "import sys; from trueline.main import run; code = run(sys.argv[1:]); "
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'scipy', 'onnxruntime', 'bentoml', 'matplotlib', 'pandas'}"
        " & set(sys.modules)), code)"
    )
    csv = "\n".join(["a,b,y", *(f"{i % 7},{i % 5}.5,{i % 7 + i % 3}" for i in range(60))])
    process = subprocess.run(
        [sys.executable, "-c", program, "inspect", "/dev/stdin", "--target", "y"],
        input=csv,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout.splitlines()[-1].startswith("[]"), process.stdout + process.stderr


@pytest.mark.parametrize("sign", [-999, -99, -9999])
def test_a_sign_of_missing_is_told_however_wide_the_others_lie(rng, sign):
    prices = rng.uniform(70_000, 300_000, 200).round()
    prices[::10] = sign
    (alert,) = number_alerts(pl.Series("price", prices), "target", numbered=True)
    assert alert.kind == "marker"
    assert f"is {sign:,} in 20 rows" in alert.sentence
    # Below 0 others lie too; or it stands there once.
    for others in (prices - 80_000 * (prices > 0), np.where(np.arange(200) == 50, sign, np.abs(prices))):
        assert not [a for a in number_alerts(pl.Series("x", others), "target", numbered=True) if a.kind == "marker"]


def test_categories_that_differ_in_capitals_or_spaces_are_told():
    frame = pl.DataFrame({"bath": ["Ja", "ja", "nein", "New  York", "new york", "JA"] * 40, "a": ["x", "y"] * 120})
    features = prepare(frame.with_columns(price=pl.int_range(240)), request("-", "price")).schema.features
    alerts = [a for a in feature_alerts(frame, [*features], numbered=True) if a.kind == "spelling"]
    assert [alert.columns for alert in alerts] == [("bath",)]
    assert "'JA', 'Ja', 'ja'; 'New  York', 'new york'. Each is learnt by itself" in alerts[0].sentence
