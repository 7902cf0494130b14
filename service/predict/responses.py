"""Writes the answers to ``POST /predict`` in JSON.

Rows are answered with rows; several targets with an object for each target::

    {"model_name", "model_version", "predictions": [{"value", "lower", "upper", "warnings"}]}
    {"model_name", "model_version", "predictions": [{"targets": {name: {"value", "lower", "upper"}}, "warnings"}]}

Columns are answered with columns::

    {"model_name", "model_version", "columns": {"value": [...], "lower": [...], "upper": [...]}, "warnings"}
    {"model_name", "model_version", "columns": {name: {"value", "lower", "upper"}}, "warnings"}

``warnings`` is a list of ``{"field", "kind", "message"}``; beside columns each also has its ``row``. A float32 number
is written with all the digits of its double, so that a reader gets the Predictor's number to the last bit.
"""

from __future__ import annotations

from typing import Any

import orjson

from artifact.predictor import Predictor
from artifact.rows.encoding import RowWarning
from service.predict.inference import Answer
from service.predict.requests import PredictRequest


class ResponseWriter:
    """Writes the answers of one model version.

    Args:
        predictor: the version that answers.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._name = predictor.model_name
        self._version = predictor.model_version
        self._targets = predictor.schema.target_names

    def write(self, request: PredictRequest, answer: Answer) -> bytes:
        """The body of a 200 answer to ``request``."""
        body: dict[str, Any] = {"model_name": self._name, "model_version": self._version}
        if request.rows is not None:
            body["predictions"] = self._rows(answer)
        else:
            body["columns"] = self._columns(answer)
            body["warnings"] = [{"row": w.row, **_warning(w)} for w in answer.warnings]
        return orjson.dumps(body)

    def _rows(self, answer: Answer) -> list[dict[str, Any]]:
        predictions: list[dict[str, Any]]
        if len(self._targets) == 1:
            predictions = [
                {"value": value[0], "lower": lower[0], "upper": upper[0], "warnings": []}
                for value, lower, upper in zip(answer.value, answer.lower, answer.upper, strict=True)
            ]
        else:
            predictions = [
                {
                    "targets": {
                        name: {"value": value[j], "lower": lower[j], "upper": upper[j]}
                        for j, name in enumerate(self._targets)
                    },
                    "warnings": [],
                }
                for value, lower, upper in zip(answer.value, answer.lower, answer.upper, strict=True)
            ]
        for warning in answer.warnings:
            predictions[warning.row]["warnings"].append(_warning(warning))
        return predictions

    def _columns(self, answer: Answer) -> dict[str, Any]:
        ends = {"value": answer.value, "lower": answer.lower, "upper": answer.upper}
        if len(self._targets) == 1:
            return {name: [row[0] for row in rows] for name, rows in ends.items()}
        return {
            target: {name: [row[j] for row in rows] for name, rows in ends.items()}
            for j, target in enumerate(self._targets)
        }


def _warning(warning: RowWarning) -> dict[str, Any]:
    return {"field": warning.field, "kind": warning.kind, "message": warning.message}
