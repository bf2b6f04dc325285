"""The catalog: which networks there are, and from a name to a `Pretrained`.

Names: ``mobilenet_v2``; ``random:mobilenet_v2``, the same network untrained; ``mobilenet_v2@features.12``, its first
blocks; ``timm/NAME``, a network of timm's; ``raw``, the pixels (at most 32 x 32) or numeric columns themselves. Folders
of transformers' have more to their names, see `regraft.backbones.text.catalog`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regraft.backbones import licences, lite
from regraft.backbones import side_network as beside
from regraft.backbones import timm_models as zoo
from regraft.backbones import weights as files
from regraft.backbones.base import Body, Pretrained
from regraft.backbones.blocks import chain_of
from regraft.backbones.huggingface import image as picture_folders
from regraft.backbones.rows import LENET, LITES, MINUS_ONE_TO_ONE, OWN, TINY, Row, torchvision_rows
from regraft.backbones.shapes import shapes_alone
from regraft.backbones.sources.embedded import EMBEDDED
from regraft.backbones.text import catalog as texts
from regraft.core.errors import InputError, UnknownName, WeightsError
from regraft.core.types import PreprocessSpec
from regraft.core.vision import torchvision

RAW_SIDE = 32


def names() -> list[str]:
    """Every network that can be named in ``--backbone``, ``raw``, the embedded one and those for texts first."""
    models = torchvision.models
    return ["raw", *OWN, *(n for n in models.list_models(module=models) if chain_of(n))]


@functools.cache
def rows(name: str) -> tuple[Row, ...]:
    """The rows of a network, preferred weights first; raises ``UnknownName``."""
    if name in OWN:
        return (OWN[name],)
    if name not in names() or name == "raw":
        raise UnknownName("backbone", name, names())
    return torchvision_rows(name)


def best_row(name: str) -> tuple[Row, bool]:
    """The row that `load` would take, and whether its weights are on this machine."""
    choices = rows(name)
    row, path = next(files.local_files(choices), (choices[0], None))
    return row, path is not None


def at_hand(modality: str) -> list[str]:
    """The networks for items of a kind (image, text) whose weights are on this machine."""
    return [n for n in names()[1:] if rows(n)[0].spec.modality == modality and is_here(n)]


def is_here(name: str) -> bool:
    """Whether the weights of a network of the catalog are on this machine."""
    return best_row(name)[1]


def load(name: str, *, weights: str | Path | None = None, sample: np.ndarray | None = None) -> Pretrained:
    """The network called ``name``, frozen and in eval mode.

    ``weights`` is a file that takes the place of the catalog's. ``sample`` is one item of the data, from which
    ``raw`` takes its shape. Raises ``UnknownName``, ``WeightsError``, and ``InputError`` where a licence stands against
    it (`regraft.backbones.licences`).
    """
    network = _loaded(name, weights, sample)
    licences.require(name, network.provenance)
    return network


def _loaded(name: str, weights: str | Path | None, sample: np.ndarray | None) -> Pretrained:
    if name.removeprefix("random:").startswith("module:"):
        raise InputError(
            f"{name} is a module that was given in Python: regraft.fit(..., backbone=module) takes it again."
        )
    if texts.is_text(name):
        folder = texts.folder_of(name)
        if folder is None or not picture_folders.is_one(folder):
            return texts.load(name, weights)
        if weights is not None:
            raise InputError(f"--weights {weights}: {name} brings its own; to use others, name their folder.")
        if block := texts.parse(name).block:
            raise InputError(f"{name}: networks of transformers' for pictures are taken whole; leave out @{block}.")
        return picture_folders.read(folder, name, trained=not name.startswith("random:"))
    base, _, block = name.partition("@")
    if weights is not None and (base == "raw" or base.startswith("random:")):
        raise InputError(f"--weights {weights}: {base} takes no weights.")
    if base == "raw":
        network = _raw(sample)
    elif base.removeprefix("random:").startswith(zoo.PREFIX):
        network = zoo.load(base.removeprefix("random:"), weights, trained=not base.startswith("random:"))
    elif base.startswith("random:"):
        network = _random(base.removeprefix("random:"))
    else:
        network = _pretrained(base, weights)
    if block:
        network.body = network.body.upto(block)
        network.recipe["block"] = block
        network.head, network.source_classes = None, ()
    network.name = name
    network.body.eval()
    return network


def _pretrained(name: str, explicit: str | Path | None) -> Pretrained:
    choices = rows(name)
    if name == LENET.name and explicit is None:
        raise WeightsError("There are no weights for lenet: random:lenet is the network to train from scratch.")
    row, path = files.find(name, choices, explicit)
    state = files.read_state(path)
    net = build(recipe_of(row))
    if row.name in LITES:
        state = lite.renamed(state, net)
    if more := _as_in(state, row, net):
        net = build(recipe_of(row), **more)
    files.fill(net, state, path, name)
    network = _split(net, row)
    known = path.name in row.files
    network.provenance = {
        "weights": row.tag if known else "a file of the user's",
        "file": path.name,
        "sha256": files.checked_sha256(path),
        "pretrained_on": row.pretrained_on if known else "not known",
        "licence": row.licence if known else "not known",
    }
    network.seen = seen_by(row.architecture, str(network.provenance["weights"]))
    return network


def fed(network: Pretrained, size: int) -> Pretrained:
    """The network fed pictures of ``size`` x ``size`` pixels, whole in their shorter side.

    Raises ``InputError`` where it takes no other size than its own.
    """
    if network.spec.modality != "image" or network.recipe["architecture"] == "raw":
        raise InputError(f"--size {size}: {network.name} takes the data as it is; --size is for networks on pictures.")
    own, network.recipe = network.spec.height, {k: v for k, v in network.recipe.items() if k != "width"}
    network.spec = replace(network.spec, height=size, width=size, resize=network.spec.resize and size)
    network.provenance.pop("digest", None)
    try:
        _ = network.width
    except (RuntimeError, AssertionError, ValueError) as error:
        raise InputError(f"--size {size}: {network.name} takes pictures of {own} pixels only ({error}).") from error
    return network


def seen_by(architecture: str, tag: str) -> np.ndarray | None:
    """The sorted `pixel_digest`s (uint64) of the pictures whose labels these weights saw, where they are known."""
    if architecture == TINY.architecture and tag == TINY.tag and TINY.seen:
        digests: np.ndarray = np.load(EMBEDDED / TINY.seen, allow_pickle=False)
        return digests
    return None


def _random(name: str) -> Pretrained:
    """The untrained control: always the same draw, whatever the state of the caller's generator."""
    row = rows(name)[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = build(recipe_of(row), initialise=True)
    network = _split(net, row)
    network.head, network.source_classes = None, ()
    network.provenance = {"weights": "random", "pretrained_on": "nothing", "licence": row.licence}
    return network


class _Pixels(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def _raw(sample: np.ndarray | None) -> Pretrained:
    """No network: the input itself as features, pictures shrunk to at most 32 x 32."""
    if sample is None:
        raise InputError("The backbone raw takes its shape from the data: load it with a sample item.")
    if isinstance(sample, str):
        raise InputError("The backbone raw has no meaning for texts: minilm is a network for them.")
    if sample.ndim == 1:
        spec = PreprocessSpec(modality="table", columns=len(sample))
    else:
        grey = sample.ndim == 2 or sample.shape[2] == 1
        spec = PreprocessSpec(
            height=min(RAW_SIDE, sample.shape[0]),
            width=min(RAW_SIDE, sample.shape[1]),
            colour="grey" if grey else "rgb",
            mean=(0.0,) * (1 if grey else 3),
            std=(1.0,) * (1 if grey else 3),
        )
    provenance = {"weights": "none", "pretrained_on": "nothing", "licence": "none needed"}
    body = Body([("pixels", _Pixels())], nn.Identity())
    return Pretrained("raw", body, None, spec, {"library": "regraft", "architecture": "raw"}, (), provenance)


def recipe_of(row: Row) -> dict[str, Any]:
    """What it takes to build the network of a row: library, architecture, arguments."""
    arguments: dict[str, Any] = {}
    if row.architecture in MINUS_ONE_TO_ONE:
        arguments = {"aux_logits": False, "transform_input": False, "init_weights": False}
    elif row.architecture.startswith("vit_"):
        arguments = {"image_size": row.spec.height}
    return {"library": row.library, "architecture": row.architecture, "arguments": arguments}


def build(recipe: dict[str, Any], *, initialise: bool = False, **more: Any) -> nn.Module:
    """The whole network; without ``initialise`` its tensors have shapes but no storage yet."""
    architecture: str = recipe["architecture"]
    arguments = recipe["arguments"] | more
    if initialise and "init_weights" in arguments:
        arguments["init_weights"] = True
    computes_its_widths = architecture.startswith("regnet_")
    with torch.device("cpu") if initialise or computes_its_widths else shapes_alone():
        if architecture == TINY.architecture:
            from regraft.backbones.embedded.tiny import TinyNet

            return TinyNet(**arguments)
        if architecture in LITES:
            return lite.build(architecture, **arguments)
        if architecture == LENET.architecture:
            from regraft.backbones.embedded.lenet import LeNet

            return LeNet(**arguments)
        net: nn.Module = torchvision.models.get_model(architecture, weights=None, **arguments)
        return net


def _as_in(state: dict[str, Tensor], row: Row, net: nn.Module) -> dict[str, Any]:
    """Arguments that a weights file decides, where ``net`` is otherwise: how many classes its last layer has, whether
    it holds the extra heads that GoogLeNet and Inception V3 were trained with.
    """
    found: dict[str, Any] = {}
    *_, (name, last) = ((n, m) for n, m in net.named_modules() if isinstance(m, nn.Linear | nn.Conv2d))
    weight = state.get(f"{name}.weight")
    if weight is not None and len(weight) != len(last.weight):
        found["num_classes"] = len(weight)
    if row.architecture in MINUS_ONE_TO_ONE and any(k.lower().startswith("aux") for k in state):
        found["aux_logits"] = True
    return found


def _split(net: nn.Module, row: Row) -> Pretrained:
    chain_function = chain_of(row.architecture)
    assert chain_function is not None
    chain = chain_function(net)
    body = Body(chain.blocks, chain.pool)
    return Pretrained(row.name, body, chain.head, row.spec, recipe_of(row), source_classes(row))


def source_classes(row: Row) -> tuple[str, ...]:
    """The class names of the pretraining task, where the library knows them."""
    if row.name == LENET.name:
        return ()
    if row.name in LITES:
        return source_classes(torchvision_rows("mobilenet_v2")[0])
    if row.library != "torchvision":
        return (*(f"digit {i}" for i in range(10)), "airplane", "automobile", "bird", "deer", "dog", "frog")
    return tuple(torchvision.models.get_model_weights(row.name)[row.tag].meta.get("categories", ()))


def rebuild(
    name: str,
    recipe: dict[str, Any],
    spec: PreprocessSpec,
    state: dict[str, Tensor],
    kept: dict[str, bytes] | None = None,
) -> Pretrained:
    """A network from what an artefact holds of it: no catalog look-up. ``kept`` are the files of `Pretrained`."""
    if spec.modality == "text":
        network = Pretrained(name, texts.body_of(recipe), None, spec, dict(recipe), files=dict(kept or {}))
        files.fill(network.body, state, Path("the model"), name)
    elif recipe["architecture"] == "raw":
        shape: Sequence[int] = (spec.columns,) if spec.modality == "table" else (spec.height, spec.width)
        network = _raw(np.zeros((*shape, 3) if spec.colour == "rgb" and spec.modality == "image" else shape))
    elif recipe["architecture"] == beside.ARCHITECTURE:
        inner = {k.removeprefix(beside.KEPT): v for k, v in state.items() if k.startswith(beside.KEPT)}
        body = beside.body_of(rebuild(name, recipe["of"], spec, inner).body)
        network = Pretrained(name, body, None, spec, dict(recipe))
        files.fill(body, state, Path("the model"), name)
    elif recipe["library"] in ("timm", "transformers"):
        body = (zoo if recipe["library"] == "timm" else picture_folders).rebuilt(recipe)
        network = Pretrained(name, body, None, spec, dict(recipe))
        files.fill(body, state, Path("the model"), name)
    else:
        chain_function = chain_of(recipe["architecture"])
        if chain_function is None:
            raise WeightsError(f"This regraft does not know the architecture {recipe['architecture']!r}.")
        chain = chain_function(build(recipe))
        body = Body(chain.blocks, chain.pool)
        if recipe.get("block"):
            body = body.upto(recipe["block"])
        network = Pretrained(name, body, None, spec, dict(recipe))
        files.fill(body, state, Path("the model"), name)
    network.name, network.spec, network.recipe = name, spec, dict(recipe)
    network.body.freeze().eval()
    return network
