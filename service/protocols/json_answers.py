"""Writes answers to large requests as JSON rows, JSON columns and NDJSON, a part at a time."""

from __future__ import annotations

from typing import Any, Protocol

import orjson

from artifact.predictor import Predictor
from artifact.rows.encoding import RowWarning
from service.predict.parts import PartAnswer
from service.protocols.json_bulk import numbers, row_error


class Writer(Protocol):
    """Writes an answer: ``add`` returns the bytes of a part, ``close`` those of the end."""

    def add(self, answer: PartAnswer) -> bytes: ...

    def close(self) -> bytes: ...


class _Rows:
    """One object a row."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._targets = predictor.schema.target_names

    def objects(self, answer: PartAnswer) -> list[dict[str, Any]]:
        ends = [answer.value.tolist(), answer.lower.tolist(), answer.upper.tolist()]
        rows: list[dict[str, Any]]
        if len(self._targets) == 1:
            rows = [
                {"value": value, "lower": lower, "upper": upper, "warnings": ()}
                for (value,), (lower,), (upper,) in zip(*ends, strict=True)
            ]
        else:
            rows = [
                {
                    "targets": {
                        name: {"value": value[j], "lower": lower[j], "upper": upper[j]}
                        for j, name in enumerate(self._targets)
                    },
                    "warnings": (),
                }
                for value, lower, upper in zip(*ends, strict=True)
            ]
        for warning in answer.warnings:
            row = rows[warning.row - answer.start]
            row["warnings"] = [*row["warnings"], _object(warning)]
        for row_number in answer.errors:
            rows[row_number] = _error(answer, row_number)
        return rows


class JsonRowsWriter(_Rows):
    """``{"model_name", "model_version", "predictions": [...]}``."""

    def add(self, answer: PartAnswer) -> bytes:
        rows = orjson.dumps(self.objects(answer))[1:-1]
        if answer.start:
            return b"," + rows
        head = {"model_name": self._predictor.model_name, "model_version": self._predictor.model_version}
        return orjson.dumps(head)[:-1] + b',"predictions":[' + rows

    def close(self) -> bytes:
        return b"]}"


class NdjsonWriter(_Rows):
    """One object a line."""

    def add(self, answer: PartAnswer) -> bytes:
        return b"\n".join(map(orjson.dumps, self.objects(answer))) + b"\n"

    def close(self) -> bytes:
        return b""


class JsonColumnsWriter:
    """``{"model_name", "model_version", "columns": {...}, "warnings": [...]}``; with errors by row also ``errors``."""

    def __init__(self, predictor: Predictor, *, with_errors: bool) -> None:
        self._predictor = predictor
        self._with_errors = with_errors
        self._parts: list[list[list[bytes]]] = [[[], [], []] for _ in predictor.schema.targets]
        self._warnings: list[bytes] = []
        self._errors: list[bytes] = []

    def add(self, answer: PartAnswer) -> bytes:
        for j, columns in enumerate(self._parts):
            for parts, end in zip(columns, (answer.value, answer.lower, answer.upper), strict=True):
                parts.append(numbers(end[:, j])[1:-1])
        self._warnings.extend(orjson.dumps({"row": w.row, **_object(w)}) for w in answer.warnings)
        for row in sorted(answer.errors):
            self._errors.append(orjson.dumps({"row": answer.start + row, **_error(answer, row)}))
        return b""

    def close(self) -> bytes:
        names = self._predictor.schema.target_names
        targets = [
            b",".join(
                b'"%b":[%b]' % (end, b",".join(parts))
                for end, parts in zip((b"value", b"lower", b"upper"), columns, strict=True)
            )
            for columns in self._parts
        ]
        if len(names) == 1:
            columns = targets[0]
        else:
            columns = b",".join(
                b"%b:{%b}" % (orjson.dumps(name), column) for name, column in zip(names, targets, strict=True)
            )
        head = {"model_name": self._predictor.model_name, "model_version": self._predictor.model_version}
        errors = b',"errors":[%b]' % b",".join(self._errors) if self._with_errors else b""
        return b'%b,"columns":{%b},"warnings":[%b]%b}' % (
            orjson.dumps(head)[:-1],
            columns,
            b",".join(self._warnings),
            errors,
        )


def _object(warning: RowWarning) -> dict[str, Any]:
    return {"field": warning.field, "kind": warning.kind, "message": warning.message}


def _error(answer: PartAnswer, row: int) -> dict[str, Any]:
    error: dict[str, Any] = orjson.loads(row_error(answer, row).body())
    return error
