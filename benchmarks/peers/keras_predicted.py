"""FastAPI and ``model.predict``, as the tutorials have it."""

from __future__ import annotations

import keras_network
from common import Answer, Request, answer, table
from fastapi import FastAPI

app = FastAPI()
model = keras_network.load()


@app.post("/predict")
def predict(request: Request) -> Answer:
    return answer(model.predict(table(request.rows), verbose=0))
