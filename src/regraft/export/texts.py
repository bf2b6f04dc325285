"""Models of texts: token numbers and counts of terms in, answers out; windows of long texts averaged in the graph."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from regraft.backbones.base import Pretrained
from regraft.backbones.text.tokeniser import TERMS, TOKENISER, WORDS
from regraft.core.errors import InputError
from regraft.data.items import Items
from regraft.export.answers import told_of
from regraft.export.base import Arrays, Exportable, Port
from regraft.export.heads import Head, output_of, told
from regraft.export.text_inputs import VIEWS, TextInputs
from regraft.features.encoders.tfidf import TfIdf
from regraft.features.fusion import TfIdfNetwork, parts_of
from regraft.inference.load import AnyPredictor
from regraft.inference.predictor import Predictor


class Windows(nn.Module):
    """Int64 (W, 2, length), token numbers and mask of windows, and how much each counts for each text, float32 (N, W)
    with rows that sum to 1 -> (N, D).
    """

    def __init__(self, network: Pretrained) -> None:
        super().__init__()
        self.body = copy.deepcopy(network.body).to("cpu").eval().requires_grad_(False)

    def forward(self, tokens: Tensor, weights: Tensor) -> Tensor:
        return weights @ self.body.features(tokens).float()


class Counted(nn.Module):
    """Counts of the terms, float32 (N, terms) -> rows of `TfIdf`: each kind of terms is brought to length 1."""

    idf: Tensor

    def __init__(self, model: TfIdf) -> None:
        super().__init__()
        self.widths = [len(idf) for idf in model.idf.values()]
        self.register_buffer("idf", torch.cat([torch.from_numpy(idf) for idf in model.idf.values()]))

    def forward(self, counts: Tensor) -> Tensor:
        rows = torch.where(counts > 0, 1 + counts.clamp(min=1).log(), 0.0) * self.idf
        parts = [p / p.square().sum(1, keepdim=True).sqrt().clamp(min=1e-12) for p in rows.split(self.widths, 1)]
        return torch.cat(parts, 1)


class TextGraph(nn.Module):
    """What each part takes, in order -> what `Head` gives."""

    def __init__(self, parts: list[Windows | Counted], head: nn.Module) -> None:
        super().__init__()
        self.parts, self.head = nn.ModuleList(parts), head

    def forward(self, *given: Tensor) -> tuple[Tensor]:
        rows, at = [], 0
        for part in self.parts:
            taken = 1 if isinstance(part, Counted) else 2
            rows.append(part(*given[at : at + taken]))
            at += taken
        return (self.head(torch.cat(rows, 1)),)


def exportable(predictor: AnyPredictor, model: str) -> Exportable:
    """What is to be written of a model of texts; raises ``InputError`` naming the part that reads texts by more than a
    tokeniser or counting.
    """
    assert isinstance(predictor, Predictor)
    modules: list[Windows | Counted] = []
    parts: list[dict[str, Any]] = []
    inputs: list[Port] = []
    example: list[Tensor] = []
    files: dict[str, bytes] = {}
    for i, network in enumerate(parts_of(predictor.model.network)):
        _require_plain(network, model)
        end = f"_{i + 1}" if i else ""
        made = _counted(network, end) if isinstance(network, TfIdfNetwork) else _tokenised(network, end)
        module, ports, tensors, part, data = made
        modules.append(module)
        inputs += ports
        example += tensors
        files[part["file"]] = data
        parts.append({"name": network.name, "view": [*network.spec.view], **part, "inputs": [p.name for p in ports]})
    roles = predictor.hints.kept
    about = {**told_of(predictor), "parts": parts, "item": roles.item if roles else ""}
    graph = TextGraph(modules, Head(predictor.model)).eval()

    def feeds(items: Items) -> Iterator[tuple[Arrays, Arrays]]:
        read = TextInputs(about, files.__getitem__)
        for i, said in told(predictor, items):
            yield read(str(items.load(i))), said

    output = output_of(predictor.model)
    return Exportable("texts", graph, tuple(inputs), (output,), tuple(example), about, feeds, files)


Part = tuple[Windows | Counted, list[Port], list[Tensor], dict[str, Any], bytes]
"""A part of the graph, its inputs and examples of them, what is told of it, and its file."""


def _counted(network: TfIdfNetwork, end: str) -> Part:
    assert network.model is not None
    port = Port(f"counts{end}", "float32", ("items", network.width))
    data = json.dumps(network.model.terms, ensure_ascii=False).encode()
    return (Counted(network.model), [port], [torch.ones(2, network.width)],
            {"reads": "counts", "file": f"counted{end}.json"}, data)  # fmt: skip


def _tokenised(network: Pretrained, end: str) -> Part:
    kind = TOKENISER if TOKENISER in network.files else TERMS
    ports = [Port(f"tokens{end}", "int64", (f"windows{end}", 2, f"length{end}")),
             Port(f"weights{end}", "float32", ("items", f"windows{end}"))]  # fmt: skip
    part = {"reads": "subwords" if kind == TOKENISER else "terms", "file": kind.replace(".json", f"{end}.json"),
            "longest": network.spec.tokens, "windows": network.spec.windows, "characters": network.spec.characters,
            "pad": network.tokeniser.pad,
            "ends": [*network.tokeniser.ends]}  # fmt: skip
    return Windows(network), ports, [network.example(3), torch.full((2, 3), 1 / 3)], part, network.files[kind]


def _require_plain(network: Pretrained, model: str) -> None:
    """Raises ``InputError`` where texts are prepared by what does not leave the tool."""
    odd = [step for step in network.spec.view if step not in VIEWS]
    if odd:
        raise InputError(
            f"{model} cannot be exported: the view {odd[0].partition(':')[0]} of {network.name} needs a library or a "
            f"dictionary beside the graph; fit it without a view, or with {', '.join(VIEWS)}."
        )
    if WORDS in network.files:
        raise InputError(
            f"{model} cannot be exported: the words of {network.name} are cut by a library (jieba); fit minilm, "
            "regraft_tiny_text or tfidf in its place."
        )
