"""KServe's Python model server on ONNX Runtime, as its documentation has one write it.

It listens on all of the machine's addresses; KServe has no setting for that.
"""

from __future__ import annotations

import kserve
from kserve.utils.utils import generate_uuid
from onnx_network import open_session, run


class Network(kserve.Model):  # type: ignore[misc]
    def load(self) -> bool:
        self.session = open_session()
        self.ready = True
        return True

    async def predict(
        self,
        payload: kserve.InferRequest,
        headers: dict[str, str] | None = None,  # noqa: ARG002 - KServe hands it in by name
        response_headers: dict[str, str] | None = None,  # noqa: ARG002
    ) -> kserve.InferResponse:
        values = run(self.session, payload.inputs[0].as_numpy())
        output = kserve.InferOutput("value", list(values.shape), "FP32", values.ravel().tolist())
        return kserve.InferResponse(payload.id or generate_uuid(), self.name, [output])


if __name__ == "__main__":
    network = Network("network")
    network.load()
    kserve.ModelServer().start([network])
