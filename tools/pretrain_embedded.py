"""Train the embedded network ``regraft_tiny`` and write its weights, digests and figures.

Sources: the train parts of MNIST and of six CIFAR-10 classes, jointly, a head per source. Nothing else is read:
USPS, scikit-learn's digits and the other four CIFAR-10 classes stay honest targets. The recipe was set on held-out
rows of the two train parts alone (5,000 digits, 600 photos), which are not trained on.

    python tools/pretrain_embedded.py --data ../shared/data        # about 25 minutes on 2 cores with bfloat16
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from regraft.backbones.embedded.tiny import TinyNet
from regraft.data.image.decoding import pixel_digest

OUT = Path(__file__).parents[1] / "src/regraft/backbones/embedded"
PHOTO_CLASSES = ("airplane", "automobile", "bird", "deer", "dog", "frog")
SIDE = 32


def read_sources(root: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Digits (n, 28, 28) with labels 0..9; photos (m, 32, 32, 3) of the six classes with labels 0..5."""
    with gzip.open(root / "mnist/train-images-idx3-ubyte.gz") as f:
        digits = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(root / "mnist/train-labels-idx1-ubyte.gz") as f:
        digit_labels = np.frombuffer(f.read(), np.uint8, offset=8).astype(np.int64)
    with np.load(root / "cifar10_subset.npz") as z:
        names = [str(n) for n in z["class_names"]]
        photos, labels = z["train_images"], z["train_labels"].astype(np.int64)
    wanted = {names.index(name): i for i, name in enumerate(PHOTO_CLASSES)}
    keep = np.isin(labels, list(wanted))
    return digits, digit_labels, photos[keep], np.array([wanted[y] for y in labels[keep]])


def warp(
    x: torch.Tensor,
    rng: torch.Generator,
    *,
    zoom: tuple[float, float],
    aspect: float,
    turn: float,
    shear: float,
    shift: float,
    flip: bool,
) -> torch.Tensor:
    """One random affine map a picture: (n, c, h, w) -> (n, c, 32, 32); outside is black or the mirrored edge."""
    n = len(x)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(n, generator=rng) * (high - low) + low

    scale = torch.exp(uniform(math.log(zoom[0]), math.log(zoom[1])))
    stretch = torch.exp(uniform(-aspect, aspect) / 2)
    angle, skew = uniform(-turn, turn) * math.pi / 180, uniform(-shear, shear)
    cos, sin = torch.cos(angle), torch.sin(angle)
    sx, sy = 1 / (scale * stretch), 1 / (scale / stretch)
    if flip:
        sx = sx * torch.where(torch.rand(n, generator=rng) < 0.5, -1.0, 1.0)
    row_x = torch.stack([sx * cos, sy * (skew * cos - sin), uniform(-shift, shift)], 1)
    row_y = torch.stack([sx * sin, sy * (skew * sin + cos), uniform(-shift, shift)], 1)
    grid = F.affine_grid(torch.stack([row_x, row_y], 1), [n, x.shape[1], SIDE, SIDE], align_corners=False)
    padding = "reflection" if flip else "zeros"
    return F.grid_sample(x, grid, padding_mode=padding, align_corners=False)


def lose_resolution(x: torch.Tensor, rng: torch.Generator, sides: tuple[int, ...], share: float) -> torch.Tensor:
    """A share of the batch is shrunk to one of ``sides`` and enlarged again, in groups of one side each."""
    chosen = torch.randperm(len(x), generator=rng)[: int(share * len(x))]
    x = x.clone()
    for group in chosen.chunk(4):
        side = sides[int(torch.randint(len(sides), (1,), generator=rng))]
        small = F.interpolate(x[group], (side, side), mode="bilinear", antialias=True)
        x[group] = F.interpolate(small, (SIDE, SIDE), mode="bilinear", antialias=True).to(x.dtype)
    return x


def augment_digits(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Uint8 (n, 28, 28) -> float (n, 3, 32, 32): framing, stroke, resolution, contrast, noise."""
    x = warp(
        x[:, None].float() / 255,
        rng,
        zoom=(0.75, 1.5),
        aspect=0.35,
        turn=15,
        shear=0.25,
        shift=0.12,
        flip=False,
    )
    kind = torch.rand(len(x), generator=rng)
    thick, thin = kind < 0.25, kind > 0.85
    x[thick] = F.max_pool2d(x[thick], 3, 1, 1)
    x[thin] = -F.max_pool2d(-x[thin], 2, 1, 1)[:, :, :SIDE, :SIDE]
    x = lose_resolution(x, rng, (8, 8, 10, 12, 16, 16, 20, 24, 28), 0.7)
    high = 0.5 + 0.6 * torch.rand(len(x), 1, 1, 1, generator=rng)
    power = torch.exp(torch.rand(len(x), 1, 1, 1, generator=rng) - 0.5)
    x = (high * x.clamp(0, 1) ** power).clamp(0, 1)
    x = x + 0.06 * torch.rand(len(x), 1, 1, 1, generator=rng) * torch.randn(x.shape, generator=rng)
    negative = torch.rand(len(x), generator=rng) < 0.1
    x[negative] = 1 - x[negative]
    return x.clamp(0, 1).expand(-1, 3, -1, -1)


def augment_photos(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Uint8 (n, 32, 32, 3) -> float (n, 3, 32, 32): crop, flip, colour, grey, resolution, a hidden square."""
    x = warp(
        x.permute(0, 3, 1, 2).float() / 255,
        rng,
        zoom=(0.85, 1.5),
        aspect=0.25,
        turn=8,
        shear=0.05,
        shift=0.2,
        flip=True,
    )

    def factor(spread: float) -> torch.Tensor:
        return 1 + spread * (2 * torch.rand(len(x), 1, 1, 1, generator=rng) - 1)

    grey = x.mean(1, keepdim=True)
    saturation = factor(0.5)
    saturation[torch.rand(len(x), generator=rng) < 0.1] = 0
    x = (grey + saturation * (x - grey)) * factor(0.35)
    middle = x.mean((1, 2, 3), keepdim=True)
    x = (middle + factor(0.35) * (x - middle)).clamp(0, 1)
    x = lose_resolution(x, rng, (16, 20, 24, 28), 0.25)
    at = torch.randint(0, SIDE, (len(x), 2), generator=rng)
    line = torch.arange(SIDE)
    hidden = ((line[None] - at[:, :1]).abs() < 6)[:, :, None] & ((line[None] - at[:, 1:]).abs() < 6)[:, None]
    hidden &= (torch.rand(len(x), generator=rng) < 0.5)[:, None, None]
    return x * ~hidden[:, None]


def normalise(x: torch.Tensor) -> torch.Tensor:
    return ((x - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def accuracy(model: TinyNet, x: torch.Tensor, y: torch.Tensor, part: slice) -> float:
    model.eval()
    hits = [
        (model(normalise(a))[:, part].argmax(1) == b).float().sum()
        for a, b in zip(x.split(500), y.split(500), strict=True)
    ]
    model.train()
    return float(sum(hits)) / len(y)


def train(root: Path, steps: int, batch: int, seed: int) -> tuple[TinyNet, dict]:
    digits, digit_labels, photos, photo_labels = (torch.from_numpy(a.copy()) for a in read_sources(root))
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    order_d, order_p = torch.randperm(len(digits), generator=rng), torch.randperm(len(photos), generator=rng)
    held_d, held_p, order_d, order_p = order_d[:5000], order_p[:600], order_d[5000:], order_p[600:]

    model = TinyNet(10 + len(PHOTO_CLASSES)).to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    decay = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.SGD(
        [{"params": decay, "weight_decay": 5e-4}, {"params": plain}], lr=0.1, momentum=0.9, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.15, total_steps=steps, pct_start=0.15)
    held = [
        (
            F.interpolate(digits[held_d][:, None].float() / 255, (SIDE, SIDE), mode="bilinear").expand(-1, 3, -1, -1),
            digit_labels[held_d],
            slice(0, 10),
        ),
        (photos[held_p].permute(0, 3, 1, 2).float() / 255, photo_labels[held_p], slice(10, 16)),
    ]

    start = time.time()
    for step in range(steps):
        pick_d = order_d[torch.randint(len(order_d), (batch,), generator=rng)]
        pick_p = order_p[torch.randint(len(order_p), (batch,), generator=rng)]
        x = normalise(torch.cat([augment_digits(digits[pick_d], rng), augment_photos(photos[pick_p], rng)]))
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(x)
        loss = F.cross_entropy(logits[:batch, :10].float(), digit_labels[pick_d]) + F.cross_entropy(
            logits[batch:, 10:].float(), photo_labels[pick_p]
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        average.update_parameters(model)
        if (step + 1) % 250 == 0 or step + 1 == steps:
            scores = [round(accuracy(average.module, *h), 4) for h in held]
            print(
                f"{step + 1}/{steps} loss {loss.item():.3f} held-out digits {scores[0]} photos {scores[1]} "
                f"{time.time() - start:.0f}s",
                flush=True,
            )
    figures = {
        "steps": steps,
        "batch_per_source": batch,
        "seed": seed,
        "seconds": round(time.time() - start),
        "held_out": {"mnist_5000": scores[0], "cifar10_six_classes_600": scores[1]},
    }
    return average.module.eval(), figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with mnist/ and cifar10_subset.npz")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--batch", type=int, default=128, help="pictures of each source in a step")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    model, figures = train(args.data, args.steps, args.batch, args.seed)
    weights = {
        k: (v.half() if v.ndim > 1 else v.float()).contiguous()
        for k, v in model.state_dict().items()
        if not k.endswith("num_batches_tracked")
    }
    digits, _, photos, _ = read_sources(args.data)
    seen = sorted({int.from_bytes(pixel_digest(x), "little") for x in (*digits, *photos)})
    save_file(weights, args.out / "regraft_tiny.safetensors")
    np.save(args.out / "regraft_tiny.seen.npy", np.array(seen, np.uint64), allow_pickle=False)
    (args.out / "regraft_tiny.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
