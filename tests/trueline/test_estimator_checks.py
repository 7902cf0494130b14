"""scikit-learn's own checks of an estimator, one test for each."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from trueline import TruelineRegressor

NOT_EQUAL = (
    "A row of weight 2 is one row to the folds and to the count of rows, two equal rows are two: they are cut, "
    "calibrated and refused otherwise."
)
EXPECTED = {"check_sample_weight_equivalence_on_dense_data": NOT_EQUAL}
# A network of two epochs: the checks look at the estimator's behaviour, not at its accuracy.
NETWORK = {"folds": 2, "repeats": 1, "epochs": 2, "hidden": [8]}
# The checks whose tables are large enough for a network, and that ridge regression does not cover.
ON_NETWORKS = {"check_estimators_pickle", "check_regressor_multioutput"}


@parametrize_with_checks([TruelineRegressor()], expected_failed_checks=lambda _: EXPECTED)
@pytest.mark.filterwarnings("ignore")
def test_every_check_passes(estimator, check):
    check(estimator)


def on_networks() -> list[Any]:
    estimator = TruelineRegressor(preset="fast", settings=NETWORK, few_rows=0)
    checks = {}
    for copy, check in estimator_checks_generator(estimator):
        name = getattr(check, "func", check).__name__
        if name in ON_NETWORKS:
            checks.setdefault(name, pytest.param(copy, check, id=name))
    return [*checks.values()]


@pytest.mark.parametrize(("estimator", "check"), on_networks())
@pytest.mark.filterwarnings("ignore")
def test_a_network_passes_those_that_ridge_does_not_stand_for(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)
