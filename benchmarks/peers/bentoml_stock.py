"""Stock BentoML, ``@bentoml.api`` + ONNX Runtime, as its documentation has one write it."""

import bentoml
from common import Answer, Prediction, Row, open_session, run


@bentoml.service(workers=1)
class Stock:
    def __init__(self) -> None:
        self.session = open_session()

    @bentoml.api
    def predict(self, rows: list[Row]) -> Answer:
        return Answer(predictions=[Prediction(value=v) for v in run(self.session, rows)])
