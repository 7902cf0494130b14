"""A large table is encoded and compared part by part: the figures are those of one go, and faults name their rows."""

from __future__ import annotations

import pytest

from artifact.errors import DataError
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from tests.builders import build_schema, build_version, sample_rows
from tests.trueline.gates.conftest import rows_for
from training.table.reading import Reading
from training.transfer import seen
from trueline import scoring
from trueline.evaluation import Evaluation, Measuring, evaluation


@pytest.fixture
def parts(monkeypatch):
    """Parts of seven rows, where they are used."""

    def use() -> None:
        monkeypatch.setattr(scoring, "CHUNK", 7)
        monkeypatch.setattr(seen, "_PART", 7)

    return use


def evaluated(version, rows) -> Evaluation:
    measuring = Measuring(Reading(), None, "refuse", lambda _: None, lambda _: None)
    return evaluation(rows, version, Predictor.load(version.path), measuring)


def test_the_figures_are_those_of_one_go(tmp_path, parts):
    version = build_version(LocalRegistry(tmp_path))
    # The first rows are among the golden ones; some rows have no target.
    rows = rows_for(version, n=100, seed=1)
    rows[3, "price"] = None
    rows[50, "price"] = None
    whole = evaluated(version, rows)
    parts()
    assert evaluated(version, rows) == whole
    assert (whole.rows, whole.rows_left_out) == (98, 2)


def test_a_sample_is_found_in_whatever_part_it_lies(tmp_path, parts):
    rows = sample_rows(build_schema(), 40, seed=1)
    encoder = Predictor.load(build_version(LocalRegistry(tmp_path)).path).encoder
    sample = encoder.encode_rows([rows[0], rows[25], rows[39], *sample_rows(build_schema(), 5, seed=2)])
    parts()
    assert seen.matching(sample, encoder.encode_rows(rows)) == 3


def test_a_wrong_value_in_a_later_part_names_its_row(tmp_path, parts):
    version = build_version(LocalRegistry(tmp_path))
    rows = rows_for(version, n=40, seed=1)
    # Without its target a row is left out, and the rows after it keep their numbers.
    rows[2, "price"] = None
    rows[30, "rooms"] = None
    parts()
    with pytest.raises(DataError, match=r"row 31, 'rooms'"):
        evaluated(version, rows)
