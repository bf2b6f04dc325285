"""Which pretrained network, and how it is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from regraft.options.base import option

MOST_PIXELS = 10_000
SMALL = "small"
"""What is written for the small network that learns beside a pretrained one."""
BACKBONE = (
    "a network of 'regraft backbones', a folder of a transformer, hf/ORG/NAME, timm/NAME, vectors:FILE, tfidf, raw, "
    "random:NAME, NAME@BLOCK, NAME[VIEW] (pinyin, segment, lemma, gloss:FILE, ...), A+B for several side by side (A "
    "learns where the method trains), A+small for one and a small one that learns beside it, auto or auto:A,B to have "
    "one chosen [default: regraft_tiny for pictures up to 64 pixels, else the largest efficientnet_lite here, else "
    "mobilenet_v2; for texts e5-small where installed, else minilm for English and tfidf for others; see "
    "docs/weights.md]"
)
INT8 = "openvino-int8"
"""The engine that is calibrated on training pictures, and has to prove itself."""
ENGINE = (
    "what runs frozen networks: torch, torch-bf16, openvino, openvino-bf16, onnxruntime, openvino-int8 "
    "(calibrated on training pictures, refused where the probe loses by it), or auto: the one remembered for the "
    "network on this machine, for much work the fastest, for little torch"
)
DETECTOR = "for pictures with boxes: yolo, yolo-tiny, yolo-s ... yolo-x, fasterrcnn, ssd [default: yolo]"


@dataclass(frozen=True)
class NetworkOptions:
    """The network that knowledge is taken from."""

    PANEL: ClassVar[str] = "Network"

    backbone: str | None = option(None, BACKBONE)
    weights: str | None = option(None, "a weights file in place of the catalog's")
    trust: bool = option(False, "take weights whose publisher states no licence, or one that does not allow every use",
                         flag="--trust")  # fmt: skip
    init: str | None = option(None, "start from the weights of another run", metavar="RUN")
    detector: str | None = option(None, DETECTOR)
    size: int | None = option(None, "pixels a side of the pictures fed [default: the network's]", low=8,
                              high=MOST_PIXELS)  # fmt: skip
    engine: str = option("auto", ENGINE)
    device: str = option("auto", "auto, cpu, cuda, mps")
    threads: int | None = option(None, "threads of the networks [default: all cores]")


def parts_in(name: str, at: str = "+") -> list[str]:
    """``A+B[x+y]`` -> ``A``, ``B[x+y]``: the parts between plus signs (or commas) outside brackets and braces."""
    parts, depth = [""], 0
    for letter in name:
        depth += (letter in "[{") - (letter in "]}")
        if letter == at and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [p.strip() for p in parts]
