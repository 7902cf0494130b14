"""Finding the items that fail, and the number of runs that it takes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.predict.halving import by_halves


def play(items, bad):
    """The outcome of each item, and the number of runs after the first."""
    runs = []

    def run(some):
        runs.append(len(some))
        if bad & set(some):
            raise ValueError(f"{len(some)} items")
        return [("good", item) for item in some]

    def alone(item, error):
        return [("bad", item[0], str(error))]

    try:
        outcomes = [run(items)]
    except ValueError as error:
        outcomes = by_halves(items, error, run, alone)
    return [outcome for part in outcomes for outcome in part], len(runs) - 1


@given(n=st.integers(1, 200), data=st.data())
def test_exactly_those_that_fail_are_alone_in_order_and_within_the_promised_runs(n, data):
    bad = data.draw(st.sets(st.integers(0, n - 1), min_size=1))
    outcomes, runs = play(range(n), bad)
    assert outcomes == [("bad", i, "1 items") if i in bad else ("good", i) for i in range(n)]
    assert runs <= 2 * math.ceil(math.log2(n)) * len(bad)
    assert runs <= 2 * n - 2


@pytest.mark.parametrize("place", [0, 13, 63])
def test_one_of_64_costs_12_runs(place):
    _, runs = play(range(64), {place})
    assert runs == 12


def test_an_item_that_is_alone_from_the_start_costs_no_run():
    assert play(["x"], {"x"}) == ([("bad", "x", "1 items")], 0)


def test_a_failure_that_is_not_due_to_an_item_hurts_none():
    parts = by_halves([1, 2, 3], RuntimeError("once"), lambda some: some, lambda one, error: [])
    assert parts == [[1], [2, 3]]
