"""All training rows of a streamed table, as the fit takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.objectives.kinds import scaled_by
from training.prepare.moments import Moments
from training.prepare.spool import Spool

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stream:
    """Encoded training rows on disk, and what all of them say of the targets.

    Attributes:
        spool: the rows.
        moments: of the targets, weighted as the rows are.
        offsets: float64 (n_targets,), which the schema subtracts from each target.
        mean_weight: by which weights are divided; 1 where none weigh.
        n_train: how many rows.
    """

    spool: Spool
    moments: Moments
    offsets: Float64
    mean_weight: float
    n_train: int

    def scale(self, objective: str) -> tuple[Float64, Float64]:
        """See :func:`training.objectives.kinds.scale_of`; of targets less their offsets."""
        return scaled_by(objective, self.moments.mean - self.offsets, self.moments.std)

    def ends(self) -> tuple[Float64, Float64]:
        """Smallest and largest value of each target, less its offset, each float64 (n_targets,)."""
        return self.moments.minimum - self.offsets, self.moments.maximum - self.offsets
