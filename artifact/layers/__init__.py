"""The layers of saved networks: training builds networks of them, and the Keras runtime needs them to load one.

All are written with ``keras.ops``, so that they run on every Keras backend and export to ONNX.

Importing this module registers them with Keras's deserialiser, by which ``model.keras`` finds them.
"""

from artifact.layers.bounded import SoftBound
from artifact.layers.categorical import CategoryEmbedding
from artifact.layers.dropout import StackedDropout
from artifact.layers.gradient import StopGradient
from artifact.layers.members import MemberScale, StackedHeads
from artifact.layers.mixture import Mixture
from artifact.layers.numeric import NumericPreprocessing
from artifact.layers.onehot import OneHot
from artifact.layers.periodic import DiagonalScale, PeriodicEmbedding
from artifact.layers.piecewise import PiecewiseLinearEmbedding
from artifact.layers.polynomial import PolynomialFeatures
from artifact.layers.stacked import JoinFeatures, StackedDense
from artifact.layers.target import TargetScaling
from artifact.layers.trees import BoostedTrees

__all__ = [
    "BoostedTrees",
    "CategoryEmbedding",
    "DiagonalScale",
    "JoinFeatures",
    "MemberScale",
    "Mixture",
    "NumericPreprocessing",
    "OneHot",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
    "PolynomialFeatures",
    "SoftBound",
    "StackedDense",
    "StackedDropout",
    "StackedHeads",
    "StopGradient",
    "TargetScaling",
]
