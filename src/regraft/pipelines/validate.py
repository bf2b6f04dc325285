"""What can be said of a fit's options once it is known what they are for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from regraft.core.errors import InputError, UnknownName
from regraft.core.runtime import resolve_device
from regraft.data.open import name_of
from regraft.methods import METHODS, kind_of
from regraft.options.base import Scenario
from regraft.options.evaluation import check_controls
from regraft.options.fit import FitOptions, Meaning, raise_all
from regraft.options.network import INT8, SMALL, parts_in
from regraft.options.scenario import SHARED
from regraft.options.training import MIXES, check_augmentation

NOT_RECORDED = ("overwrite", "resume", "track", "share", "task_weights", "soft")


def recorded(options: FitOptions, data: str | list[str]) -> dict[str, Any]:
    """The options of one fit by name as its run keeps them, with names in place of data."""
    flat = {k: v for k, v in options.flat().items() if k not in NOT_RECORDED}
    names = {k: _named(flat[k]) for k in ("val", "target", "teacher", "unlabelled")}
    return {"data": data, **flat, **names}


def _named(data: Any) -> str | None:
    """One data set, or several with commas."""
    if isinstance(data, list | tuple):
        return ",".join(map(name_of, data))
    return None if data is None else name_of(data)


def one_each(given: Any, count: int, option: str, things: str) -> list[Any]:
    """What an option names for each of ``count`` data: in a list or with commas, ``none`` for nothing; nothing for all
    where it was not given. Raises ``InputError`` where it names more or fewer.
    """
    if given is None:
        return [None] * count
    found = given.split(",") if isinstance(given, str) else list(given) if isinstance(given, list | tuple) else [given]
    if len(found) != count:
        raise InputError(f"{option} names {len(found)} data for {count} {things}: name one for each, with commas.")
    return [None if isinstance(one, str) and one == "none" else one for one in found]


def meaning_of(options: FitOptions, *, several: bool = False, task: str | None = None) -> Meaning:
    """What the options are for; ``several`` data are domains of one task."""
    adapting = options.scenario.target is not None
    method = options.training.method or ("auto" if adapting else "linear-probe")
    one: Scenario = "single" if options.distillation.teacher is None else "taught"
    scenario: Scenario = "domains" if several else "target" if adapting else one
    kind = kind_of(method)
    # of a target auto takes the methods on features
    return Meaning(method, "adapting features" if kind == "auto" and adapting else kind, scenario, task)


def check_sharing(options: FitOptions, data: int) -> None:
    """Raises ``InputError`` where so many ``data`` are several tasks and no way to share a network is named."""
    how = options.scenario.share
    if how is None:
        raise InputError(
            f"{data} data sets are several tasks: --share features fits them on one network, a head each; where "
            "they are domains of one task, --method joint learns from all."
        )
    if how not in SHARED:
        raise UnknownName("way to share", how, SHARED)


def check(options: FitOptions, meaning: Meaning, names: str | list[str] = "the data") -> None:
    """Raises ``InputError`` naming every option that cannot be meant for the data of these names, with what would be
    right.
    """
    said = map(InputError, (*_boxes(options, meaning, names), *_scenario(options, meaning),
                            *_network(options, meaning)))  # fmt: skip
    raise_all([*options.wrong(meaning), *said, *_names(options)])


def _boxes(options: FitOptions, meaning: Meaning, names: str | list[str]) -> Iterator[str]:
    """A detector is for boxes."""
    if options.network.detector is not None:
        what = f"{names} is for {meaning.task}" if meaning.scenario != "domains" else "several data"
        yield f"--detector {options.network.detector} is for pictures with boxes; {what}."


def _names(options: FitOptions) -> Iterator[InputError]:
    """What is in no registry."""
    mix, augment, network = options.training.mix, options.training.augment, options.network
    tried: list[Callable[[], Any]] = [lambda: check_controls(options.evaluation.controls)]
    if augment:
        tried.append(lambda: check_augmentation(augment))
    if network.engine != "auto":
        from regraft.features.engines import require

        tried.append(lambda: require(network.engine, resolve_device(network.device)))
    if network.engine == INT8:
        from regraft.features.engines.openvino_int8 import require_nncf

        tried.append(require_nncf)
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
