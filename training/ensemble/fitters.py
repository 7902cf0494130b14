"""Which fitter a training's settings ask for."""

from __future__ import annotations

from training.ensemble.distil import Distilled
from training.ensemble.mix import Mix
from training.fit import fitters
from training.fit.fitter import Fitter
from training.settings.config import TrainConfig


def fitter_of(config: TrainConfig, given: TrainConfig) -> Fitter:
    """A mix where one is asked for, else a single family, distilled where that is asked for.

    Args:
        config: resolved settings.
        given: settings as the user gave them.
    """
    if config.mix:
        return Mix(given)
    alone = fitters.fitter_of(config.required("model"), config.objective)
    return Distilled(alone) if config.distil else alone
