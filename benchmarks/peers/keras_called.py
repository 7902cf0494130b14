"""FastAPI and ``model(x)``, one call of the Keras model a request.

A ``def``, not an ``async def``, as FastAPI's documentation has it for work that blocks; measured, it is faster too.
"""

from __future__ import annotations

import keras_network
from common import Answer, Request, answer, table
from fastapi import FastAPI

app = FastAPI()
model = keras_network.load()


@app.post("/predict")
def predict(request: Request) -> Answer:
    return answer(model(table(request.rows), training=False).numpy())
