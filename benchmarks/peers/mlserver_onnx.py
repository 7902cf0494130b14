"""A custom runtime of MLServer on ONNX Runtime, as its documentation has one write it."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from onnx_network import open_session, run


class Network(MLModel):
    async def load(self) -> bool:
        self.session = open_session()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        X = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        output = NumpyCodec.encode_output("value", run(self.session, X))
        return InferenceResponse(model_name=self.name, outputs=[output])
