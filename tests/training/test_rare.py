"""Categories that too few rows show are rare, in the schema, in notes and in warnings; only new ones are unseen."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from artifact.rows.encoding import Encoder
from artifact.rows.schema import FeatureSchema
from artifact.words.display import extent
from training.prepare.bounds import Bounds
from training.prepare.choose import parquet_source
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.prepare.streamed import prepared_stream
from training.settings.config import TrainConfig
from training.table.corrections import Corrections
from training.table.encode import encode_frame
from training.table.rare import MAX_RARE

N = 398
CONFIG = TrainConfig(preset="fast", model="mlp", folds=1)


def tickets(n: int = N) -> pl.DataFrame:
    """A frequent category, and for most rows one of their own, as 317 of 398 rows of a real table have it."""
    rng = np.random.default_rng(0)
    ticket = ["line"] * 60 + ["stage"] * 2 + [f"T{i}" for i in range(n - 62)]
    x = rng.normal(size=n)
    shuffled = rng.permutation(n)
    frame = pl.DataFrame({"ticket": ticket, "x": x, "y": x + rng.normal(size=n)})
    return frame[shuffled]


def prepared(frame: pl.DataFrame, config: TrainConfig = CONFIG, **fields):
    return prepare(frame, Request("-", ("y",), "m", config, **fields))


@pytest.mark.parametrize("folds", [1, 3])
def test_no_row_of_the_table_is_unseen_even_if_it_only_measured(folds):
    frame = tickets(150)
    table = prepared(frame, CONFIG.model_copy(update={"folds": folds}))
    kinds = {w.kind for w in encode_frame(frame, table.schema).warnings}
    assert kinds == {"rare"}
    (warning,) = Encoder(table.schema).encode_rows([{"ticket": "T9999", "x": 0.0}]).warnings
    assert warning.kind == "unseen"


def test_case_17_a_note_counts_the_rare_categories_of_a_column():
    frame = tickets(150)
    (note,) = [n for n in prepared(frame, CONFIG.model_copy(update={"folds": 3})).notes if "rare" in n]
    assert note == (
        "Column 'ticket': 89 of 90 categories are rare (fewer than 3 training rows show each) and answered as 'other'."
    )


def test_case_17b_a_column_of_nothing_but_rare_categories_says_so():
    ref = [f"Road {i % 120}" for i in range(240)]
    table = prepared(
        pl.DataFrame({"ref": ref, "x": np.arange(240) * 0.1, "y": np.random.default_rng(0).normal(size=240)})
    )
    (note,) = [n for n in table.notes if "rare" in n]
    assert "Column 'ref': all 120 categories are rare" in note
    assert note.endswith("The column cannot tell rows apart.")
    assert extent(table.schema.feature("ref")) == "none; 120 rare"


def test_a_table_without_rare_categories_has_no_such_note():
    frame = pl.DataFrame({"town": ["a", "b"] * 100, "y": np.random.default_rng(0).normal(size=200)})
    table = prepared(frame)
    assert not [n for n in table.notes if "rare" in n]
    assert table.schema.feature("town").rare == ()


def test_rare_categories_are_kept_up_to_a_bound_and_the_rest_is_counted():
    n = 5000
    ticket = [f"T{i}" for i in range(n // 2)] * 2
    x = np.random.default_rng(0).normal(size=n)
    feature = prepared(pl.DataFrame({"ticket": ticket, "x": x, "y": x})).schema.feature("ticket")
    assert (len(feature.rare), feature.rare_left) == (MAX_RARE, n // 2 - MAX_RARE)


def test_categories_that_the_user_lists_are_the_whole_list():
    corrections = Corrections.model_validate({"features": {"ticket": {"categories": ["line", "T1"]}}})
    table = prepared(tickets(150), corrections=corrections)
    assert table.schema.feature("ticket").rare == ()
    assert [w.kind for w in Encoder(table.schema).encode_rows([{"ticket": "stage", "x": 0.0}]).warnings] == ["unseen"]


def test_a_streamed_table_has_the_same_rare_categories(tmp_path):
    n = 4000
    rng = np.random.default_rng(0)
    town = rng.choice([f"town {i}" for i in range(50)] + ["hull"], n, p=[0.02 / 50] * 50 + [0.98]).tolist()
    frame = pl.DataFrame({"town": town, "x": rng.normal(size=n), "y": rng.normal(size=n)})
    frame.write_parquet(tmp_path / "t.parquet")
    request = Request(str(tmp_path / "t.parquet"), ("y",), "m", CONFIG, stream=True)
    source = parquet_source(request.data, request.stream)
    assert source is not None
    with prepared_stream(request, source, Bounds()) as (table, _):
        feature = table.schema.feature("town")
        assert {*feature.rare, *feature.categories} == set(town)
        assert feature.rare
        assert any(note.startswith("Column 'town': ") and "rare" in note for note in table.notes)
        assert not [w for w in encode_frame(frame, table.schema).warnings if w.kind == "unseen"]


def test_a_schema_of_before_loads_and_warns_as_it_did():
    old = prepared(tickets(150)).schema.model_dump(mode="json")
    for feature in old["features"]:
        feature.pop("rare", None)
        feature.pop("rare_left", None)
    schema = FeatureSchema.model_validate(old)
    (warning,) = Encoder(schema).encode_rows([{"ticket": "T1", "x": 0.0}]).warnings
    assert (warning.kind, warning.message.endswith("was not seen in training; answered as 'other'.")) == (
        "unseen",
        True,
    )


def test_the_json_schema_of_a_strict_feature_admits_rare_categories():
    corrections = Corrections.model_validate({"features": {"ticket": {"unseen": "refuse"}}})
    schema = prepared(tickets(150), corrections=corrections).schema
    assert "T1" in schema.json_schema()["properties"]["ticket"]["enum"]
