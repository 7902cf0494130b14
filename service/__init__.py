"""The service: ``bentoml serve service:RegressionService``. Imports neither training nor Keras nor TensorFlow."""

from service.service import RegressionService

__all__ = ["RegressionService"]
