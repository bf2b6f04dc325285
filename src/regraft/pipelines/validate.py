"""What can be said of a fit's options once it is known what they are for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from regraft.backbones.side_network import SMALL
from regraft.core.errors import InputError, UnknownName
from regraft.core.runtime import resolve_device
from regraft.data.open import name_of
from regraft.data.transforms.augment import Policy
from regraft.features.engines import require
from regraft.features.fusion import parts_in
from regraft.methods import METHODS, kind_of
from regraft.options.base import Scenario
from regraft.options.fit import FitOptions, Meaning, raise_all
from regraft.pipelines.stages.controls import check_controls
from regraft.training.mixing import MIXES

NOT_RECORDED = ("overwrite", "resume", "share", "task_weights", "soft")


def recorded(options: FitOptions, data: str | list[str]) -> dict[str, Any]:
    """The options of one fit by name as its run keeps them, with names in place of data."""
    flat = {k: v for k, v in options.flat().items() if k not in NOT_RECORDED}
    names = {k: _named(flat[k]) for k in ("val", "target")}
    return {"data": data, **flat, **names}


def _named(data: Any) -> str | None:
    """One data set, or several with commas."""
    if isinstance(data, list | tuple):
        return ",".join(map(name_of, data))
    return None if data is None else name_of(data)


def meaning_of(options: FitOptions, *, several: bool = False, task: str | None = None) -> Meaning:
    """What the options are for; ``several`` data are domains of one task."""
    method = options.training.method or "linear-probe"
    adapting = options.scenario.target is not None
    scenario: Scenario = "domains" if several else "target" if adapting else "single"
    kind = kind_of(method)
    # of a target auto takes the methods on features
    return Meaning(method, "adapting features" if kind == "auto" and adapting else kind, scenario, task)


def check(options: FitOptions, meaning: Meaning) -> None:
    """Raises ``InputError`` naming every option that cannot be meant, with what would be right."""
    said = map(InputError, (*_scenario(options, meaning), *_network(options, meaning)))
    raise_all([*options.wrong(meaning), *said, *_names(options)])


def _names(options: FitOptions) -> Iterator[InputError]:
    """What is in no registry."""
    mix, augment, network = options.training.mix, options.training.augment, options.network
    tried = [lambda: check_controls(options.evaluation.controls)]
    if augment:
        tried.append(lambda: Policy(augment).operations)  # type: ignore[arg-type,return-value]
    if network.engine != "auto":
        tried.append(lambda: require(network.engine, resolve_device(network.device)))  # type: ignore[arg-type,return-value]
    for ask in tried:
        try:
            ask()
        except InputError as error:
            yield error
    if mix not in (None, *MIXES):
        yield UnknownName("mix", str(mix), MIXES)


def _scenario(options: FitOptions, meaning: Meaning) -> Iterator[str]:
    """A method that adapts wants a target, and a target such a method; joint wants several data."""
    target, method = options.scenario.target, meaning.method
    adapts = "adapting" in kind_of(method)
    if (meaning.scenario == "domains") != (method == "joint"):
        yield "--method joint learns from several DATA at once, at least two; other methods take one."
    if adapts and target is None:
        yield f"--method {method} adapts to another domain: name it with --target."
    if target is not None and not adapts and method != "auto":
        able = ", ".join(n for n in METHODS if "adapting" in kind_of(n))
        yield f"--target {name_of(target)}: {method} does not adapt; methods that do are auto, {able}."


def _network(options: FitOptions, meaning: Meaning) -> Iterator[str]:
    backbone = options.network.backbone
    if meaning.kind in ("features", "adapting features") and SMALL in parts_in(backbone or ""):
        yield (f"--backbone {backbone}: {meaning.method} trains no network, and the small one would stay as it is "
               "drawn; take lp-ft or finetune.")  # fmt: skip
