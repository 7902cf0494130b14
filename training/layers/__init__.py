"""Layers of ours, all written with ``keras.ops`` so that they run on every Keras backend and export to ONNX.

Importing this module registers them with Keras's deserialiser, by which ``model.keras`` finds them.
"""

from training.layers.categorical import CategoryEmbedding
from training.layers.gradient import StopGradient
from training.layers.numeric import NumericPreprocessing
from training.layers.piecewise import PiecewiseLinearEmbedding
from training.layers.target import TargetScaling

__all__ = ["CategoryEmbedding", "NumericPreprocessing", "PiecewiseLinearEmbedding", "StopGradient", "TargetScaling"]
