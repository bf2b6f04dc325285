"""How well a frozen network's features suit some labels, in one number. A score is one short module and one line here.

Each module holds pure functions on arrays, ``SUMMARY`` (a sentence with its paper), ``TASKS`` (those it applies to) and
``score(given) -> float`` for a `Given`; higher is better. ``score`` raises ``NotApplicable``, with the reason, where it
says nothing about what it was given.
"""

from __future__ import annotations

from regraft.registry import Registry

SCORES = Registry(
    "score",
    {
        "probe": "regraft.ranking.probe",
        "knn": "regraft.ranking.knn",
        "logme": "regraft.ranking.logme",
        "ridge_evidence": "regraft.ranking.ridge",
        "h_score": "regraft.ranking.h_score",
        "transrate": "regraft.ranking.transrate",
        "gbc": "regraft.ranking.gbc",
        "parc": "regraft.ranking.parc",
        "leep": "regraft.ranking.leep",
        "nce": "regraft.ranking.nce",
        "nleep": "regraft.ranking.nleep",
    },
)
