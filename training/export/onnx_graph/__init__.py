"""Writes a network's ONNX graph from its Keras layers: the same function in as few operations as possible.

A general converter keeps every operation of every layer: 74 for a network that is six matrix products. The time for one
row then goes mostly into calling operations. This writer knows the layers and leaves operations out: constants are
folded into weights, rows that are the same for every network stay one copy, and linear layers that follow one another
become one product.
"""

from training.export.onnx_graph.convert import write_onnx
from training.export.onnx_graph.graph import UnsupportedError

__all__ = ["UnsupportedError", "write_onnx"]
