"""How well a frozen network's features suit some labels, in one number. A score is one short module and one line here.

Each module holds pure functions on arrays, ``SUMMARY`` (a sentence with its paper), ``TASKS`` (those it applies to) and
``score(given) -> float`` for a `Given`; higher is better. ``score`` raises ``NotApplicable``, with the reason, where it
says nothing about what it was given.
"""

from __future__ import annotations

from regraft.core.registry import Registry

SCORES = Registry(
    "score",
    {
        "probe": "regraft.selection.scores.probe",
        "knn": "regraft.selection.scores.knn",
        "logme": "regraft.selection.scores.logme",
        "ridge_evidence": "regraft.selection.scores.ridge",
        "h_score": "regraft.selection.scores.h_score",
        "transrate": "regraft.selection.scores.transrate",
        "gbc": "regraft.selection.scores.gbc",
        "parc": "regraft.selection.scores.parc",
        "leep": "regraft.selection.scores.leep",
        "nce": "regraft.selection.scores.nce",
        "nleep": "regraft.selection.scores.nleep",
    },
)
