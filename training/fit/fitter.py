"""Fitter: turns a prepared table into a fitted model. An ensemble is a model as well, so it has a fitter, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from artifact.runtimes import Outputs
from training.fit.observer import Observer
from training.networks.model import Fitted
from training.prepare.in_memory import Prepared


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted model.

    Attributes:
        prepared: the rows and settings that it was fitted on, and notes on how these came about.
        fitted: its networks or trees.
        parts: the models that it is made of: the parts of a mix, the teacher of a student; empty for any other model.
        shares: the weight of each part of a mix, with a sum of 1; empty for any other model.
    """

    prepared: Prepared
    fitted: Fitted
    parts: tuple[Model, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def family(self) -> str:
        """Name of the model's family."""
        return str(self.fitted.model.name)


class Fitter(Protocol):
    """Fits one kind of model: networks, a solved family, trees, a mix of these, or a student of any ensemble.

    A fitter has no state: a later step needs only what :meth:`fit` returned.
    """

    def fit(self, prepared: Prepared, observer: Observer) -> Model:
        """Fit a model on the rows that the plan lets train, so that the plan's other rows can measure it.

        Args:
            prepared: rows, plan and settings.
            observer: called with stages, epochs and notes.

        Raises:
            DataError: the table or the settings do not suit this kind of model.
            TruelineError: training diverged, at a lower learning rate too.
        """

    def refit(self, model: Model, observer: Observer) -> Model:
        """Fit the same model once more, on all rows, after it was measured on held-out ones.

        Args:
            model: what :meth:`fit` returned; the number of epochs and the repeats that unseen rows chose stay.
            observer: called with epochs and notes.

        Returns:
            The model with new weights and all else unchanged; the old model where the new fit diverged.
        """

    def judging_answers(self, model: Model) -> Outputs:
        """Answers to the rows by which models are compared, see :func:`training.networks.unseen.judging_rows`.

        Args:
            model: what :meth:`fit` returned.
        """
