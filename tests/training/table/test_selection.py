"""Which rows train anew and which are held out: the newest, whole moments and whole groups, none that was seen."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from artifact.errors import DataError
from training.table.selection import Columns, Newest, held_out

DAYS = pl.Series("sold", [datetime(2024, 1, 1) + timedelta(days=i) for i in range(100)])


def everything(n):
    return np.ones(n, bool)


@pytest.mark.parametrize(("n", "wanted"), [(600, 300), (1000, 300), (3000, 300), (5000, 500)])
def test_the_last_tenth_is_held_out_and_at_least_300_rows(n, wanted):
    rows = held_out(Columns(everything(n))).rows
    assert rows.sum() == wanted
    assert rows[-wanted:].all()


@pytest.mark.parametrize(("eligible", "why"), [(everything(599), "599"), (np.arange(1000) < 299, "299 of its 1,000")])
def test_too_few_new_rows_say_so(eligible, why):
    selected = held_out(Columns(eligible))
    assert not selected.rows.any()
    assert "at least 600 new rows are needed to hold 300 of them out" in selected.why_none
    assert why in selected.why_none


def test_rows_that_were_seen_or_have_no_target_are_not_held_out():
    eligible = np.arange(1000) % 2 == 0
    rows = held_out(Columns(eligible)).rows
    assert rows.sum() == 300
    assert not rows[~eligible].any()
    assert rows[np.flatnonzero(eligible)[-300:]].all()


def test_the_newest_are_held_out_by_their_moments_and_a_moment_stays_whole():
    moments = pl.Series("sold", np.random.default_rng(0).permutation(np.arange(2000) // 7))
    rows = held_out(Columns(everything(2000), moments)).rows
    assert 300 <= rows.sum() < 307
    assert moments.filter(pl.Series(rows)).min() > moments.filter(pl.Series(~rows)).max()
    whole = held_out(Columns(everything(2000), pl.Series("sold", np.zeros(2000))))
    assert not whole.rows.any()
    assert "one moment has 2,000 of its 2,000 rows" in whole.why_none


def test_groups_are_held_out_as_a_whole():
    groups = pl.Series("street", [f"s{i // 11}" for i in range(1100)])
    rows = held_out(Columns(everything(1100), groups=groups)).rows
    assert 300 <= rows.sum() < 311
    assert not set(groups.filter(pl.Series(rows))) & set(groups.filter(pl.Series(~rows)))


@pytest.mark.parametrize("text", ["", "0", "0d", "-3", "90 days", "d", "1.5d", "9" * 20])
def test_newest_that_is_no_number_of_rows_or_days(text):
    with pytest.raises(DataError, match="such as 10000 or 90d"):
        Newest.parse(text)


def test_newest_by_rows_and_by_days():
    shuffled = DAYS.shuffle(seed=1)
    assert set(shuffled.filter(pl.Series(Newest.parse("10").of(shuffled)))) == set(DAYS[-10:])
    assert set(shuffled.filter(pl.Series(Newest.parse("7d").of(shuffled)))) == set(DAYS[-7:])
    assert Newest.parse("1000").of(shuffled).all()
    assert Newest.parse("30").of(pl.Series("n", np.arange(100))).sum() == 30
    with pytest.raises(DataError, match=r"'n' holds no dates\. Received: 30d"):
        Newest.parse("30d").of(pl.Series("n", np.arange(100)))
