"""BentoML with ``batchable=True``: arrays in and out, as its documentation has one write it."""

import bentoml
import numpy as np
import numpy.typing as npt
from onnx_network import open_session, run


@bentoml.service(workers=1)
class Batched:
    def __init__(self) -> None:
        self.session = open_session()

    @bentoml.api(batchable=True, max_batch_size=100, max_latency_ms=10_000)
    def predict(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        return run(self.session, np.asarray(rows, np.float32))
