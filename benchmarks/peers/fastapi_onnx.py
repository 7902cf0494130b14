"""FastAPI + pydantic + ONNX Runtime under uvicorn, as its documentation has one write it."""

from __future__ import annotations

from common import Answer, Prediction, Request, open_session, run
from fastapi import FastAPI

app = FastAPI()
session = open_session()


@app.post("/predict")
async def predict(request: Request) -> Answer:
    return Answer(predictions=[Prediction(value=v) for v in run(session, request.rows)])
