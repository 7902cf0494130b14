"""How unusual values are answered: with a warning, without one, or as faults."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from artifact.errors import Fault
from artifact.rows.encoding import RowWarning

Policy = Literal["warn", "ignore", "refuse"]


def as_faults(warnings: Iterable[RowWarning]) -> list[Fault]:
    """The warnings as faults, for the policy that refuses unusual values."""
    return [Fault(w.row, w.field, w.message, None, w.kind) for w in warnings]
