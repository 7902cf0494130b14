"""A graph under construction: nodes and constants by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

Array = npt.NDArray[Any]
# Old enough for the runtimes of recent years, new enough for all operations used here.
OPSET = 17
# The standard's domain with an operation for trees.
ML_DOMAIN, ML_OPSET = "ai.onnx.ml", 3
IR_VERSION = 8


class UnsupportedError(Exception):
    """This writer cannot write a layer, or the way it is used; the general converter may be able to."""


class Graph:
    """Nodes in the order of computation. Tensors are float32 unless their description says otherwise.

    Args:
        exact: whether to round as the layers do, where fewer operations would round differently. Defaults to True.

    Example:
        >>> graph = Graph()
        >>> x = graph.input("x", 3)
        >>> graph.output("y", graph.add("Mul", x, np.array([1.0, 2.0, 3.0])), (3,))
        >>> graph.write(path)
    """

    def __init__(self, exact: bool = True) -> None:
        self.exact = exact
        self._nodes: list[Any] = []
        self._constants: dict[tuple[Any, ...], str] = {}
        self._initializers: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, width: int, dtype: int = onnx.TensorProto.FLOAT) -> str:
        """Declare an input (n_samples, width)."""
        self._inputs.append(onnx.helper.make_tensor_value_info(name, dtype, ["n_samples", width]))
        return name

    def output(self, name: str, tensor: str, shape: tuple[int, ...]) -> None:
        """Declare a tensor (n_samples, *shape) as an output with this name."""
        self._nodes.append(onnx.helper.make_node("Identity", [tensor], [name]))
        info = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n_samples", *shape])
        self._outputs.append(info)

    def constant(self, value: Any, name: str = "constant") -> str:
        """A constant's tensor: floats as float32, integers and booleans as they are; equal constants share a tensor."""
        array = np.asarray(value)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = f"{name}_{len(self._constants)}"
            self._initializers.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), self._constants[key]))
        return self._constants[key]

    def add(self, operation: str, *inputs: Any, n_outputs: int = 1, **attributes: Any) -> Any:
        """Add a node.

        Args:
            operation: name of a standard operator.
            inputs: names of tensors; an input that is not text becomes a constant.
            n_outputs: number of outputs. Defaults to 1.
            attributes: attributes of the node.

        Returns:
            The output's name, or a list of several.
        """
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        outputs = [f"{operation.lower()}_{len(self._nodes)}_{i}" for i in range(n_outputs)]
        self._nodes.append(onnx.helper.make_node(operation, names, outputs, **attributes))
        return outputs[0] if n_outputs == 1 else outputs

    def reshape(self, tensor: str, *shape: int) -> str:
        """A tensor in another shape; -1 stands for the size that fits, 0 for the present size."""
        output: str = self.add("Reshape", tensor, np.array(shape, np.int64))
        return output

    def matmul(self, tensor: str, weights: Array, name: str = "weight") -> str:
        """A tensor times constant weights (..., columns, units); ``name`` names the weights in the graph."""
        output: str = self.add("MatMul", tensor, self.constant(weights, name))
        return output

    def write(self, path: Path) -> None:
        """Write the model file.

        Raises:
            UnsupportedError: the graph is not valid.
        """
        graph = onnx.helper.make_graph(self._nodes, "trueline", self._inputs, self._outputs, self._initializers)
        opsets = [onnx.helper.make_opsetid("", OPSET)]
        if any(node.domain == ML_DOMAIN for node in self._nodes):
            opsets.append(onnx.helper.make_opsetid(ML_DOMAIN, ML_OPSET))
        model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="trueline")
        _without_identities(model.graph)
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise UnsupportedError(f"Expected a valid graph. Received: {error}.") from error
        onnx.save(model, path)


def _without_identities(graph: Any) -> None:
    """Remove the identities before outputs: the nodes that compute the outputs get the outputs' names."""
    producers = {name: node for node in graph.node for name in node.output}
    for node in [n for n in graph.node if n.op_type == "Identity"]:
        source, name = node.input[0], node.output[0]
        if source not in producers or source in {o.name for o in graph.output}:
            continue
        for other in graph.node:
            for names in (other.input, other.output):
                for i, tensor in enumerate(names):
                    if tensor == source:
                        names[i] = name
        graph.node.remove(node)
