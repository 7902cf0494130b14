"""The fitter that a training's settings ask for."""

from __future__ import annotations

from training.ensemble.distil import Distilled
from training.ensemble.mix import Mix
from training.fit import fitters
from training.fit.fitter import Fitter
from training.settings.config import TrainConfig


def fitter_of(config: TrainConfig, user_config: TrainConfig) -> Fitter:
    """The fitter of a mix, or of a single family, which is distilled where the settings ask for it.

    Args:
        config: resolved settings.
        user_config: settings as the user gave them, not resolved.
    """
    if config.mix:
        return Mix(user_config)
    single = fitters.fitter_of(config.required("model"), config.objective)
    return Distilled(single) if config.distil else single
