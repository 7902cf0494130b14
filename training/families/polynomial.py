"""Polynomial regression: powers and products of the features, then ridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifact.errors import DataError
from training.families import linear, ridge
from training.families.settings import Settings
from training.families.solvers.task import Solved, Task

if TYPE_CHECKING:
    from training.networks.inputs import Inputs

# With more columns, the products of a table's rows alone take minutes.
MOST_COLUMNS = 1_000


def build(inputs: Inputs, config: Settings) -> Any:
    """All products of up to ``degree`` numbers, flags and categories.

    Where these are too many, only numbers and flags are multiplied, and the categories stay as they are.

    Raises:
        DataError: too many products of the numbers and flags alone.
    """
    from artifact.layers import PolynomialFeatures
    from artifact.layers.polynomial import n_products

    x = linear.build(inputs, config)
    width, categories = int(x.shape[-1]), sum(inputs.widths)
    for columns in (width, width - categories):
        if n_products(columns, config.degree) + width - columns <= MOST_COLUMNS:
            return PolynomialFeatures(columns, config.degree, name="products")(x)
    raise DataError(
        f"Expected at most {MOST_COLUMNS:,} columns of model=polynomial. Received: "
        f"{n_products(width - categories, config.degree) + categories:,} with degree={config.degree}. "
        "Set a lower --set degree=, or take --model ridge."
    )


def solve(task: Task) -> list[Solved]:
    """Solve as scikit-learn's Ridge on PolynomialFeatures that are standardised once more."""
    return ridge.solve(task, standardised=True)


FAMILY = linear.line(
    "polynomial",
    "A line on products of the columns up to `degree`, with the penalty of `ridge`.",
    solve,
    rank=80,
    build=build,
    shape="polynomial",
    settings=("alpha", "degree"),
    line="polynomial regression",
    baseline="polynomial",
    like="`PolynomialFeatures(degree)`, `StandardScaler`, `Ridge(alpha)`",
    chosen="`alpha`, as for `ridge`",
)
