"""Adaptive batch normalisation: its statistics are taken from the target; no weight changes.

Li, Wang, Shi, Liu and Hou 2017 (https://arxiv.org/abs/1603.04779).
"""

from __future__ import annotations

from regraft.methods.adaptation.on_networks import DomainPlan
from regraft.methods.base import Options

KIND, NEEDS = "adapting networks", ("batch normalisation",)
SUMMARY = "adapts to --target: batch normalisation takes its statistics from there (Li et al. 2017)"
OPTIMISES: tuple[str, ...] = ()


def plan_domains(blocks: int, options: Options) -> DomainPlan:
    return DomainPlan((), NEEDS, statistics=True)
