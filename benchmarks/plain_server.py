"""The server that one would write with FastAPI and Keras in ten lines, for benchmarks/serving.py.

python -m benchmarks.plain_server model.keras 224 PORT
"""

import io
import json
import sys
from pathlib import Path

import keras
import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image

model = keras.models.load_model(sys.argv[1], compile=False)
size = int(sys.argv[2])
classes = json.loads(Path(sys.argv[1]).with_name("model.json").read_text())["classes"]
app = FastAPI()


@app.post("/v1/predict")
async def predict(request: Request) -> dict:
    opened = Image.open(io.BytesIO(await request.body()))
    image = opened.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    probabilities = model.predict(np.asarray(image, np.float32)[None], verbose=0)[0]
    return {"label": classes[int(probabilities.argmax())], "probabilities": probabilities.tolist()}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[3]), log_level="error")
