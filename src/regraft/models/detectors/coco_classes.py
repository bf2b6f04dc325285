"""The 80 classes of COCO (Lin et al. 2014, https://arxiv.org/abs/1405.0312), and which names mean the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign, parking
meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag, tie,
suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis
racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog,
pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell
phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush
"""

COCO: tuple[str, ...] = tuple(" ".join(name.split()) for name in _NAMES.split(","))
"""In the order of detectors' outputs."""

_IRREGULAR = {"people": "person", "men": "man", "women": "woman", "mice": "mouse", "knives": "knife", "geese": "goose",
              "leaves": "leaf", "children": "child", "feet": "foot", "teeth": "tooth"}  # fmt: skip


def singular(name: str) -> str:
    """A class name in small letters, words apart, the last of them in the singular: ``Traffic_Lights`` and
    ``traffic light`` are one.
    """
    words = re.sub(r"[\W_]+", " ", name).strip().lower().split() or [""]
    last = words[-1]
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif re.search(r"[^aeiou]ies$", last) and len(last) > 4:
        last = last[:-3] + "y"
    elif re.search(r"(s|x|ch|sh)es$", last):
        last = last[:-2]
    elif re.search(r"[^su]s$", last):
        last = last[:-1]
    return " ".join([*words[:-1], last])


def same(new: Sequence[str], old: Sequence[str]) -> dict[int, int]:
    """Positions in ``new`` of classes that ``old`` has too, with their positions there."""
    where = {singular(name): i for i, name in reversed(list(enumerate(old)))}
    return {i: where[singular(name)] for i, name in enumerate(new) if singular(name) in where}
