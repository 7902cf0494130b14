"""``TruelineRegressor`` on tables as people have them and inside scikit-learn's tools, by ridge and by networks."""

from __future__ import annotations

import pickle
import pickletools
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from artifact.errors import DataError
from tests.training.conftest import mixed_table
from trueline import TruelineRegressor
from trueline.regressor import FewRowsWarning, StoredVersion
from trueline.ridge import Ridge

NETWORK = {"folds": 2, "repeats": 1, "epochs": 2, "hidden": [8]}


def split(table: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray]:
    return table.drop("price"), table["price"].to_numpy()


@pytest.fixture
def few() -> tuple[pl.DataFrame, np.ndarray]:
    return split(mixed_table(120))


@pytest.fixture(scope="module")
def network() -> TruelineRegressor:
    X, y = split(mixed_table())
    return TruelineRegressor(preset="fast", settings=NETWORK).fit(X.to_pandas(), y)


@pytest.mark.parametrize("kind", ["polars", "pandas", "pyarrow"])
def test_a_small_table_of_any_kind_is_answered_by_ridge_with_a_warning(kind, few):
    frame, y = few
    X: Any = {"polars": frame, "pandas": frame.to_pandas(), "pyarrow": frame.to_arrow()}[kind]
    with pytest.warns(FewRowsWarning, match="120 rows are answered by ridge regression.*more than 200"):
        model = TruelineRegressor().fit(X, y)
    assert isinstance(model.fitted_, Ridge)
    assert list(model.feature_names_in_) == frame.columns
    assert model.n_features_in_ == frame.width
    assert model.score(X, y) > 0.8
    ends = model.predict_interval(X, interval=0.8)
    assert ends.shape == (120, 2)
    inside = (ends[:, 0] <= y) & (y <= ends[:, 1])
    assert 0.7 < inside.mean() < 0.95


def test_a_missing_value_and_a_new_category_are_answered_and_another_kind_of_value_is_not(few):
    X, y = few
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewRowsWarning)
        model = TruelineRegressor().fit(X, y)
    odd = X.head(2).with_columns(town=pl.lit("Rome"), rooms=pl.lit(None, pl.Float64), sold=pl.lit(None, pl.Datetime))
    assert np.isfinite(model.predict(odd)).all()
    with pytest.raises(DataError, match="row 1, 'area'"):
        model.predict(X.head(2).with_columns(area=pl.lit("large")))
    with pytest.raises(DataError, match="Expected 'interval' of at most"):
        model.predict_interval(X.head(2), interval=0.999)


@pytest.mark.filterwarnings("ignore::trueline.regressor.FewRowsWarning")
def test_a_table_without_a_column_that_informs_is_answered_by_the_weighted_mean():
    model = TruelineRegressor().fit(np.ones((4, 1)), [1.0, 2.0, 3.0, 4.0], sample_weight=[0, 1, 1, 0])
    assert model.predict([[1.0]]) == [2.5]


@pytest.mark.filterwarnings("ignore::trueline.regressor.FewRowsWarning")
@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_it_works_inside_the_tools_of_scikit_learn(kind, few):
    frame, y = few
    X: Any = frame if kind == "polars" else frame.to_pandas()
    assert (cross_val_score(TruelineRegressor(), X, y, cv=3) > 0.7).all()
    search = GridSearchCV(TruelineRegressor(), {"preset": ["fast", "best"], "few_rows": [200, 300]}, cv=2).fit(X, y)
    assert search.best_params_.keys() == {"preset", "few_rows"}
    numbers = frame.select("rooms", "area").fill_null(50)
    pipeline = make_pipeline(StandardScaler(), TruelineRegressor()).fit(numbers.to_numpy(), y)
    assert pipeline.score(numbers.to_numpy(), y) > 0.7


def test_parameters_are_those_of_the_constructor_and_a_clone_has_them():
    model = TruelineRegressor(preset="best", settings={"epochs": 3}, seed=7)
    assert clone(model).get_params() == model.get_params()
    assert clone(model).set_params(seed=8).seed == 8
    assert model.get_params()["settings"] == {"epochs": 3}


def test_a_network_is_fitted_on_more_rows_and_says_what_training_said(network):
    X, y = split(mixed_table())
    assert isinstance(network.fitted_, StoredVersion)
    assert network.predict(X.to_pandas()).shape == (240,)
    assert network.score(X.to_pandas(), y) > 0
    assert isinstance(network.notes_, tuple)
    assert network.fitted_.predictor.manifest.lineage.rows == 240


def test_a_pickle_is_the_bytes_of_the_version_and_no_code(network):
    X = split(mixed_table())[0].to_pandas()
    data = pickle.dumps(network)
    modules = {
        f"{argument}"
        for opcode, argument, _ in pickletools.genops(data)
        if "UNICODE" in opcode.name and str(argument).partition(".")[0] in ("keras", "tensorflow", "onnxruntime", "jax")
    }
    assert modules == set()
    loaded = pickle.loads(data)
    assert loaded.fitted_.files == network.fitted_.files
    assert np.array_equal(loaded.predict(X), network.predict(X))
    with pytest.warns(FewRowsWarning):
        ridge = TruelineRegressor().fit(X.head(50), np.arange(50.0))
    assert np.array_equal(pickle.loads(pickle.dumps(ridge)).predict(X), ridge.predict(X))


def test_several_targets_weights_and_texts_of_an_array_reach_the_network():
    table = mixed_table()
    X = table.select("area", "town", "postcode").to_numpy()
    y = np.column_stack([table["price"], -table["price"]])
    weight = np.where(table["garden"].to_numpy(), 2.0, 1.0)
    model = TruelineRegressor(preset="fast", settings=NETWORK).fit(X, y, sample_weight=weight)
    assert model.predict(X).shape == (240, 2)
    assert model.predict_interval(X[:3]).shape == (3, 2, 2)
    manifest = model.fitted_.predictor.manifest
    assert manifest.lineage.config["weight"] == "weight"
    assert [f.kind for f in model.fitted_.predictor.schema.features] == ["number", "category", "category"]


def test_a_setting_that_does_not_exist_is_told_when_it_is_fitted():
    X, y = split(mixed_table())
    with pytest.raises(DataError, match="Unknown setting 'epoch'"):
        TruelineRegressor(settings={"epoch": 2}).fit(X, y)
    with pytest.raises(ValueError, match="at least 2"):
        TruelineRegressor().fit(pd.DataFrame({"a": [1.0]}), [1.0])
