"""Facts of how a version came about: what was left out, repaired, suspected, chosen, mixed, distilled or retried."""

from artifact.facts.base import Fact, Note, facts_in, sentences
from artifact.facts.columns import (
    ColumnLeftOut,
    Formula,
    KeyColumn,
    KnownWithTarget,
    Leak,
    LongNumbers,
    UnreadableValues,
    Why,
)
from artifact.facts.facts import Facts
from artifact.facts.results import Distilled, Leaning, Mixed, Retry, TooGood
from artifact.facts.rows import EmptyRows, HeavyValue, RepeatedRows, UntargetedRows
from artifact.facts.solved import Coefficient, Coefficients, Penalty, Selection, Step

__all__ = [
    "Coefficient",
    "Coefficients",
    "ColumnLeftOut",
    "Distilled",
    "EmptyRows",
    "Fact",
    "Facts",
    "Formula",
    "HeavyValue",
    "KeyColumn",
    "KnownWithTarget",
    "Leak",
    "Leaning",
    "LongNumbers",
    "Mixed",
    "Note",
    "Penalty",
    "RepeatedRows",
    "Retry",
    "Selection",
    "Step",
    "TooGood",
    "UnreadableValues",
    "UntargetedRows",
    "Why",
    "facts_in",
    "sentences",
]
