"""How knowledge is transferred. A method is one short module and one line here.

A method closed over features has ``SUMMARY``, a sentence with its paper, and
``fit_features(rows, labels, target, *, seed, own_units, class_weight, record) -> Fitted``.
"""

from __future__ import annotations

from regraft.registry import Registry

METHODS = Registry("method", {"linear-probe": "regraft.methods.linear_probe"})
