"""What becomes of values that are answered but unusual: said, not said, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from artifact.errors import Fault
from service.predict.inference import Answer, Outcome
from service.wire.errors import InvalidRequestError

Policy = Literal["warn", "ignore", "refuse"]


def apply(policy: Policy, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes of a batch under a policy; an answer without warnings is what it was."""
    if policy == "warn":
        return list(outcomes)
    change = _silent if policy == "ignore" else _refused
    return [change(o) if isinstance(o, Answer) and o.warnings else o for o in outcomes]


def _silent(answer: Answer) -> Outcome:
    return answer._replace(warnings=[])


def _refused(answer: Answer) -> Outcome:
    return InvalidRequestError([Fault(w.row, w.field, w.message, None, w.kind) for w in answer.warnings])
