"""The families without a hidden layer give the answers of scikit-learn's pipelines, from the table to the version."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from artifact.errors import DataError
from artifact.facts import Coefficients
from artifact.manifest import ONNX_MODEL
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from tests.training.fits import fit_on
from training.families.ridge import ALPHAS
from training.networks.model import feed
from training.prepare.in_memory import Prepared, prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.folds import Fold, all_rows
from training.train import train

RNG = np.random.default_rng(0)
N = 260
SIZE = RNG.gamma(3, 30, N)
TABLE = pl.DataFrame(
    {
        "size": [None if i % 11 == 0 else float(v) for i, v in enumerate(SIZE)],
        "twice": 2 * SIZE + 1,
        "age": RNG.integers(0, 90, N),
        "same": RNG.choice([7.0, 7.0 + 1e-6], N),
        "town": [None if i % 17 == 0 else str(t) for i, t in enumerate(RNG.choice(["York", "Hull", "Bath"], N))],
        "garden": RNG.random(N) < 0.3,
    }
).with_columns(
    price=1e6 + 900.0 * pl.col("twice") - 300 * pl.col("age") + 9000 * pl.col("garden") + RNG.normal(0, 8000, N),
    rent=2.0 * pl.col("twice") + 0.05 * pl.col("age") ** 2 + 40 * (pl.col("town") == "Bath").fill_null(value=False),
)
TARGETS = ("price", "rent")
NUMBERS, WORDS = ["size", "twice", "age", "same", "garden"], ["town"]


def prepared(**settings) -> Prepared:
    return prepare(TABLE, Request("table.csv", TARGETS, "t", TrainConfig(folds=3, **settings)))


def matrix() -> np.ndarray:
    frame = TABLE.select(*NUMBERS, pl.col("town").fill_null("?"))
    return np.array(frame.with_columns(pl.col(NUMBERS).cast(pl.Float64)).rows(), dtype=object)


def columns(numeric) -> ColumnTransformer:
    words = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    return ColumnTransformer([("numbers", numeric, [0, 1, 2, 3, 4]), ("words", words, [5])])


def standard() -> ColumnTransformer:
    return columns(make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()))


def pipelines() -> dict:
    return {
        "linear": ({}, make_pipeline(standard(), LinearRegression())),
        "ridge": ({"alpha": 4.0}, make_pipeline(standard(), Ridge(alpha=4.0))),
        "lasso": ({"alpha": 30.0}, make_pipeline(standard(), Lasso(alpha=30.0, tol=1e-9, max_iter=100_000))),
    }


def targets() -> np.ndarray:
    return TABLE.select(TARGETS).to_numpy()


def answers(rows: Prepared, model) -> np.ndarray:
    values = np.asarray(model(feed(rows.X, [t.name for t in model.inputs]))["value"], np.float64)
    return values + np.array([t.offset for t in rows.schema.targets])


@pytest.mark.parametrize("model", ["linear", "ridge", "lasso"])
def test_answers_are_scikit_learns(model):
    settings, pipeline = pipelines()[model]
    rows = prepared(model=model, **settings)
    fitted = fit_on(rows, rows.plan.folds)
    X, y, std = matrix(), targets(), targets().std(axis=0)
    expected = pipeline.fit(X, y).predict(X)
    # In deviations of the target, since rent's answers pass through 0.
    assert np.abs((answers(rows, fitted.model) - expected) / std).max() < 1e-4
    offsets = np.array([t.offset for t in rows.schema.targets])
    for fold, unseen in zip(rows.plan.folds, fitted.unseen, strict=True):
        # The scaling's statistics are those of all rows.
        fold_model = pipeline[-1].fit(pipeline[0].transform(X)[fold.train], y[fold.train])
        others = fold_model.predict(pipeline[0].transform(X)[fold.validation])
        assert np.abs((np.asarray(unseen.value, np.float64) + offsets - others) / std).max() < 1e-3
        assert (unseen.spread > 0).all()


def test_coefficients_are_noted_in_the_tables_units():
    rows = prepared(model="lasso", alpha=30.0)
    fitted = fit_on(rows, rows.plan.folds)
    facts = {fact.target: fact for fact in fitted.facts if isinstance(fact, Coefficients)}
    assert list(facts) == list(TARGETS)
    price = facts["price"]
    assert price.sentence in fitted.notes
    pipeline = pipelines()["lasso"][1].fit(matrix(), targets())
    scaler = pipeline[0].named_transformers_["numbers"][-1]
    slope = pipeline[-1].coef_[0] / np.hstack([scaler.scale_, np.ones(pipeline[-1].coef_.shape[1] - 6)])
    coefficients = {term.column: term.weight for term in price.terms}
    assert coefficients["age"] == pytest.approx(slope[2], rel=1e-3)
    assert coefficients["twice"] == pytest.approx(slope[1], rel=1e-3)
    intercept = pipeline[-1].intercept_[0] - slope[:6] @ scaler.mean_
    assert price.intercept == pytest.approx(intercept, rel=1e-3)


def test_polynomial_is_scikit_learns():
    numbers = TABLE.select("twice", "age", "garden", "rent")
    rows = prepare(numbers, Request("table.csv", ("rent",), "t", TrainConfig(model="polynomial", folds=3, degree=3)))
    fitted = fit_on(rows, rows.plan.folds)
    (penalty,) = fitted.facts
    (alpha,) = penalty.alpha
    assert (penalty.family, penalty.tried, fitted.notes) == ("polynomial", len(ALPHAS), (penalty.sentence,))
    X = numbers.select(pl.exclude("rent").cast(pl.Float64)).to_numpy()
    y = numbers["rent"].to_numpy()
    # In the schema's order, the numbers are those of the pipeline.
    steps = (StandardScaler(), PolynomialFeatures(3, include_bias=False), StandardScaler(), Ridge(alpha=alpha))
    expected = make_pipeline(*steps).fit(X, y).predict(X)
    assert np.abs(answers(rows, fitted.model)[:, 0] - expected).max() < 1e-3 * y.std()


def test_products_that_would_be_too_many_leave_the_categories_alone_or_are_refused():
    rng = np.random.default_rng(1)
    wide = pl.DataFrame({f"x{i}": rng.normal(size=80) for i in range(30)} | {"y": rng.normal(size=80)})
    words = wide.with_columns(town="t" + pl.Series(rng.integers(0, 25, 80).astype(str)))
    request = Request("table.csv", ("y",), "t", TrainConfig(model="polynomial", folds=2))
    rows = prepare(words, request)
    model = fit_on(rows, rows.plan.folds).model
    core = model.get_layer("polynomial")
    layer = core.get_layer("products")
    assert (layer.columns, layer.degree) == (30, 2)
    rows = prepare(wide, Request("table.csv", ("y",), "t", TrainConfig(model="polynomial", folds=2, degree=3)))
    with pytest.raises(DataError, match="lower --set degree"):
        fit_on(rows, rows.plan.folds)


def test_stepwise_keeps_a_category_as_a_whole():
    rows = prepared(model="stepwise", criterion="bic")
    fitted = fit_on(rows, rows.plan.folds)
    selection = fitted.facts[0]
    assert (selection.direction, selection.criterion) == ("forward", "bic")
    assert (selection.features, len(selection.kept)) == (6, len(selection.steps))
    assert "town" in selection.kept
    assert "same" not in selection.kept
    kernel = fitted.model.get_layer("stepwise").get_layer("values").get_weights()[0][0, 0]
    town = kernel[-5:]
    assert town.any()
    assert not kernel[3].any()
    # "other" is not among the rows.
    assert not town[1].any()


def test_held_out_rows_choose_and_all_rows_are_refit():
    rows = prepared(model="ridge")
    fold = Fold(np.arange(200), np.arange(200, N))
    fitted = fit_on(rows, [fold])
    again = fit_on(rows, [all_rows(N)])
    assert len(fitted.unseen) == 1
    assert again.unseen == []
    std = targets().std(axis=0)
    assert np.abs((answers(rows, fitted.model) - answers(rows, again.model)) / std).mean() < 0.05


@pytest.mark.parametrize("model", ["polynomial", "ridge", "lasso", "stepwise", "linear"])
def test_repeats_on_held_out_rows_are_one_network(model, tmp_path):
    """Their folds were once taken for a cross-validation's: networks had validation rows alone, the refit had none."""
    TABLE.drop("rent").with_columns(sold=pl.int_range(N)).write_csv(tmp_path / "houses.csv")
    registry = LocalRegistry(tmp_path)
    request = Request(str(tmp_path / "houses.csv"), ("price",), "houses", TrainConfig(model=model), time="sold")
    once, twice = [
        train(replace(request, config=TrainConfig(model=model, repeats=repeats)), registry) for repeats in (1, 2)
    ]
    assert once.metrics == twice.metrics
    assert once.files[ONNX_MODEL] == twice.files[ONNX_MODEL]


@pytest.mark.parametrize("model", ["elastic-net", "polynomial"])
def test_a_version_is_stored_and_predicts_the_same(model, tmp_path):
    data = tmp_path / "houses.csv"
    TABLE.drop("rent").write_csv(data)
    registry = LocalRegistry(tmp_path)
    manifest = train(Request(str(data), ("price",), "houses", TrainConfig(model=model, folds=3)), registry)
    assert manifest.family == model
    (penalty,) = manifest.facts.penalties
    assert penalty.family == model
    assert penalty.tried > 1
    # A polynomial's columns are products, which have no unit of the table.
    assert [c.target for c in manifest.facts.coefficients] == (["price"] if model == "elastic-net" else [])
    told = [fact.sentence for fact in (penalty, *manifest.facts.coefficients)]
    assert [note for note in manifest.notes if note in told] == told
    assert 0.8 < manifest.coverage.covered["price"] <= 1
    folder = registry.resolve("houses").path
    assert (folder / "model.onnx").exists()
    for runtime in ("onnx", "keras"):
        # Loading checks that the golden rows get the network's answers.
        Predictor.load(folder, runtime=runtime)
    assert manifest.metrics["price"]["rmse"] < 0.3 * TABLE["price"].std()


def test_a_wrong_family_lists_the_right_ones():
    with pytest.raises(DataError, match="'elastic-net', 'polynomial' or 'stepwise'"):
        TrainConfig.build(None, {"model": "lars"})
    with pytest.raises(DataError, match="'forward' or 'backward'"):
        TrainConfig.build(None, {"direction": "sideways"})


def test_another_objective_is_refused_where_only_squares_are_solved_for():
    with pytest.raises(
        DataError, match=r"objective=mse for model=lasso\. Received: objective=mae\. Take --model linear"
    ):
        TrainConfig.build(None, {"model": "lasso", "objective": "mae"})
    assert TrainConfig.build(None, {"model": "linear", "objective": "mae"}).objective == "mae"


def test_a_weight_of_a_row_is_scikit_learns():
    rows = prepared(model="ridge", alpha=4.0)
    weight = RNG.uniform(0, 2, N)
    weight[:40] = 0
    fitted = fit_on(replace(rows, weight=weight), rows.plan.folds)
    pipeline = pipelines()["ridge"][1]
    X, y = matrix(), targets()
    Z = pipeline[0].fit_transform(X)
    expected = pipeline[-1].fit(Z, y, sample_weight=weight).predict(Z)
    assert np.abs((answers(rows, fitted.model) - expected) / y.std(axis=0)).max() < 1e-4
