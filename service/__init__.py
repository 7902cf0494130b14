"""The service: ``bentoml serve service:RegressionService``. Imports neither training nor Keras nor TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.bento.service import RegressionService

__all__ = ["RegressionService"]


def __getattr__(name: str) -> Any:
    # Imported on first use: other code uses this package without BentoML, whose import takes a second.
    if name == "RegressionService":
        from service.bento.service import RegressionService

        return RegressionService
    raise AttributeError(f"module 'service' has no attribute '{name}'")
