"""How knowledge is transferred. A method is one short module and one line here.

Each says what it is: ``SUMMARY``, a sentence with its paper, and ``KIND`` (`regraft.options.base.Kind`), by which it
has more; what it cannot do without, it names in ``NEEDS`` (`regraft.methods.needs`):
``features``: ``fit_features(rows, labels, target, *, seed, per_feature_scaling, class_weight, record) -> Fitted``;
``training``: ``plan(blocks, options) -> Plan`` (see `regraft.methods.base`);
``adapting features``: ``fit_domains`` (see `regraft.methods.adaptation.on_features`) and, as the next,
``OPTIMISES``, the validators that it makes large itself;
``adapting networks``: ``plan_domains`` (see `regraft.methods.adaptation.on_networks`).
"""

from __future__ import annotations

from regraft.core.registry import Registry
from regraft.options.base import Kind

BY_KIND: dict[Kind, dict[str, str]] = {
    "features": {"linear-probe": "regraft.methods.probes.linear_probe"},
    "training": {
        "mlp-probe": "regraft.methods.probes.mlp_probe",
        "last-k": "regraft.methods.finetuning.last_k",
        "lp-ft": "regraft.methods.finetuning.lp_ft",
        "finetune": "regraft.methods.finetuning.finetune",
        "gradual": "regraft.methods.finetuning.gradual",
        "l2-sp": "regraft.methods.finetuning.l2_sp",
        "contrastive": "regraft.methods.finetuning.contrastive",
        "lora": "regraft.methods.finetuning.lora",
        "scratch": "regraft.methods.finetuning.scratch",
    },
    "adapting features": {
        "coral": "regraft.methods.adaptation.coral",
        "subspace-alignment": "regraft.methods.adaptation.subspace_alignment",
        "ot": "regraft.methods.adaptation.ot",
        "self-training": "regraft.methods.adaptation.self_training",
        "mixture": "regraft.methods.adaptation.mixture",
    },
    "adapting networks": {
        "adabn": "regraft.methods.adaptation.adabn",
        "deep-coral": "regraft.methods.adaptation.deep_coral",
        "dan": "regraft.methods.adaptation.dan",
        "jan": "regraft.methods.adaptation.jan",
        "dann": "regraft.methods.adaptation.dann",
        "cdan": "regraft.methods.adaptation.cdan",
        "mcd": "regraft.methods.adaptation.mcd",
        "mdd": "regraft.methods.adaptation.mdd",
        "adda": "regraft.methods.adaptation.adda",
        "mcc": "regraft.methods.adaptation.mcc",
        "shot": "regraft.methods.adaptation.shot",
        "pseudo-label": "regraft.methods.adaptation.pseudo_label",
    },
    "domains": {"joint": "regraft.methods.multi_domain"},
    "auto": {"auto": "regraft.methods.auto"},
}
"""The methods below their ``KIND``, so that options are checked before any of them, and what it learns with, is
imported."""

METHODS = Registry("method", {name: where for methods in BY_KIND.values() for name, where in methods.items()})


def kind_of(name: str) -> Kind:
    """What the method of that name learns; raises ``UnknownName``."""
    known = next((kind for kind, methods in BY_KIND.items() if name in methods), None)
    kind: Kind = known or METHODS.get(name).KIND
    return kind
