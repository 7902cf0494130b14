"""FastAPI + pydantic + ONNX Runtime under uvicorn, as its documentation has one write it."""

from __future__ import annotations

from common import Answer, Request, answer, table
from fastapi import FastAPI
from onnx_network import open_session, run

app = FastAPI()
session = open_session()


@app.post("/predict")
async def predict(request: Request) -> Answer:
    return answer(run(session, table(request.rows)))
