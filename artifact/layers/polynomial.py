"""Powers and products of columns."""

from __future__ import annotations

import itertools
import math
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="trueline")
class PolynomialFeatures(keras.layers.Layer):
    """Products of up to ``degree`` of the first columns, powers included, beside the other columns as they are.

    The products have the order of scikit-learn's class of that name: by degree, then by column. There is no constant.

    **Shape**: (n_networks, n_samples, width) -> (n_networks, n_samples, :func:`n_products` + width - ``columns``).

    Args:
        columns: how many of the first columns are multiplied with each other.
        degree: at least 1. Defaults to 2.
    """

    def __init__(self, columns: int, degree: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if degree < 1:
            raise ValueError(f"Expected 'degree' of at least 1. Received: degree={degree}.")
        self.columns = int(columns)
        self.degree = int(degree)
        self._steps = _steps(self.columns, self.degree)

    def call(self, inputs: Any) -> Any:
        x = inputs[:, :, : self.columns]
        parts, products = [x], x
        for of_products, of_columns in self._steps:
            products = ops.take(products, of_products, axis=2) * ops.take(x, of_columns, axis=2)
            parts.append(products)
        if inputs.shape[-1] > self.columns:
            parts.append(inputs[:, :, self.columns :])
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        width = n_products(self.columns, self.degree) + int(input_shape[-1] or 0) - self.columns
        return (*input_shape[:-1], width)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(columns=self.columns, degree=self.degree)
        return config


def n_products(columns: int, degree: int) -> int:
    """Products of 1 to ``degree`` of that many columns."""
    return math.comb(columns + degree, degree) - 1


def _steps(columns: int, degree: int) -> list[tuple[Any, Any]]:
    """For each degree: products of the degree below, and the columns that multiply them, int32 (n_products,) each."""
    steps = []
    before: dict[tuple[int, ...], int] = {(i,): i for i in range(columns)}
    for size in range(2, degree + 1):
        products = list(itertools.combinations_with_replacement(range(columns), size))
        first = np.array([before[c[:-1]] for c in products], np.int32)
        steps.append((first, np.array([c[-1] for c in products], np.int32)))
        before = {c: i for i, c in enumerate(products)}
    return steps
