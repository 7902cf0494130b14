"""Writes a fitted model as files: Keras, ONNX, 8-bit integers, golden rows, and the version as a whole."""
