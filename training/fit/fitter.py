"""Fitter: what turns a prepared table into a fitted model. An ensemble is a model, so that it is fitted by one, too."""

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
        prepared: what it was fitted on: the rows, the settings that were used and notes of how they came about.
        fitted: its networks or trees.
        parts: what it is made of: of a mix its parts, of a student its teacher; empty for anything else.
        shares: of each part of a mix, its weight, their sum 1; empty for anything else.
    """

    prepared: Prepared
    fitted: Fitted
    parts: tuple[Model, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def family(self) -> str:
        """Its name."""
        return str(self.fitted.model.name)


class Fitter(Protocol):
    """Fits one kind of model: networks, a solved family, trees, a mix of such, or a student of any ensemble.

    A fitter keeps nothing: all that a later step needs is in what :meth:`fit` returned.
    """

    def fit(self, prepared: Prepared, observer: Observer) -> Model:
        """Fit a model on the plan's rows, such that its plan can measure it.

        Args:
            prepared: rows, plan and settings.
            observer: hears of stages, epochs and what is worth a note.

        Raises:
            DataError: the table or the settings do not suit this kind of model.
            TruelineError: training diverged, at a lower learning rate too.
        """

    def refit(self, model: Model, observer: Observer) -> Model:
        """Fit the same model once more, on all rows, after it was measured on held-out ones.

        Args:
            model: what :meth:`fit` returned; what was chosen by rows that it had not seen stays chosen.
            observer: hears of epochs and what is worth a note.

        Returns:
            The new model with everything else as it was; the old model where the new one could not be fitted.
        """

    def judging_answers(self, model: Model) -> Outputs:
        """What it answers to the rows by which models are compared, see :func:`training.networks.unseen.judging_rows`.

        Args:
            model: what :meth:`fit` returned.
        """
