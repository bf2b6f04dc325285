"""Networks of the library timm, as ``timm/NAME``: its weights, with the preprocessing that they state.

A name that torchvision has too (``resnet18``) is torchvision's; ``timm/resnet18`` is always timm's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from regraft.backbones import weights as files
from regraft.backbones.base import Body, Pretrained
from regraft.core.errors import UnknownName, WeightsError
from regraft.core.runtime import cache_dir, say
from regraft.core.types import PreprocessSpec
from regraft.text.words import need

PREFIX = "timm/"
_FILES = (".safetensors", ".pth", ".bin", "/model.safetensors", "/pytorch_model.bin")


class Features(nn.Module):
    """(N, 3, H, W) -> (N, D), the input of the network's last layer."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.net.forward_head(self.net.forward_features(x), pre_logits=True)
        return found


def load(name: str, weights: str | Path | None = None, *, trained: bool = True) -> Pretrained:
    """The network called ``timm/ARCHITECTURE`` or ``timm/ARCHITECTURE.TAG``, from the file ``weights``, the folders of
    weights (``timm/NAME.safetensors``) or the Hugging Face hub; untrained, always the same draw, where not ``trained``.

    Raises ``UnknownName`` and ``WeightsError``.
    """
    timm = need("timm", f"The network {name}", "timm")
    base = name.removeprefix(PREFIX)
    architecture = base.partition(".")[0]
    if not timm.is_model(architecture):
        raise UnknownName("backbone", name, [PREFIX + n for n in timm.list_models()])
    net = _made(timm, architecture)
    stated: dict[str, Any] = dict(vars(net).get("pretrained_cfg") or {})
    if "." in base:
        stated = timm.get_pretrained_cfg(base).to_dict() if timm.is_model_pretrained(base) else stated
    provenance: dict[str, Any] = {"weights": "random", "pretrained_on": "nothing",
                                  "licence": str(stated.get("license") or "not known")}  # fmt: skip
    if trained:
        fetched = {}
        path = Path(weights).expanduser() if weights is not None else _here(base)
        if path is None:
            path, fetched = _fetched(base, stated), {"origin": f"https://huggingface.co/{stated['hf_hub_id']}"}
        if not path.is_file():
            raise WeightsError(f"There is no weights file {path}.")
        state = files.read_state(path)
        stated |= _beside(path)
        last = state.get(f"{stated.get('classifier')}.weight")
        net = _made(timm, architecture, **({} if last is None else {"num_classes": len(last)}))
        files.fill(net, state, path, name)
        tag = None if weights is not None else stated.get("tag")
        provenance |= {"weights": tag or "a file of the user's", "pretrained_on": tag or "not known",
                       "file": path.name, "sha256": files.checked_sha256(path), **fetched}  # fmt: skip
    last_layer = net.get_classifier() if trained else None
    head = last_layer if isinstance(last_layer, nn.Linear) else None  # none, two, or convolutions: no source task
    net.reset_classifier(0)
    recipe = {"library": "timm", "architecture": architecture, "arguments": {}}
    return Pretrained(name, body_of(net), head, spec_of(timm, stated), recipe, (), provenance)


def rebuilt(recipe: dict[str, Any]) -> Body:
    """The body of a recipe, without its weights."""
    timm = need("timm", f"The network {recipe['architecture']}", "timm")
    return body_of(_made(timm, recipe["architecture"], num_classes=0))


def body_of(net: Any) -> Body:
    """A network of timm as one block, with its features behind it."""
    return Body([("network", Features(net))], nn.Identity())


def _made(timm: Any, architecture: str, **more: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(architecture, pretrained=False, **more).eval()


def spec_of(timm: Any, stated: dict[str, Any]) -> PreprocessSpec:
    """The preprocessing that weights state, by timm's own rules of what is left open."""
    found = timm.data.resolve_data_config({}, pretrained_cfg=stated)
    _, height, width = found["input_size"]
    centre = found.get("crop_mode", "center") == "center" and height == width
    kind = found["interpolation"]
    return PreprocessSpec(
        height=height,
        width=width,
        resize=int(height / found["crop_pct"]) if centre else None,
        interpolation=kind if kind in ("nearest", "bilinear", "bicubic") else "bilinear",
        mean=tuple(found["mean"]),
        std=tuple(found["std"]),
    )


def _beside(path: Path) -> dict[str, Any]:
    """What ``config.json`` beside the weights says of them, as the hub's folders have it."""
    config = path.parent / "config.json"
    if not config.is_file():
        return {}
    try:
        record = json.loads(config.read_text(encoding="utf-8"))
        return dict(record.get("pretrained_cfg") or {})
    except (ValueError, AttributeError, TypeError) as error:
        raise WeightsError(f"{config} cannot be read: {error}.") from error


def _here(base: str) -> Path | None:
    """The file that a person put into a folder of weights, where there is one."""
    for folder in (*files.folders(), cache_dir() / "weights"):
        for ending in _FILES:
            if (path := folder / f"{PREFIX}{base}{ending}").is_file():
                return path
    return None


def _fetched(base: str, stated: dict[str, Any]) -> Path:
    put = f"put {PREFIX}{base}.safetensors into a folder named in REGRAFT_WEIGHTS or into {cache_dir() / 'weights'}"
    if not stated.get("hf_hub_id"):
        raise WeightsError(f"timm states no weights for {base} that could be fetched: {put}.")
    hub = need("huggingface_hub", f"Fetching timm/{base}", "timm")
    say(f"fetching {stated['hf_hub_id']} from the Hugging Face hub")
    try:
        return Path(hub.hf_hub_download(stated["hf_hub_id"], "model.safetensors"))
    except Exception as error:  # the library lets errors of several others through
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise WeightsError(f"The weights of timm/{base} are not on this machine and cannot be fetched ({reason}): "
                           f"{put}.") from error  # fmt: skip
