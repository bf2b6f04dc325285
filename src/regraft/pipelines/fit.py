"""``regraft fit``: from labelled data to a judged, saved model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.data.open import open_data
from regraft.options.fit import FitOptions
from regraft.pipelines.scenarios.base import Scenario
from regraft.pipelines.scenarios.boxes import Boxes
from regraft.pipelines.scenarios.multi_domain import MultiDomain
from regraft.pipelines.scenarios.multi_task import Line, multi_task
from regraft.pipelines.scenarios.single import Single
from regraft.pipelines.scenarios.target_domain import Adaptation


def fit(data: Any, *, network: Pretrained | None = None, **given: Any) -> Any:
    """Learns from the part train, judges on val (or a held-out fifth), then refits on both and saves: a `FitResult`, of
    several tasks a `regraft.pipelines.result.Shared`.

    ``given`` are the options of `regraft.options.fit.FitOptions`, by name. Where a fifth would be fewer than 60 items,
    or with ``cv`` folds, a method on features is cross-validated instead. ``data`` is a path, ``embedded:NAME``, a
    DataFrame or a `Dataset`; several data in a list are domains of one task for the method ``joint``, else tasks that
    ``share`` a network. ``method`` is by default linear-probe, for detectors finetune. ``network`` takes the place of
    what ``backbone`` names, with all it has learned; not for boxes and several data. Writes a run folder: ``model/``
    (the artefact), ``run.json``, ``log.jsonl``, ``predictions.csv``. Raises ``InputError`` and its kinds, see
    `regraft.core.errors`.
    """
    return _fit_one(data, FitOptions.of(**given), network)


def carry_out(scenario: Scenario) -> Any:
    """The line of every fit."""
    scenario.check()
    if (done := scenario.finished()) is not None:
        return done
    scenario.prepare()
    with scenario.early():
        scenario.split()
        scenario.load_network()
    with scenario.run_folder() as scenario.run:
        result = complete(scenario)
    return result


def complete(scenario: Scenario) -> Any:
    """Its second half, in the run folder."""
    scenario.extract()
    scenario.learn()
    scenario.evaluate()
    scenario.refit()
    scenario.save()
    result = scenario.result()
    scenario.run.finish(asdict(result))
    return result


def scenario_of(data: Any, options: FitOptions, network: Pretrained | None = None) -> Scenario:
    """What the fit is to be carried out on; ``data`` is opened where it is one."""
    several = isinstance(data, list | tuple)
    if options.scenario.share is not None or (several and options.training.method != "joint"):
        return multi_task(data if several else [data], options, Line(_fit_one, complete))
    if several:
        _no_network(network, "network= is for one data set; several data start from what --backbone or --init names.")
        return MultiDomain(list(data), options)
    opened = open_data(data, format=options.data.format, hints=options.data.hints())
    if opened.target.task == "detection":
        _no_network(network, "network= is not for boxes; a detector starts from --detector, --backbone or --init.")
        return Boxes(opened, data, options)
    return (Single if options.scenario.target is None else Adaptation)(opened, data, options, network)


def _fit_one(data: Any, options: FitOptions, network: Pretrained | None) -> Any:
    return carry_out(scenario_of(data, options, network))


def _no_network(network: Pretrained | None, why: str) -> None:
    if network is not None:
        raise InputError(why)
