import numpy as np
import polars as pl
import pytest

from artifact.errors import DataError
from training.table.folds import Plan, cross_validation
from training.table.split import split_random


def test_every_row_is_left_out_once_in_each_repeat():
    plan = cross_validation(103, 5, 2, seed=0)
    assert len(plan.folds) == 10
    for repeat in (plan.folds[:5], plan.folds[5:]):
        left_out = np.concatenate([fold.validation for fold in repeat])
        np.testing.assert_array_equal(np.sort(left_out), np.arange(103))
        assert {len(fold.validation) for fold in repeat} == {20, 21}
    for fold in plan.folds:
        assert not set(fold.train) & set(fold.validation)
        assert len(fold.train) + len(fold.validation) == 103
    assert not np.array_equal(plan.folds[0].validation, plan.folds[5].validation)
    np.testing.assert_array_equal(plan.seen_rows(), np.arange(103))
    assert plan.sizes() == {"train": 103, "out_of_fold": 103, "folds": 5, "repeats": 2}


def test_a_group_lies_in_one_fold_and_folds_stay_balanced():
    groups = pl.Series("g", [str(i // 7) if i > 40 else None for i in range(400)])
    plan = cross_validation(400, 4, 1, seed=1, groups=groups)
    homes = [set(groups.gather(fold.validation).to_list()) for fold in plan.folds]
    assert sum(map(len, homes)) == len(set().union(*homes))
    sizes = [len(fold.validation) for fold in plan.folds]
    assert max(sizes) - min(sizes) <= 41


def test_too_few_groups_are_one_sentence():
    with pytest.raises(DataError, match=r"at least 5 groups in 'g'.*Received: 3"):
        cross_validation(30, 5, 1, seed=0, groups=pl.Series("g", [i % 3 for i in range(30)]))


def test_held_out_rows_train_nothing():
    parts = split_random(200, {"test": 0.2, "calibration": 0.15, "validation": 0.15}, 0)
    plan = Plan.held_out(parts)
    assert not set(plan.seen_rows()) & set(np.concatenate([parts.test, parts.calibration]))
    assert plan.sizes()["test"] == 40
