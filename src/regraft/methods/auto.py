"""The probe, and fine-tuning where the time allows it and the inner split says that it helps.

With a target, methods on features by a validator that sees no label of it.
"""

from __future__ import annotations

KIND = "auto"
SUMMARY = "the probe; then lp-ft if --budget allows and it does better inside the training part"
NEXT = "lp-ft"
ON_TARGET = ("coral", "subspace-alignment", "self-training")
ON_TEXTS = ("self-training", "mixture")
"""Tried for a target of pictures or numbers, and for one of texts: the two that are best on average on the development
pairs of benchmarks/bench_text.py, which take counted words too.
"""
