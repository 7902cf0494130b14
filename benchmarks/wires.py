"""The request for one row, and the place of the answer, for each server of the benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Wire(NamedTuple):
    """A route and its JSON.

    Attributes:
        name: name of its form of JSON.
        path: the route.
        body: function from the values of a row by feature to a request's object.
        value: function from the answer's object to the predicted number.
    """

    name: str
    path: str
    body: Callable[[dict[str, float]], Any]
    value: Callable[[Any], float]

    def bodies(self, rows: Sequence[dict[str, float]]) -> list[bytes]:
        """One request for each row."""
        return [json.dumps(self.body(row)).encode() for row in rows]

    def read(self, answer: bytes) -> float:
        """The number in an answer.

        Raises:
            ValueError: it is not where it should be.
        """
        try:
            return float(self.value(json.loads(answer)))
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"Expected a prediction. Received: {answer[:300]!r}.") from error


def _tensor(row: dict[str, float]) -> dict[str, Any]:
    values = list(row.values())
    return {"inputs": [{"name": "numeric", "shape": [1, len(values)], "datatype": "FP32", "data": values}]}


def _numbers(row: dict[str, float]) -> list[list[float]]:
    return [list(row.values())]


# Features by name, as Trueline takes them.
ROWS = Wire("rows", "/predict", lambda row: {"rows": [row]}, lambda answer: answer["predictions"][0]["value"])
# Numbers in the order of the features.
MATRIX = Wire("matrix", "/predict", lambda row: {"rows": _numbers(row)}, lambda answer: answer[0][0])
OPEN_INFERENCE = Wire(
    "open-inference", "/v2/models/network/infer", _tensor, lambda answer: answer["outputs"][0]["data"][0]
)
MLFLOW = Wire(
    "mlflow",
    "/invocations",
    lambda row: {"inputs": _numbers(row)},
    lambda answer: answer["predictions"]["value"][0][0],
)
