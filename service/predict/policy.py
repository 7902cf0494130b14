"""What becomes of values that are answered but unusual: said, not said, or refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from artifact.errors import Fault
from artifact.rows.encoding import RowWarning

Policy = Literal["warn", "ignore", "refuse"]


def refused(warnings: Iterable[RowWarning]) -> list[Fault]:
    """Unusual values as faults, where the policy refuses them."""
    return [Fault(w.row, w.field, w.message, None, w.kind) for w in warnings]
