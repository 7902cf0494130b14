"""The format that training writes and the service reads: schema, encoding, manifest, intervals, predictor, registry.

Imports neither ``training`` nor ``service``. Everything here works with NumPy, pydantic and the standard library;
ONNX Runtime and Keras are imported by :mod:`artifact.runtimes` when a model is loaded, and Keras with
:mod:`artifact.layers`.
"""
