"""Rows whose keys are not checked, by ``extra=ignore``: a key that was meant for a feature is not passed over.

A row may leave out what training saw missing, and ``extra=ignore`` passes over what is no feature. Together they would
answer ``{"area_m2": 80}`` by the median of ``area m2``: so a row that lacks a feature and has a key like it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from artifact.errors import Fault
from artifact.rows.absent import absence, nearest_column
from artifact.rows.schema import Feature, FeatureSchema
from service.predict.parts import RANKED, WAY_OUT

# Keys come from anybody, and likeness costs: so many different sets of them are compared in a part, and so many keys of
# one. Beyond that a key is like a feature where their letters and digits are the same.
_SETS, _KEYS = 8, 64


class Misspelt:
    """Finds the keys of rows that were probably meant for a feature that the row lacks.

    Args:
        schema: of the model that answers.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        self._schema = schema
        self._known = frozenset(schema.names)
        self._optional = tuple(feature for feature in schema.features if feature.missing != "refuse")
        self._sets: dict[tuple[str, ...], dict[str, str | None]] = {}

    def faults(self, i: int, row: Mapping[str, Any]) -> list[Fault]:
        """The faults of row ``i``; none where no key is like a feature that it lacks.

        A feature that every row needs is refused by the encoding, whatever the others are called.
        """
        extra = tuple(name for name in row if name not in self._known)
        absent = [feature for feature in self._optional if feature.name not in row] if extra else []
        found: list[Fault] = []
        for feature in absent:
            near = self._meant(feature, extra)
            if near is not None:
                message = absence(feature, near[:100], f"send null, or {WAY_OUT}", "key")
                found.append(Fault(i, feature.name, message, None, "missing"))
                if len(found) == RANKED:
                    break
        return found

    def _meant(self, feature: Feature, extra: tuple[str, ...]) -> str | None:
        known = self._sets.get(extra)
        if known is None:
            if len(self._sets) >= _SETS:
                plain = _plain(feature.name)
                return next((name for name in extra[:_KEYS] if _plain(name) == plain), None)
            known = self._sets[extra] = {}
        if feature.name not in known:
            known[feature.name] = nearest_column(self._schema, feature.name, extra[:_KEYS])
        return known[feature.name]


def _plain(name: str) -> str:
    """A name without its spelling: ``area m2``, ``area_m2`` and ``AreaM2`` are one."""
    return "".join(filter(str.isalnum, name[:200].casefold()))
