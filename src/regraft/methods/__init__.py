"""How knowledge is transferred. A method is one short module and one line here.

Closed over features: ``SUMMARY``, a sentence with its paper, and
``fit_features(rows, labels, target, *, seed, own_units, class_weight, record) -> Fitted``.
Trained: ``SUMMARY`` and ``plan(blocks, options) -> Plan`` (see `regraft.methods.base`).
"""

from __future__ import annotations

from regraft.registry import Registry

METHODS = Registry(
    "method",
    {
        "linear-probe": "regraft.methods.linear_probe",
        "mlp-probe": "regraft.methods.mlp_probe",
        "last-k": "regraft.methods.last_k",
        "lp-ft": "regraft.methods.lp_ft",
        "finetune": "regraft.methods.finetune",
        "gradual": "regraft.methods.gradual",
        "l2-sp": "regraft.methods.l2_sp",
        "contrastive": "regraft.methods.contrastive",
        "lora": "regraft.methods.lora",
        "scratch": "regraft.methods.scratch",
        "auto": "regraft.methods.auto",
    },
)
