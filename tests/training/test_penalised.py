"""Linear baselines with a penalty."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso, LassoCV

from training.evaluation.penalised import KINDS, Penalised

X, y = load_diabetes(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)


def test_lasso_is_scikit_learns_in_the_targets_unit():
    expected = LassoCV(alphas=30, cv=5).fit(X, y).predict(X)
    np.testing.assert_allclose(Penalised("lasso").fit(X, y).predict(X), expected, rtol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_move_with_the_targets_unit_and_a_weight_of_2_is_a_row_twice(kind):
    answers = Penalised(kind).fit(X, y).predict(X)
    scaled = Penalised(kind).fit(X, 1e6 * y + 5e8).predict(X)
    np.testing.assert_allclose((scaled - 5e8) / 1e6, answers, rtol=1e-4)
    assert np.square(answers - y).mean() < 0.55 * y.var()
    weighted = Penalised(kind).fit(X, y, np.full(len(y), 2.0)).predict(X)
    np.testing.assert_allclose(weighted, answers, rtol=0.05)
    assert np.isfinite(Penalised(kind).fit(X, np.ones(len(y))).predict(X)).all()


def test_a_penalty_is_chosen_on_some_rows_and_all_are_fitted(monkeypatch):
    sizes = []
    monkeypatch.setattr(LassoCV, "fit", _counting(LassoCV.fit, sizes))
    # LassoCV ends with a Lasso of its own on the same rows.
    monkeypatch.setattr(Lasso, "fit", _counting(Lasso.fit, sizes))
    monkeypatch.setattr("training.evaluation.penalised.NUMBERS", 0)
    monkeypatch.setattr("training.evaluation.penalised.FEWEST", 200)
    Penalised("lasso").fit(X, y)
    assert sizes == [200, 200, len(y)]
    Penalised("lasso", most_rows=300).fit(X, y)
    assert sizes[3:] == [200, 200, 300]


def _counting(fit, sizes):
    def fit_and_count(self, X, *args, **kwargs):
        sizes.append(len(X))
        return fit(self, X, *args, **kwargs)

    return fit_and_count


def test_a_wrong_kind_lists_the_right_ones():
    with pytest.raises(ValueError, match="ridge, lasso, elastic_net"):
        Penalised("larss")
