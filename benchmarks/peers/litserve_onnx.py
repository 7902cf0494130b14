"""LitServe on ONNX Runtime, plain or batched: ``litserve_onnx.py PORT [MAX_BATCH_SIZE]``."""

import sys
from typing import Any

import litserve as ls
import numpy as np
import numpy.typing as npt
from onnx_network import matrix, open_session, run

Array = npt.NDArray[np.float32]


class Network(ls.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        self.session = open_session()

    # Without an annotation: LitServe reads it as the request's type.
    def decode_request(self, request) -> Array:  # type: ignore[no-untyped-def]
        return matrix(request["rows"])[0]

    def predict(self, x: Array) -> Array:
        # LitServe stacks the rows of a batch; alone, a row comes as it is.
        return run(self.session, np.atleast_2d(x))

    def encode_response(self, output: Array) -> dict[str, Any]:
        return {"predictions": [{"value": float(np.ravel(output)[0])}]}


if __name__ == "__main__":
    batching = {"max_batch_size": int(sys.argv[2]), "batch_timeout": 0.0} if len(sys.argv) > 2 else {}
    server = ls.LitServer(Network(**batching), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning"
    )
