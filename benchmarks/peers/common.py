"""The rows and answers of the peers that validate them by pydantic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, create_model

if TYPE_CHECKING:

    class Row(BaseModel):
        """The benchmark's 13 features."""
else:
    Row = create_model(
        "Row",
        __config__=ConfigDict(extra="forbid", allow_inf_nan=False),
        **{f"f{i}": (float, ...) for i in range(13)},
    )


class Request(BaseModel):
    rows: list[Row]


class Prediction(BaseModel):
    value: float


class Answer(BaseModel):
    predictions: list[Prediction]


def table(rows: Sequence[Row]) -> npt.NDArray[np.float32]:
    """The rows as float32 (n_samples, 13), in the order of the model's fields."""
    return np.array([list(row.__dict__.values()) for row in rows], np.float32)


def answer(values: npt.NDArray[np.float32]) -> Answer:
    """values: float32 (n_samples, 1)."""
    return Answer(predictions=[Prediction(value=v) for v in values[:, 0].tolist()])
