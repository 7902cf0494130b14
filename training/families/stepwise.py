"""Linear regression on the features that stepwise selection keeps; the others have weights of 0."""

from __future__ import annotations

from training.families.solvers.stepwise import stepwise as solve

__all__ = ["solve"]
