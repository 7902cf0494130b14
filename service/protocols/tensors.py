"""Turns tensors of the Open Inference Protocol into a request, by the live model's schema, and answers into tensors.

A request has a tensor for each feature, with the feature's name and shape [n] or [n, 1]. Where all features are
numbers, it may have one FP tensor of shape [n, n_features] in schema order instead, with any other name (``input`` is
usual).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from artifact.errors import Fault, unknown_name
from artifact.rows.absent import MissingColumns
from artifact.rows.schema import Feature, FeatureSchema
from service.predict.hints import special_name
from service.predict.inference import Answer
from service.predict.parts import absent_faults
from service.predict.requests import PredictRequest
from service.protocols.datatypes import BYTES, FITTING, FLOATS, Floats, Values, check_datatype, fault
from service.wire.errors import Described, InvalidRequestError, TooLargeError, as_text

ENDS = ("value", "lower", "upper")
MATRIX = "input"
_KINDS = {kind: f"{'an' if kind == 'integer' else 'a'} {kind}" for kind in FITTING}
_MATRIX_KINDS = ("number", "integer", "boolean")


class Head(NamedTuple):
    """A tensor without its elements; :func:`read_head` checks it."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Tensor(NamedTuple):
    """An input with its elements: float64 (size,), or a list of as many strings."""

    head: Head
    values: Values


class Inputs:
    """Checks whether tensors fit one schema.

    Args:
        schema: schema of the live model.
        max_rows: most rows in a request.
    """

    def __init__(self, schema: FeatureSchema, *, max_rows: int) -> None:
        self._schema = schema
        self._features = {feature.name: feature for feature in schema.features}
        self._matrix = all(feature.kind in _MATRIX_KINDS for feature in schema.features)
        self._max_rows = max_rows

    def check(self, heads: Sequence[Head], missing_columns: MissingColumns, way_out: str) -> int:
        """Check the tensors before their elements are read, and return their number of rows.

        Args:
            heads: the tensors.
            missing_columns: ``impute`` allows features without a tensor, where training saw them missing.
            way_out: how a caller of the protocol asks for ``impute``.

        Raises:
            InvalidRequestError: a name is unknown, repeated or absent, or a datatype or shape does not fit.
            TooLargeError: the request has too many rows.
        """
        if not heads:
            raise fault("inputs", f"Expected a tensor for each feature: {self._names()}.", Described("no tensors"))
        if self._is_matrix(heads):
            (head,) = heads
            if len(head.shape) != 2 or head.shape[1] != len(self._features):
                if head.name != MATRIX:  # more likely it should be the name of a feature, and is misspelt
                    raise InvalidRequestError([self._unknown(head.name)])
                raise fault(head.name, f"Expected shape [n, {len(self._features)}].", _describe(head.shape))
            return self._rows(head.name, head.shape[0])
        sizes: dict[str, int] = {}
        for head in heads:
            feature = self._features.get(head.name)
            if feature is None:
                raise InvalidRequestError([self._unknown(head.name)])
            if head.name in sizes:
                raise fault(head.name, "Expected each input once.", Described("twice"))
            sizes[head.name] = self._feature_rows(feature, head)
        absent = absent_faults(self._schema, list(sizes), missing_columns, what="input", way_out=way_out)
        if absent:
            raise InvalidRequestError(absent)
        first, n_rows = next(iter(sizes.items()))
        for name, size in sizes.items():
            if size != n_rows:
                message = f"Expected {n_rows} rows, as '{first}' has."
                raise InvalidRequestError([Fault(None, name, message, size, "length")])
        return n_rows

    def columns_of(self, head: Head) -> list[str]:
        """The features in a checked tensor, one for each of its columns."""
        return list(self._features) if self._is_matrix([head]) else [head.name]

    def request(self, tensors: Sequence[Tensor], n_rows: int, interval: float | None) -> PredictRequest:
        """Make a request of checked tensors."""
        if self._is_matrix([tensor.head for tensor in tensors]) and not isinstance(tensors[0].values, list):
            matrix: Floats = tensors[0].values.reshape(n_rows, len(self._features))
            return PredictRequest(None, dict(zip(self._features, matrix.T, strict=True)), n_rows, interval)
        columns = {tensor.head.name: tensor.values for tensor in tensors}
        return PredictRequest(None, columns, n_rows, interval)

    def _is_matrix(self, heads: Sequence[Head]) -> bool:
        return self._matrix and len(heads) == 1 and heads[0].name not in self._features and heads[0].datatype in FLOATS

    def _feature_rows(self, feature: Feature, head: Head) -> int:
        fitting = FITTING[feature.kind]
        if head.datatype not in fitting:
            raise fault(
                feature.name, f"Expected {' or '.join(fitting)} for {_KINDS[feature.kind]}.", Described(head.datatype)
            )
        if len(head.shape) not in (1, 2) or head.shape[1:] not in ((), (1,)):
            raise fault(feature.name, "Expected shape [n] or [n, 1].", _describe(head.shape))
        return self._rows(feature.name, head.shape[0])

    def _rows(self, name: str, n_rows: int) -> int:
        if n_rows > self._max_rows:
            raise TooLargeError.rows(self._max_rows, n_rows)
        if n_rows == 0:
            raise fault(name, "Expected at least one row.", 0)
        return n_rows

    def _unknown(self, name: str) -> Fault:
        target_or_index = special_name(self._schema, name)
        message = unknown_name("input", name, self._features)
        if target_or_index is not None:
            message = f"Unknown input '{name[:100]}'. {target_or_index}"
        elif self._matrix:
            message += f" Or send one FP64 tensor '{MATRIX}' of shape [n, {len(self._features)}]."
        return Fault(None, name, message, name, "unknown")

    def _names(self) -> str:
        return ", ".join(f"'{name}'" for name in list(self._features)[:20])


def read_head(name: Any, datatype: Any, shape: Any) -> Head:
    """Check the name, datatype and shape of a tensor, without the model.

    Raises:
        InvalidRequestError: no tensor can have such a name, datatype or shape.
    """
    if not isinstance(name, str):
        raise fault("inputs", "Expected a tensor with a 'name'.", name)
    sizes = tuple(shape) if isinstance(shape, Iterable) and not isinstance(shape, (str, dict)) else None
    if sizes is None or not all(type(size) is int and size >= 0 for size in sizes):
        raise fault(name, "Expected a 'shape' of sizes from 0 on.", shape if sizes is None else _describe(sizes))
    return Head(name, check_datatype(name, datatype), sizes)


def read_interval(value: Any) -> float | None:
    """Read the parameter ``interval``: a number in (0, 1), or text with its digits.

    Raises:
        InvalidRequestError: the value is neither.
    """
    if value is None:
        return None
    try:
        level = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        level = math.nan
    if not 0 < level < 1:
        raise InvalidRequestError([Fault(None, "interval", "Expected a number in (0, 1).", value, "range")])
    return level


def output_names(schema: FeatureSchema) -> list[str]:
    """``value``, ``lower``, ``upper``; with several targets ``NAME_value`` and so on, as in predicted tables."""
    if len(schema.targets) == 1:
        return list(ENDS)
    return [f"{target}_{end}" for target in schema.target_names for end in ENDS]


def select_outputs(schema: FeatureSchema, names: Sequence[str]) -> list[str]:
    """The outputs to answer with: those in ``names``, or all where it is empty.

    Raises:
        InvalidRequestError: an output does not exist, or is named twice.
    """
    available = output_names(schema)
    earlier = set()
    for name in names:
        if name not in available:
            raise InvalidRequestError([Fault(None, name, unknown_name("output", name, available), name, "unknown")])
        if name in earlier:
            raise fault(name, "Expected each output once.", Described("twice"))
        earlier.add(name)
    return list(names) or available


def outputs_of(schema: FeatureSchema, answer: Answer) -> dict[str, list[float]]:
    """Each output by its name, one number a row."""
    columns = [
        [row[j] for row in rows]
        for j in range(len(schema.targets))
        for rows in (answer.value, answer.lower, answer.upper)
    ]
    return dict(zip(output_names(schema), columns, strict=True))


def described_inputs(schema: FeatureSchema) -> list[tuple[str, str]]:
    """Name and datatype of each input. An integer that may be missing has FP64, for only floats can be NaN."""
    return [
        (f.name, "FP64" if f.missing == "impute" and FITTING[f.kind][0] != BYTES else FITTING[f.kind][0])
        for f in schema.features
    ]


def _describe(shape: Sequence[Any]) -> Described:
    sizes = ", ".join(as_text(size)[:20] for size in shape[:8])
    return Described(f"[{sizes}{', ...' if len(shape) > 8 else ''}]")
