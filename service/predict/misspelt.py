"""Misspelt keys in rows with ``extra=ignore``: a key that is probably a feature's is refused and not ignored.

A row may leave out a feature that training saw missing, and ``extra=ignore`` ignores keys that are no feature. Both
together would answer ``{"area_m2": 80}`` with the median of ``area m2``. So a row is refused if it lacks a feature and
has a key with a similar name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from artifact.errors import Fault
from artifact.rows.absent import absence, nearest_column
from artifact.rows.schema import Feature, FeatureSchema
from service.predict.parts import RANKED, WAY_OUT

# Anybody can send many keys, and comparing names is slow. So in each part only this many different sets of keys are
# compared, and in each set only this many keys. Beyond that, a key matches a feature if their letters and digits are
# the same.
_SETS, _KEYS = 8, 64


class Misspelt:
    """Finds keys that are probably misspellings of a feature that the row lacks.

    Args:
        schema: schema of the model that answers.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        self._schema = schema
        self._names = frozenset(schema.names)
        self._optional = tuple(feature for feature in schema.features if feature.missing != "refuse")
        self._sets: dict[tuple[str, ...], dict[str, str | None]] = {}

    def faults(self, i: int, row: Mapping[str, Any]) -> list[Fault]:
        """The faults of row ``i``: one for each absent feature to which some key is similar.

        Features that every row needs are not checked here: the encoding refuses rows without them.
        """
        extra = tuple(name for name in row if name not in self._names)
        absent = [feature for feature in self._optional if feature.name not in row] if extra else []
        faults: list[Fault] = []
        for feature in absent:
            near = self._nearest(feature, extra)
            if near is not None:
                message = absence(feature, near[:100], f"send null, or {WAY_OUT}", "key")
                faults.append(Fault(i, feature.name, message, None, "missing"))
                if len(faults) == RANKED:
                    break
        return faults

    def _nearest(self, feature: Feature, extra: tuple[str, ...]) -> str | None:
        nearest = self._sets.get(extra)
        if nearest is None:
            if len(self._sets) >= _SETS:
                plain = _plain(feature.name)
                return next((name for name in extra[:_KEYS] if _plain(name) == plain), None)
            nearest = self._sets[extra] = {}
        if feature.name not in nearest:
            nearest[feature.name] = nearest_column(self._schema, feature.name, extra[:_KEYS])
        return nearest[feature.name]


def _plain(name: str) -> str:
    """A name's letters and digits in lower case: ``area m2``, ``area_m2`` and ``AreaM2`` become equal."""
    return "".join(filter(str.isalnum, name[:200].casefold()))
