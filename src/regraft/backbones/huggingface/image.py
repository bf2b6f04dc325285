"""Networks on pictures from folders as the library transformers writes them: ``./my-vit``, ``hf/ORG/NAME``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from regraft.backbones import licences
from regraft.backbones.base import Body, Pretrained
from regraft.backbones.huggingface.text import CONFIG, WEIGHTS, published
from regraft.backbones.text import transformer
from regraft.core.errors import InputError, WeightsError
from regraft.core.files import sha256
from regraft.core.types import PreprocessSpec
from regraft.text.words import need

PREPARES = "preprocessor_config.json"
_KINDS = {0: "nearest", 2: "bilinear", 3: "bicubic"}


class Features(nn.Module):
    """(N, 3, H, W) -> (N, D): what the model itself pools; else its first token, or the mean of its map."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        out = self.model(pixel_values=x)
        pooled = getattr(out, "pooler_output", None)
        if pooled is not None:
            return pooled.flatten(1)
        hidden: Tensor = out.last_hidden_state
        return hidden[:, 0] if hidden.ndim == 3 else hidden.mean((2, 3))


def is_one(folder: Path) -> bool:
    """Whether a folder of transformers' holds a network on pictures: it says how these are prepared."""
    return (folder / CONFIG).is_file() and (folder / PREPARES).is_file()


def read(folder: Path, name: str, *, trained: bool = True) -> Pretrained:
    """The network in ``folder``, frozen; untrained (always the same draw) where not ``trained``.

    Raises ``WeightsError`` where a file is missing or does not fit, ``InputError`` where it would run code.
    """
    recipe = transformer.recipe_of(_json(folder / CONFIG), "picture", str(folder / CONFIG))
    spec = spec_of(_json(folder / PREPARES), folder / PREPARES)
    provenance: dict[str, Any] = {"weights": "random", "pretrained_on": "nothing",
                                  "licence": licences.stated(folder) or licences.NOT_KNOWN}  # fmt: skip
    if trained:
        path = folder / WEIGHTS[0]
        if not path.is_file():
            raise WeightsError(f"{folder} holds no weights: {WEIGHTS[0]} in one piece is wanted.")
        model = _filled(folder, path)
        provenance |= {"weights": "a folder of the user's", "file": path.name, "sha256": sha256(path),
                       "pretrained_on": "not known", **published(folder, name)}  # fmt: skip
    else:
        model = transformer.build(recipe, initialise=True)
    return Pretrained(name, body_of(model), None, spec, recipe, (), provenance)


def _filled(folder: Path, path: Path) -> Any:
    """The model with its weights, by transformers' own rules of what older files called them; its head is left out."""
    transformers = need("transformers", f"The network in {folder}")
    shown = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        model, told = transformers.AutoModel.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, trust_remote_code=False, dtype=torch.float32,
            output_loading_info=True, ignore_mismatched_sizes=True,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    finally:
        if shown:
            transformers.utils.logging.enable_progress_bar()
    lacking = sorted(k for k in told["missing_keys"] if not k.startswith("pooler."))
    other = sorted(str(k[0] if isinstance(k, tuple) else k) for k in told["mismatched_keys"])
    if lacking or other:
        raise WeightsError(f"{path} does not fit {folder / CONFIG}, it is of another architecture: "
                           f"{', '.join([*lacking, *other][:2])} and others.")  # fmt: skip
    return transformer.without_pooler(model)


def rebuilt(recipe: dict[str, Any], *, initialise: bool = False) -> Body:
    """The body of a recipe, without its weights; with ``initialise`` it is drawn."""
    return body_of(transformer.build(recipe, initialise=initialise))


def body_of(model: nn.Module) -> Body:
    """A transformer on pictures as one block, with its features behind it."""
    return Body([("network", Features(model))], nn.Identity())


def spec_of(prepares: dict[str, Any], where: Path | str) -> PreprocessSpec:
    """How pictures are prepared, from what transformers' image processors write."""
    size, crop = prepares.get("size"), prepares.get("crop_size")
    side = _side(size)
    if side is None:
        raise InputError(f"{where} states the size {size!r}; wanted are height and width, or the shortest edge.")
    shortest = isinstance(size, dict) and "shortest_edge" in size
    height, width, resize = side[0], side[1], None
    if prepares.get("do_center_crop") and _side(crop):
        resize, (height, width) = side[0], _side(crop) or side
    elif shortest:
        share = prepares.get("crop_pct") or 1.0
        resize = int(height / share) if height < 384 else height
    plain = prepares.get("do_normalize") is False
    kind: Any = _KINDS.get(prepares.get("resample", 2), "bilinear")
    return PreprocessSpec(
        height=height, width=width, resize=resize, interpolation=kind,
        mean=(0.0,) * 3 if plain else tuple(prepares.get("image_mean") or (0.5,) * 3),
        std=(1.0,) * 3 if plain else tuple(prepares.get("image_std") or (0.5,) * 3),
    )  # fmt: skip


def _side(size: Any) -> tuple[int, int] | None:
    if isinstance(size, int):
        return size, size
    if isinstance(size, dict) and "shortest_edge" in size:
        return int(size["shortest_edge"]), int(size["shortest_edge"])
    if isinstance(size, dict) and {"height", "width"} <= set(size):
        return int(size["height"]), int(size["width"])
    return None


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{path} holds no JSON object.")
    return found
