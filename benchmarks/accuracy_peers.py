"""The peers of the accuracy benchmark, one process for each fit: the code that a user without Trueline would write.

    python -m benchmarks.accuracy_peers NAME TRAIN.parquet TEST.parquet TARGET SEED

prints one JSON object: ``rmse`` on the test file and ``seconds`` of fitting, imports not counted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler


def _prepared(texts: list[int], numbers: list[int]) -> Any:
    return make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
    )


def ridge(texts: list[int], numbers: list[int], seed: int) -> Any:  # noqa: ARG001
    return make_pipeline(_prepared(texts, numbers), RidgeCV(alphas=np.logspace(-3, 4, 15)))


def sklearn_mlp(texts: list[int], numbers: list[int], seed: int) -> Any:
    network = MLPRegressor(random_state=seed)
    model = make_pipeline(_prepared(texts, numbers), network)
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def hist_gradient_boosting(texts: list[int], numbers: list[int], seed: int) -> Any:
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = make_column_transformer((codes, texts), ("passthrough", numbers))
    return make_pipeline(prepare, HistGradientBoostingRegressor(random_state=seed))


def catboost(texts: list[int], numbers: list[int], seed: int) -> Any:  # noqa: ARG001
    from catboost import CatBoostRegressor

    return _Filled(CatBoostRegressor(cat_features=texts, random_seed=seed, verbose=0, allow_writing_files=False), texts)


def xgboost(texts: list[int], numbers: list[int], seed: int) -> Any:
    from xgboost import XGBRegressor

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = make_column_transformer((codes, texts), ("passthrough", numbers))
    return make_pipeline(prepare, XGBRegressor(random_state=seed))


def lightgbm(texts: list[int], numbers: list[int], seed: int) -> Any:
    from lightgbm import LGBMRegressor

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = make_column_transformer((codes, texts), ("passthrough", numbers))
    return make_pipeline(prepare, LGBMRegressor(random_state=seed, verbose=-1))


class _Filled:
    """Gives CatBoost its categories as text, missing ones, too."""

    def __init__(self, model: Any, texts: list[int]) -> None:
        self._model, self._texts = model, texts

    def fit(self, X: Any, y: Any) -> _Filled:
        self._model.fit(self._named(X), y)
        return self

    def predict(self, X: Any) -> Any:
        return self._model.predict(self._named(X))

    def _named(self, X: Any) -> Any:
        X = X.astype(object)
        X[:, self._texts] = np.where(X[:, self._texts] == None, "missing", X[:, self._texts])  # noqa: E711
        return X


def keras_tutorial(texts: list[int], numbers: list[int], seed: int) -> Any:
    """Two layers of 64, 100 epochs of batches of 32, ``Model.fit`` as the tutorials call it."""
    import keras

    class Network:
        def fit(self, X: Any, y: Any) -> Network:
            keras.utils.set_random_seed(seed)
            self.prepare = _prepared(texts, numbers).fit(X)
            self.mean, self.std = y.mean(), y.std()
            dense = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
            self.model = keras.Sequential([*dense, keras.layers.Dense(1)])
            self.model.compile(optimizer="adam", loss="mse")
            features = self.prepare.transform(X).astype("float32")
            self.model.fit(features, (y - self.mean) / self.std, epochs=100, batch_size=32, verbose=0)
            return self

        def predict(self, X: Any) -> Any:
            features = self.prepare.transform(X).astype("float32")
            return self.model.predict(features, verbose=0)[:, 0] * self.std + self.mean

    return Network()


PEERS: dict[str, Callable[[list[int], list[int], int], Any]] = {
    "ridge": ridge,
    "sklearn_mlp": sklearn_mlp,
    "hist_gradient_boosting": hist_gradient_boosting,
    "keras_tutorial": keras_tutorial,
    "xgboost": xgboost,
    "lightgbm": lightgbm,
    "catboost": catboost,
}
# The peers that benchmarks/peers/boosting.txt installs.
BOOSTING = ("xgboost", "lightgbm", "catboost")


def main(name: str, train_file: str, test_file: str, target: str, seed: int) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if name == "keras_tutorial":
        import keras  # noqa: F401 - start-up is not training
    frames = [pl.read_parquet(path) for path in (train_file, test_file)]
    columns = [c for c in frames[0].columns if c != target]
    texts = [j for j, c in enumerate(columns) if frames[0][c].dtype == pl.String]
    numbers = [j for j in range(len(columns)) if j not in texts]
    X, X_test = (frame.select(columns).to_numpy() for frame in frames)
    y, y_test = (frame[target].to_numpy().astype(float) for frame in frames)
    started = time.perf_counter()
    model = PEERS[name](texts, numbers, seed).fit(X, y)
    seconds = time.perf_counter() - started
    rmse = float(np.sqrt(np.mean(np.square(model.predict(X_test) - y_test))))
    print(json.dumps({"rmse": rmse, "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:5], int(sys.argv[5]))
