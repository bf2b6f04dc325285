"""The peer of ``bench_adaptation.py fastai``: fine_tune(3) by fastai's book, from the same weights file.

``python peer_fastai.py FOLDER WEIGHTS SEED`` prints one JSON object. Needs fastai (2.8), which regraft does not.
"""

import json
import sys
from pathlib import Path

from fastai.vision.all import (
    ImageDataLoaders,
    Resize,
    accuracy,
    aug_transforms,
    default_split,
    imagenet_stats,
    set_seed,
    vision_learner,
)
from fastai.vision.learner import model_meta
from safetensors.torch import load_file
from torchvision.models import mobilenet_v2


def pretrained(pretrained=True):
    network = mobilenet_v2()
    network.load_state_dict({k: v.float() for k, v in load_file(sys.argv[2]).items()}, strict=False)
    return network


folder, seed = Path(sys.argv[1]), int(sys.argv[3])
set_seed(seed, reproducible=True)
model_meta[pretrained] = {"cut": -1, "split": default_split, "stats": imagenet_stats}
data = ImageDataLoaders.from_folder(folder, valid="val", item_tfms=Resize(256), batch_tfms=aug_transforms(size=224),
                                    num_workers=0, seed=seed)  # fmt: skip
learner = vision_learner(data, pretrained, metrics=accuracy)
with learner.no_bar(), learner.no_logging():
    learner.fine_tune(3)
    loss, hits = learner.validate()
print(json.dumps({"accuracy": float(hits), "log_loss": float(loss), "items": len(data.valid_ds)}))
