"""What most people write: a FastAPI endpoint that decodes and calls onnxruntime itself.

It shares no code with the service. `uvicorn benchmarks.naive:create_app --factory` serves it.
"""

import io
import os
from typing import Annotated

import numpy as np
import onnxruntime
from fastapi import Body, FastAPI, Request
from PIL import Image

MODEL_VARIABLE = "NAIVE_MODEL"
THREADS_VARIABLE = "NAIVE_THREADS"
STYLE_VARIABLE = "NAIVE_STYLE"

_TOP_K = 5
_LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

Answer = dict[str, list[dict[str, str | float]]]


def create_app() -> FastAPI:
    """Make the application by three variables: the ONNX file, threads of a run, sync or async."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ[THREADS_VARIABLE])
    session = onnxruntime.InferenceSession(
        os.environ[MODEL_VARIABLE], options, providers=["CPUExecutionProvider"]
    )
    app = FastAPI(title="naive")

    def predict_in_a_thread(body: Annotated[bytes, Body(media_type="image/*")]) -> Answer:
        return classify(session, body)

    async def predict_on_the_loop(request: Request) -> Answer:
        return classify(session, await request.body())

    sync = os.environ[STYLE_VARIABLE] == "sync"
    app.post("/predict")(predict_in_a_thread if sync else predict_on_the_loop)
    return app


def classify(session: onnxruntime.InferenceSession, body: bytes) -> Answer:
    """Decode one picture, run it alone, and name the best classes."""
    image = Image.open(io.BytesIO(body)).convert("RGB").resize((32, 32))
    (rows,) = session.run(["probabilities"], {"images": np.asarray(image)[None]})
    best = rows[0].argsort()[::-1][:_TOP_K]
    return {
        "predictions": [
            {"label": _LABELS[index], "probability": float(rows[0, index])} for index in best
        ]
    }
