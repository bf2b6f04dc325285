"""`Body` and `Pretrained`: what every network answers, whatever library it came from."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from regraft.core.errors import UnknownName
from regraft.core.types import PreprocessSpec

if TYPE_CHECKING:
    from regraft.backbones.text.tokeniser import Subwords, WordList


M = TypeVar("M", bound=nn.Module)

OWN = "of the training items"
"""What a network's provenance says of batch normalisation's ``statistics`` that were learned with its head."""


def masked_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """(N, L, H) and a mask (N, L) -> (N, H) in float32: the mean where the mask is true, 0 where it nowhere is."""
    kept = mask[:, :, None].float()
    return (hidden.float() * kept).sum(1) / kept.sum(1).clamp(min=1)


def word_vectors(module: nn.Module) -> list[nn.Parameter]:
    """The tables of token vectors in a network on texts: those of the parts that name theirs (``word_vectors``).

    A network that is nothing but such a table, as word2vec is, names none: there would be nothing else to learn.
    """
    named = [getattr(m, "word_vectors", None) for m in module.modules()]
    return [p for p in named if isinstance(p, nn.Parameter)]


def copied(module: M, *, share_word_vectors: bool = False) -> M:
    """A copy with weights of its own, save that tables of token vectors, which nobody changes then, may be shared."""
    tables = word_vectors(module) if share_word_vectors else []
    return copy.deepcopy(module, {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in tables})


class SpatialMean(nn.Module):
    """(N, C, H, W) -> (N, C) by the mean over places; (N, T, C) -> (N, C) over tokens; (N, C) stays.

    A pair of hidden (N, L, H) and mask (N, L), as texts have it, -> (N, H) by the mean over what the mask keeps.
    """

    def forward(self, x: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        if isinstance(x, tuple):
            return masked_mean(*x)
        if x.ndim == 4:
            return x.mean((2, 3))
        return x.mean(1) if x.ndim == 3 else x


class Body(nn.Module):
    """A network without its last layer: a chain of named blocks and the pooling after them.

    Each block takes the output of the one before; together they hold every parameter of the body once. ``pool``,
    which has none, turns the last block's output into (N, D).

    A new body is frozen: no gradients, and batch normalisation keeps its statistics even in train mode. ``fixed`` first
    blocks never learn; where there are some, what they hand on is no tensor that could be stored.
    """

    fixed = 0

    def __init__(self, blocks: Sequence[tuple[str, nn.Module]], pool: nn.Module) -> None:
        super().__init__()
        self.chain = nn.ModuleDict({name.replace(".", "-"): block for name, block in blocks})
        self.pool = pool
        self._frozen = 0
        self.keeps_statistics = False
        self.freeze()

    @property
    def blocks(self) -> list[tuple[str, nn.Module]]:
        """(name, block) in the order of the forward pass."""
        return [(name.replace("-", "."), block) for name, block in self.chain.items()]

    @property
    def frozen(self) -> int:
        """How many blocks, from the input on, are frozen."""
        return self._frozen

    def freeze(self, blocks: int | None = None) -> Body:
        """Freezes the first ``blocks`` blocks (all by default) and lets the others learn."""
        self._frozen = len(self.chain) if blocks is None else max(self.fixed, blocks)
        for i, block in enumerate(self.chain.values()):
            block.requires_grad_(i >= self._frozen)
        return self.train(self.training)

    def norms(self) -> list[nn.modules.batchnorm._BatchNorm]:
        """The batch normalisation of the blocks that may learn."""
        blocks = list(self.chain.values())[self.fixed :]
        return [m for b in blocks for m in b.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]

    def train(self, mode: bool = True) -> Body:
        """Training mode for the blocks that learn; frozen ones, and statistics that are kept, stay in evaluation."""
        super().train(mode)
        for block in list(self.chain.values())[: self._frozen]:
            block.eval()
        if self.keeps_statistics:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def keep_statistics(self, keep: bool = True) -> Body:
        """Whether batch normalisation goes on by the statistics it has, also where its scale and shift learn."""
        self.keeps_statistics = keep
        return self.train(self.training)

    def features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) prepared as the spec says -> (N, D), the input of the original network's last layer.

        Texts come as int64 (N, 2, L): token numbers and mask.
        """
        return self.pool(self(x))

    def forward(self, x: Tensor) -> Any:
        """The last block's output, before pooling: a tensor; for texts a pair of hidden (N, L, H), mask (N, L)."""
        for block in self.chain.values():
            x = block(x)
        return x

    def maps(self, x: Tensor) -> dict[int, Tensor]:
        """The last feature map (N, C, H, W) at each level: level l is about 2**l times smaller than the input."""
        height, found = x.shape[2], {}
        for block in self.chain.values():
            x = block(x)
            if x.ndim == 4:
                found[round(math.log2(height / x.shape[2]))] = x
        return found

    def upto(self, block: str) -> Body:
        """The body that ends after ``block`` (its name, or its number from 0), pooled by the mean over places."""
        names = [name for name, _ in self.blocks]
        if block.isdigit() and block not in names:
            index = int(block)
            if index >= len(names):
                raise UnknownName("block", block, [*names, f"0..{len(names) - 1}"])
        elif block in names:
            index = names.index(block)
        else:
            raise UnknownName("block", block, names)
        kept = copy.deepcopy(self.blocks[: index + 1])
        return Body(kept, SpatialMean())


@dataclass
class Pretrained:
    """What a weights file really holds: the body, the source task's head, how to prepare the input.

    ``head`` turns the body's last map into logits (N, source classes); it is None where there is no source task.
    ``recipe`` is what it takes to build the same network again without its weights (see `catalog.rebuild`);
    ``provenance`` tells a person where the weights come from. ``seen`` are the `pixel_digest`s, as uint64, of the
    pictures whose labels the pretraining saw, where they are known. ``files`` are what preparing the input needs
    besides the spec, by name: the tokeniser, the words, the dictionary of a view. ``int8`` are the files of the graph
    that was quantised for it, see `regraft.features.engines.openvino_int8`; none where nobody did. ``outputs`` are the
    names of what engines give, ``parity`` and ``unfit`` what ``auto`` asks of them.
    """

    outputs: ClassVar[tuple[str, ...]] = ("pooled",)
    parity: ClassVar[float] = 0.999
    unfit: ClassVar[tuple[str, ...]] = ()
    name: str
    body: Body
    head: nn.Module | None
    spec: PreprocessSpec
    recipe: dict[str, Any]
    source_classes: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    seen: Any = None
    files: dict[str, bytes] = field(default_factory=dict)
    int8: dict[str, bytes] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """How many items are run at once: pictures 32, small ones and rows of numbers more, texts most."""
        if self.spec.modality == "text":
            return 2048
        return 32 if self.spec.height * self.spec.width > 64 * 64 else 256

    @property
    def has_learned(self) -> bool:
        """Whether its weights come from a training, here or elsewhere."""
        return self.pretrained or bool({"init", "adapted_by"} & self.provenance.keys())

    @property
    def pretrained(self) -> bool:
        """Whether its weights began elsewhere; false for what was trained here from random ones."""
        return self.provenance.get("weights") != "random"

    @property
    def own_statistics(self) -> bool:
        """Whether batch normalisation goes by the statistics of the items that the network's head has learned from, and
        not by those of its pretraining. A network that says nothing of its weights is taken to.
        """
        told = self.provenance
        scratch = told.get("weights") == "random" and "adapted_by" in told
        return "weights" not in told or told.get("statistics") == OWN or scratch

    @property
    def tokeniser(self) -> Subwords | WordList:
        """What turns texts into token numbers in this network's view (texts only)."""
        kept = self.__dict__.get("_tokeniser")
        if kept is None or kept[0] != self.spec:
            from regraft.backbones.text.tokeniser import tokeniser

            kept = (self.spec, tokeniser(self.files, self.spec, int(self.recipe.get("pad", 0))))
            self.__dict__["_tokeniser"] = kept
        found: Subwords | WordList = kept[1]
        return found

    @tokeniser.setter
    def tokeniser(self, made: Subwords | WordList) -> None:
        self.__dict__["_tokeniser"] = (self.spec, made)

    @property
    def width(self) -> int:
        """D, the number of features."""
        if "width" not in self.recipe:
            with torch.inference_mode():
                self.recipe["width"] = int(self.body.features(self.example()).shape[1])
        return int(self.recipe["width"])

    def example(self, n: int = 1) -> Tensor:
        """A batch of zeros of the shape the body takes, where the body is."""
        device = next((p.device for p in self.body.parameters()), torch.device("cpu"))
        if self.spec.modality == "table":
            return torch.zeros(n, self.spec.columns, dtype=torch.float64)
        if self.spec.modality == "text":
            return torch.stack([torch.zeros(n, 8, dtype=torch.int64), torch.ones(n, 8, dtype=torch.int64)], 1).to(
                device
            )
        channels = 1 if self.spec.colour == "grey" else 3
        return torch.zeros(n, channels, self.spec.height, self.spec.width, device=device)

    def watched(self, layers: Sequence[nn.Module], look: Callable[[nn.Module, Any, Any], None]) -> None:
        """One pass of `example`; ``look`` is given each of ``layers`` with what it takes and gives."""
        hooks = [layer.register_forward_hook(look) for layer in layers]
        try:
            with torch.inference_mode():
                self.body.features(self.example())
        finally:
            for hook in hooks:
                hook.remove()

    def digest(self) -> str:
        """Names graph, weights and preprocessing: two networks with the same digest give the same features."""
        if "digest" not in self.provenance:
            h = hashlib.blake2b(digest_size=16)
            h.update(repr([(name, str(block)) for name, block in self.body.blocks]).encode())
            h.update(repr(self.spec).encode())
            if self.spec.windows:
                h.update(f"{self.spec.windows} windows".encode())
            if "looks" in self.recipe:  # of a module: what its code makes of its weights
                h.update(repr(self.recipe["looks"]).encode())
            for key, value in sorted(self.body.state_dict().items()):
                h.update(f"{key}{tuple(value.shape)}{value.dtype}".encode())
                h.update(value.detach().cpu().contiguous().numpy().tobytes())
            if self.files:
                h.update(repr(self.body.pool).encode())
                for name, data in sorted(self.files.items()):
                    h.update(name.encode() + hashlib.sha256(data).digest())
            self.provenance["digest"] = h.hexdigest()
        return str(self.provenance["digest"])
