"""Facts of families whose weights are solved for: the penalty or the features that were chosen, and coefficients."""

from __future__ import annotations

from typing import Literal

from artifact.facts.base import Fact
from artifact.lineage import Frozen


class Penalty(Fact):
    """How strongly weights are held small.

    Attributes:
        family: name of the family that was solved for.
        alpha: one penalty for all targets, or one for each in the order of the schema.
        l1_ratio: share of the L1 norm; None where the family has no such choice.
        standardised: whether ``alpha`` is for targets divided by their deviations, and not for targets in their own
            units.
        tried: number of penalties among which the folds chose; 1 where the penalty was set.
        weighted: number of columns that have a weight; None where every column has one.
        columns: number of all columns; None where ``weighted`` is None.
    """

    family: str
    alpha: tuple[float, ...]
    l1_ratio: float | None = None
    standardised: bool = False
    tried: int = 1
    weighted: int | None = None
    columns: int | None = None

    @property
    def sentence(self) -> str:
        shown = ", ".join(f"{alpha:.6g}" for alpha in self.alpha)
        ratio = "" if self.l1_ratio is None else f" with l1_ratio {self.l1_ratio:g}"
        unit = ", for a target of deviation 1" if self.standardised else ""
        chosen = f" of {self.tried} by the folds" if self.tried > 1 else ""
        left = "" if self.weighted is None else f"; {self.weighted} of {self.columns} columns have a weight"
        return f"{self.family} took alpha {shown}{ratio}{unit}{chosen}{left}."


class Step(Frozen):
    """One step of a selection: the feature that it adds or takes away, and the score after the step."""

    feature: str
    added: bool
    score: float


class Selection(Fact):
    """Which features stepwise regression kept.

    Attributes:
        direction: features were added, ``forward``, or taken away, ``backward``.
        criterion: what the score is: the folds' error, AIC or BIC; the lower the better.
        kept: names of the features that are left.
        features: number of features before the first step.
        score: score before the first step.
        steps: the steps in order.
    """

    direction: Literal["forward", "backward"]
    criterion: Literal["validation", "aic", "bic"]
    kept: tuple[str, ...]
    features: int
    score: float
    steps: tuple[Step, ...]

    @property
    def sentence(self) -> str:
        kept = ", ".join(f"'{name}'" for name in self.kept) or "none"
        steps = ", ".join(f"{'+' if s.added else '-'}{s.feature} ({s.score:.4g})" for s in self.steps)
        return (
            f"stepwise {self.direction} by {self.criterion} kept {len(self.kept)} of {self.features} features: {kept}. "
            f"Score {self.score:.4g}" + (f", then {steps}." if steps else ".")
        )


class Coefficient(Frozen):
    """The weight of a column, in units of the target for each unit of the column."""

    column: str
    weight: float


class Coefficients(Fact):
    """The formula of a target, in the table's own units.

    Attributes:
        family: name of the family that was solved for.
        terms: coefficients of the largest effect, the largest first.
        more: number of further columns that have a weight.
    """

    family: str
    target: str
    intercept: float
    terms: tuple[Coefficient, ...]
    more: int = 0

    @property
    def sentence(self) -> str:
        terms = "".join(f", {term.column} {term.weight:.6g}" for term in self.terms)
        more = f", and {self.more} more" if self.more else ""
        return f"Coefficients of '{self.target}': intercept {self.intercept:.6g}{terms}{more}."
