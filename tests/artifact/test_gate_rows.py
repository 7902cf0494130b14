"""The gates on rows: how often they refuse equal and worse candidates, and what they make of cells and weights."""

from __future__ import annotations

import re

import numpy as np
import pytest

from artifact.gates.cells import cells_of
from artifact.gates.limits import MIN_ROWS
from artifact.gates.ratios import error_ratios
from artifact.gates.rows import Answers, Rows, coverage_gate, error_gate, groups_gate, width_gate
from artifact.rows.encoding import Encoder
from tests.builders import build_schema, sample_rows

N = 600


def squares(rng, n, noise=0.3, targets=1):
    """Squared errors of two versions with the same hard rows, and of a third that is nothing but the first again."""
    hard = rng.standard_t(5, (n, targets))
    return [np.square(hard + noise * rng.normal(size=(n, targets))) for _ in range(2)]


def deciles(rng, n, features=5):
    cells = []
    for _ in range(features):
        ranks = np.argsort(np.argsort(rng.normal(size=n))) * 10 // n
        cells += [np.flatnonzero(ranks == part) for part in range(10)]
    return cells


def of(errors, inside=0.9, width=1.0, rng=None):
    rng = rng or np.random.default_rng(1)
    return Answers(errors, rng.random(errors.shape) < inside, np.full(errors.shape, width))


def rows_of(ours, theirs, **more):
    targets = tuple(f"t{j}" for j in range(ours.errors.shape[1]))
    named = {"targets": targets, "root": True, "plain": "RMSE", "std": np.ones(len(targets)), "level": 0.9, "cells": ()}
    return Rows(candidate=ours, champion=theirs, **{**named, **more})


def refused(seed, factor):
    """Whether error and groups refuse a candidate whose errors are ``factor`` times as large."""
    rng = np.random.default_rng(seed)
    theirs, ours = squares(rng, N)
    std = np.array([1.3])
    all_rows = error_ratios(ours * factor**2, theirs, [np.arange(N)], std, root=True)
    cells = error_ratios(ours * factor**2, theirs, deciles(rng, N), std, root=True)
    return all_rows.low.max() > 1.02, cells.low.max() > 1.10


def test_equal_candidates_are_hardly_ever_refused_and_worse_ones_nearly_always():
    equal = np.array([refused(seed, 1.0) for seed in range(40)])
    worse = np.array([refused(seed, 1.1) for seed in range(40)])
    # At most 5% of either kind are wrong; 40 trials may show 5 of them by chance.
    assert equal.any(axis=1).sum() <= 5
    assert (~worse.any(axis=1)).sum() <= 5
    assert worse[:, 0].mean() > equal[:, 0].mean() + 0.8


def test_the_bounds_hold_for_all_cells_at_once():
    """All cells are equal: in at most 2.5% of the trials one of them looks worse."""
    above = []
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        theirs, ours = squares(rng, N)
        ratios = error_ratios(ours, theirs, deciles(rng, N), np.array([1.3]), root=True)
        above.append(ratios.low.max() > 1)
        assert (ratios.low <= ratios.ratio).all()
        assert (ratios.ratio <= ratios.high).all()
    assert sum(above) <= 6
    # One cell by itself has a narrower interval than the same cell among others.
    alone = error_ratios(ours, theirs, deciles(rng, N)[:1], np.array([1.3]), root=True)
    among = error_ratios(ours, theirs, [*deciles(np.random.default_rng(5), N)], np.array([1.3]), root=True)
    assert (alone.high - alone.low).max() < (among.high - among.low).max()


def test_the_bounds_hold_in_small_cells_whose_errors_have_heavy_tails():
    """Twelve cells of 50 rows, heavy tails: linearised bootstrap bounds fail in a fifth of them."""
    above = 0
    for seed in range(60):
        rng = np.random.default_rng(2000 + seed)
        hard = rng.standard_t(4, (N, 1))
        theirs, ours = (np.square(hard * (1 + 0.3 * rng.normal(size=(N, 1)))) for _ in range(2))
        cells = [np.arange(start, start + 50) for start in range(0, N, 50)]
        above += bool(error_ratios(ours, theirs, cells, np.array([1.4]), root=True).low.max() > 1)
    assert above <= 5


def test_one_row_that_makes_all_the_difference_proves_nothing():
    theirs, ours = np.ones((100, 1)), np.ones((100, 1))
    ours[7] = 1e6
    ratios = error_ratios(ours, theirs, [np.arange(100)], np.ones(1), root=True)
    assert ratios.ratio[0, 0] == pytest.approx(100, rel=0.01)
    assert ratios.low[0, 0] <= 1 < ratios.high[0, 0]


def test_a_ratio_is_that_of_the_mean_errors_weighted_where_there_are_weights():
    rng = np.random.default_rng(3)
    theirs, ours = squares(rng, 200)
    weight = rng.integers(0, 3, 200).astype(float)
    got = error_ratios(ours, theirs, [np.arange(200)], np.array([1.0]), root=True, weight=weight)
    expected = np.sqrt(np.average(ours, axis=0, weights=weight) / np.average(theirs, axis=0, weights=weight))
    np.testing.assert_allclose(got.ratio[0], expected, rtol=1e-6)
    # A row of weight 2 counts as two rows do, a row of weight 0 as none.
    whole = np.repeat(np.arange(200), weight.astype(int))
    repeated = error_ratios(ours[whole], theirs[whole], [np.arange(len(whole))], np.array([1.0]), root=True)
    np.testing.assert_allclose(repeated.ratio, got.ratio, rtol=1e-6)
    plain = error_ratios(ours, theirs, [np.arange(200)], np.array([1.0]), root=False)
    np.testing.assert_allclose(plain.ratio[0, 0], ours.mean() / theirs.mean(), rtol=1e-5)


def test_equal_errors_are_exactly_equal_and_perfect_ones_too():
    errors = np.abs(np.random.default_rng(0).normal(size=(100, 2)))
    for same in (errors, np.zeros_like(errors)):
        ratios = error_ratios(same, same, [np.arange(100), np.arange(60)], np.ones(2), root=True)
        assert (ratios.ratio == 1).all()
        assert (ratios.low == 1).all()
    # Errors of a millionth of the deviation are no errors, whatever their ratio.
    tiny = error_ratios(np.full((100, 1), 1e-12), np.full((100, 1), 1e-16), [np.arange(100)], np.ones(1), root=True)
    assert tiny.ratio[0, 0] < 1.02


def test_one_of_several_targets_that_is_worse_is_refused_by_name():
    rng = np.random.default_rng(0)
    theirs, ours = squares(rng, N, targets=3)
    ours[:, 1] *= 1.5
    result = error_gate(rows_of(of(ours), of(theirs)), of(theirs))
    assert (result.passed, result.limit) == (False, 1.02)
    assert "the RMSE of 't1' is" in result.sentence
    assert result.low < result.figure < result.high


def test_a_difference_that_the_rows_cannot_show_passes_and_is_told():
    theirs, ours = squares(np.random.default_rng(2), 40)
    result = error_gate(rows_of(of(ours), of(theirs)), of(theirs))
    assert result.passed
    assert "These rows cannot rule out that it is more than 2% above." in result.sentence


def test_a_group_that_is_much_worse_is_named_though_all_rows_look_fine():
    rng = np.random.default_rng(0)
    schema = build_schema()
    X = Encoder(schema).encode_rows(sample_rows(schema, 2000))
    cells = cells_of(schema, X, {"agent": ["a" if i % 20 else "b" for i in range(2000)]})
    theirs, ours = squares(rng, 2000, noise=0.05)
    ours[::20] *= 1.4
    rows = rows_of(of(ours), of(theirs), cells=cells)
    assert error_gate(rows, rows.champion).passed
    result = groups_gate(rows, rows.champion)
    assert not result.passed
    assert "'agent' b (100 rows) is the worst of" in result.sentence
    assert result.low > result.limit == 1.1
    ours *= 1.5
    rows = rows_of(of(ours), of(theirs), cells=cells)
    assert re.search(
        r"Also worse: ('[^']+' [^,]+, ){7}'[^']+' .* and \d+ more\.$", groups_gate(rows, rows.champion).sentence
    )


def test_cells_are_groups_categories_and_deciles_of_enough_rows():
    schema = build_schema()
    X = Encoder(schema).encode_rows(sample_rows(schema, 1000))
    cells = cells_of(schema, X, {"agent": [None] * 100 + ["x"] * 870 + ["y"] * 30, "size": list(range(1000))})
    names = [cell.name for cell in cells]
    assert "'agent' missing" in names
    assert "'agent' y" not in names
    assert sum(name.startswith("'size' from ") for name in names) == 10
    assert {"'garden' true", "'garden' false", "'garden' missing", "'town' Leeds", "'town' missing"} <= set(names)
    assert sum(name.startswith("'age' from ") for name in names) == 10
    dates = [name for name in names if name.startswith("'sold' from 20")]
    assert len(dates) == 10
    assert min(len(cell.rows) for cell in cells) >= MIN_ROWS
    for start in ("'age' from ", "'income' "):
        rows = np.concatenate([cell.rows for cell in cells if cell.name.startswith(start)])
        assert len(rows) == len(set(rows)) == 1000
    # Rows of weight 0 do not count.
    weight = np.r_[np.ones(400), np.zeros(600)]
    assert not [c for c in cells_of(schema, X, weight=weight) if c.name.startswith("'age' from ")]


def test_rows_too_few_for_a_cell_measure_no_groups():
    errors = np.ones((40, 1))
    assert not groups_gate(rows_of(of(errors), of(errors)), of(errors)).measured


@pytest.mark.parametrize(("ours", "theirs", "passed"), [(0.9, 0.9, True), (0.8, 0.9, False), (0.8, 0.8, True)])
def test_coverage_is_judged_beside_the_promise_and_the_champion(ours, theirs, passed):
    errors = np.ones((2000, 1))
    rows = rows_of(of(errors, ours), of(errors, theirs, rng=np.random.default_rng(2)))
    result = coverage_gate(rows)
    assert result.passed == passed
    assert result.low < result.figure < result.high


def test_wider_intervals_are_refused_unless_the_champions_are_too_narrow():
    errors = np.ones((1000, 1))
    champion = of(errors, 0.9)
    assert width_gate(rows_of(of(errors, width=1.2), champion), champion).passed
    assert not width_gate(rows_of(of(errors, width=1.3), champion), champion).passed
    narrow = of(errors, 0.7)
    assert not width_gate(rows_of(of(errors, width=1.3), narrow), narrow).measured
