"""Facts of results: suspiciously good ones, mixed or distilled networks, and repeated trainings."""

from __future__ import annotations

from artifact.facts.base import Fact


class TooGood(Fact):
    """A target that is explained nearly whole.

    Attributes:
        model: the best one.
        r2: its R2 on the test rows.
        column: on which the version leans most; None where it leans on none.
        share: of all features' importance that the column has.
    """

    target: str
    model: str
    r2: float
    column: str | None = None
    share: float = 0.0

    @property
    def sentence(self) -> str:
        r2 = "more than 0.9999" if self.r2 > 0.9999 else f"{self.r2:.4f}"
        leaning = (
            "" if self.column is None else f"; the model leans on '{self.column}' ({self.share:.0%} of the importance)"
        )
        return (
            f"R2 of '{self.target}' is {r2}, by {self.model}: so good a figure is rather a leak or a formula than a "
            f"discovery{leaning}. Look for a column that is known only after the target is."
        )


class Leaning(Fact):
    """A column that holds most of the importance for a target: ``share`` of it."""

    column: str
    target: str
    share: float

    @property
    def sentence(self) -> str:
        return (
            f"Column '{self.column}' holds {self.share:.0%} of the importance for '{self.target}': a leak, if it is "
            "known only after the target is. Then leave it out: drop = true in schema.toml."
        )


class Mixed(Fact):
    """What was mixed.

    Attributes:
        weights: of each family, their sum 1; 0 for one that is not in the model.
        alone: error of each family alone over that of the mix, on rows that none has seen.
        plain: the error in a sentence: ``RMSE``.
    """

    weights: dict[str, float]
    alone: dict[str, float]
    plain: str

    @property
    def sentence(self) -> str:
        parts = [f"{name} {share:.0%} ({self.alone[name] - 1:+.1%} alone)" for name, share in self.weights.items()]
        return (
            f"Mixed by errors on unseen rows: {', '.join(parts)}; in brackets its {self.plain} against that of the mix."
        )


class Distilled(Fact):
    """One small network in place of an ensemble.

    Attributes:
        served: False where it cost too much, and the ensemble is the model.
        parameters: weights of the small network.
        ensemble: how many networks it stands for, ``3`` or ``3 x 8`` for networks of several members each.
        ensemble_parameters: their weights.
        error: of the small network in target deviations, on rows that it has not seen; None where none were left.
        error_is: name of that error, as a person is shown it.
        cost: that error over the ensemble's, or None.
        allowed: the largest cost at which it would have been served, or None where it was asked for.
        held_out: the rows that measured it were held out; False: out of fold.
    """

    served: bool
    parameters: int
    ensemble: str
    ensemble_parameters: int
    error: float | None = None
    error_is: str = ""
    cost: float | None = None
    allowed: float | None = None
    held_out: bool = False

    @property
    def sentence(self) -> str:
        what = f"one network of {self.parameters:,} weights in place of {self.ensemble} of {self.ensemble_parameters:,}"
        if self.error is None or self.cost is None:
            return f"Distilled: {what}."
        where = "on held-out rows" if self.held_out else "out of fold"
        than = "above" if self.cost >= 1 else "below"
        error = (
            f"{self.error_is} {where} {self.error:.4g} target deviations, {abs(self.cost - 1):.1%} {than} "
            "the ensemble's"
        )
        if self.served:
            return f"Distilled: {what}; {error}."
        allowed = "" if self.allowed is None else f"; {self.allowed - 1:.0%} is allowed"
        return f"Not distilled: {what} would have a {error}{allowed}."


class Retry(Fact):
    """A training that diverged, and what was done.

    Attributes:
        epoch: in which the loss was not a number.
        learning_rate: that diverged.
        lower: learning rate of the second training; None where the network that was measured is stored instead, and
            training on all rows had diverged.
    """

    epoch: int
    learning_rate: float
    lower: float | None

    @property
    def sentence(self) -> str:
        if self.lower is None:
            return (
                f"Training on all rows diverged in epoch {self.epoch}; the network that was measured is stored, which "
                "has not seen the test rows."
            )
        return (
            f"The loss was not a number in epoch {self.epoch}; trained again at a learning rate of {self.lower:g}, not "
            f"{self.learning_rate:g}."
        )
