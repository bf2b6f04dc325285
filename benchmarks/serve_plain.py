"""What ``bench_serve.py`` compares with: a plain FastAPI handler around eager PyTorch, Pillow and torchvision's
transforms, ``model(x[None])`` a request: ``python serve_plain.py RUN PORT def|async``.

``def`` lets FastAPI call the handler in its threads, ``async`` in its loop. The network and its head are those of the
run, so that the answers are the same.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image
from torch import nn
from torchvision import transforms

from regraft.inference.load import load


def model_of(run: str) -> tuple[nn.Module, Any, list[str]]:
    """The network with its head, what it is fed with, and the names of its classes."""
    saved = load(run, engine="torch").model
    spec = saved.network.spec
    fed = transforms.Compose([transforms.Resize(spec.resize), transforms.CenterCrop((spec.height, spec.width)),
                              transforms.ToTensor(), transforms.Normalize(spec.mean, spec.std)])  # fmt: skip

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = saved.network.body.to(memory_format=torch.contiguous_format), saved.head

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.body.features(x).to(self.head.mean.dtype)).softmax(1)

    return Whole().eval(), fed, list(saved.target.classes)


def app_of(run: str, how: str) -> FastAPI:
    model, fed, classes = model_of(run)
    app = FastAPI()

    def answer(data: bytes) -> dict[str, Any]:
        with torch.inference_mode():
            found = model(fed(Image.open(io.BytesIO(data)).convert("RGB"))[None])[0].tolist()
        return {"answers": [{"probabilities": dict(zip(classes, found, strict=True))}]}

    if how == "def":

        @app.post("/predict")
        def predict(files: UploadFile) -> dict[str, Any]:
            return answer(files.file.read())
    else:

        @app.post("/predict")
        async def predict(files: UploadFile) -> dict[str, Any]:
            return answer(await files.read())

    return app


if __name__ == "__main__":
    uvicorn.run(app_of(sys.argv[1], sys.argv[3]), port=int(sys.argv[2]), log_level="warning", access_log=False)
