"""Stock BentoML, ``@bentoml.api`` + ONNX Runtime, as its documentation has one write it."""

import bentoml
from common import Answer, Row, answer, table
from onnx_network import open_session, run


@bentoml.service(workers=1)
class Stock:
    def __init__(self) -> None:
        self.session = open_session()

    @bentoml.api
    def predict(self, rows: list[Row]) -> Answer:
        return answer(run(self.session, table(rows)))
