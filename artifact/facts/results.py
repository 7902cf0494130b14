"""Facts of results: suspiciously good ones, mixed or distilled networks, and repeated trainings."""

from __future__ import annotations

from artifact.facts.base import Fact


class TooGood(Fact):
    """A target that the model explains almost completely.

    Attributes:
        model: name of the best model.
        r2: its R2 on the test rows.
        column: the most important column; None where no column is important.
        share: the column's share of the importance of all features.
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
            f"R2 of '{self.target}' is {r2}, by {self.model}. A figure this good comes from a leak or a formula more "
            f"often than from a discovery{leaning}. Look for a column that is known only after the target is."
        )


class Leaning(Fact):
    """A column that has most of the importance for a target: this ``share`` of it."""

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
    """The families of a mix.

    Attributes:
        weights: weight of each family; their sum is 1, and a family with 0 is not in the model.
        alone: error of each family by itself, divided by the error of the mix, on rows that no family has seen.
        plain: name of the error in a sentence, such as ``RMSE`` or ``pinball loss``.
    """

    weights: dict[str, float]
    alone: dict[str, float]
    plain: str

    @property
    def sentence(self) -> str:
        parts = [f"{name} {share:.0%} ({self.alone[name] - 1:+.1%} alone)" for name, share in self.weights.items()]
        brackets = f"in brackets, each one's {self.plain} compared with the mix's"
        return f"Mixed by errors on unseen rows: {', '.join(parts)}; {brackets}."


class Distilled(Fact):
    """One small network in place of an ensemble.

    Attributes:
        served: False where it cost too much, and the ensemble is the model.
        parameters: weights of the small network.
        ensemble: number of networks of the ensemble, ``3``, or ``3 x 8`` for networks of several members each.
        ensemble_parameters: weights of the ensemble.
        error: error of the small network in target deviations, on rows that it has not seen; None without such rows.
        error_is: name of that error, as people see it.
        cost: that error divided by the ensemble's, or None.
        allowed: the largest cost at which it is served, or None where the user asked for distilling.
        held_out: True where held-out rows measured it, False where it was measured out of fold.
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
        networks = (
            f"one network of {self.parameters:,} weights in place of {self.ensemble} of {self.ensemble_parameters:,}"
        )
        if self.error is None or self.cost is None:
            return f"Distilled: {networks}."
        where = "on held-out rows" if self.held_out else "out of fold"
        than = "above" if self.cost >= 1 else "below"
        error = (
            f"{self.error_is} {where} {self.error:.4g} target deviations, {abs(self.cost - 1):.1%} {than} "
            "the ensemble's"
        )
        if self.served:
            return f"Distilled: {networks}; {error}."
        allowed = "" if self.allowed is None else f"; {self.allowed - 1:.0%} is allowed"
        return f"Not distilled: {networks} would have a {error}{allowed}."


class Retry(Fact):
    """A training that diverged, and what was done about it.

    Attributes:
        epoch: the epoch in which the loss was not a number.
        learning_rate: the learning rate that diverged.
        lower: learning rate of the second training; None where training on all rows diverged and the measured network
            is stored instead.
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
