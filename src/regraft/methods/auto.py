"""The probe, and fine-tuning where the time allows it and the inner split says that it helps.

With a target, methods on features by a validator that sees no label of it.
"""

from __future__ import annotations

KIND = "auto"
SUMMARY = "the probe; then lp-ft if --budget allows and it does better inside the training part"
NEXT = "lp-ft"
ON_TARGET = ("center", "coral", "subspace-alignment", "self-training")
SPARSE = ("self-training",)
"""Tried for a target: on dense features, and on those of counted words."""
