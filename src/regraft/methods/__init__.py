"""How knowledge is transferred. A method is one short module and one line here.

Closed over features: ``SUMMARY``, a sentence with its paper, and
``fit_features(rows, labels, target, *, seed, own_units, class_weight, record) -> Fitted``.
Trained: ``SUMMARY`` and ``plan(blocks, options) -> Plan`` (see `regraft.methods.base`).
From one domain to another: ``SUMMARY``, ``OPTIMISES`` (the validators it makes large itself), and on features
``fit_domains`` (see `regraft.methods.domains`), on networks ``plan_domains`` (see `regraft.methods.steps`).
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
        "coral": "regraft.methods.coral",
        "subspace-alignment": "regraft.methods.subspace_alignment",
        "ot": "regraft.methods.ot",
        "self-training": "regraft.methods.self_training",
        "adabn": "regraft.methods.adabn",
        "deep-coral": "regraft.methods.deep_coral",
        "dan": "regraft.methods.dan",
        "jan": "regraft.methods.jan",
        "dann": "regraft.methods.dann",
        "cdan": "regraft.methods.cdan",
        "mcd": "regraft.methods.mcd",
        "mdd": "regraft.methods.mdd",
        "adda": "regraft.methods.adda",
        "mcc": "regraft.methods.mcc",
        "shot": "regraft.methods.shot",
        "pseudo-label": "regraft.methods.pseudo_label",
        "joint": "regraft.methods.joint",
        "auto": "regraft.methods.auto",
    },
)
