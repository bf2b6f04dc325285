"""``regraft fit``: from labelled data to a judged, saved model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from regraft.backbones.licences import trusting
from regraft.core.errors import InputError
from regraft.core.registry import Registry
from regraft.core.runtime import Stopwatch, importing, start_up
from regraft.data.corrections import open_corrected
from regraft.data.dataset import Dataset
from regraft.data.frames import is_frame
from regraft.data.open import name_of, require_there
from regraft.options.fit import FitOptions
from regraft.pipelines.scenarios.base import STEPS, Line, Scenario
from regraft.pipelines.tracking import require as require_tracker
from regraft.pipelines.validate import check, check_sharing, meaning_of

if TYPE_CHECKING:
    from regraft.backbones.base import Pretrained

SCENARIOS = Registry(
    "scenario",
    {
        "single": "regraft.pipelines.scenarios.single:Single",
        "target": "regraft.pipelines.scenarios.target_domain:Adaptation",
        "domains": "regraft.pipelines.scenarios.multi_domain:MultiDomain",
        "tasks": "regraft.pipelines.scenarios.multi_task:shared",
        "boxes": "regraft.pipelines.scenarios.boxes:Boxes",
        "taught": "regraft.pipelines.scenarios.distillation:Distillation",
    },
)


def fit(data: Any, *, network: Pretrained | None = None, spec: Any = None, **given: Any) -> Any:
    """Learns from the part train, judges on val (or a held-out fifth), then refits on both and saves: a `FitResult`, of
    several tasks a `regraft.pipelines.result.Shared`.

    ``given`` are the options of `regraft.options.fit.FitOptions`, by name. Where a fifth would be fewer than 60 items,
    or with ``cv`` folds, a method on features is cross-validated instead. ``data`` is a path, ``embedded:NAME``, a
    DataFrame or a `Dataset`; several data in a list are domains of one task for the method ``joint``, else tasks that
    ``share`` a network. ``method`` is by default linear-probe, for detectors finetune. ``network`` takes the place of
    what ``backbone`` names, with all it has learned; not for boxes and several data. So does ``backbone`` as an
    ``nn.Module`` that gives (n, d) of what ``spec`` prepares (`regraft.backbones.modules.base.network_of`). Writes a
    run folder: ``model/`` (the artefact), ``run.json``, ``log.jsonl``, ``predictions.csv``. Raises ``InputError`` and
    its kinds, see `regraft.core.errors`.
    """
    watch, before = Stopwatch(*STEPS), start_up()
    watch.seconds |= {} if before is None else {"startup": before}
    if spec is not None or not isinstance(given.get("backbone"), str | None):
        with watch("import"), importing():
            network = _of_module(spec, given)
        given = given | {"backbone": None}
    return _fit_one(data, FitOptions.of(**given), network, watch)


def _of_module(spec: Any, given: dict[str, Any]) -> Pretrained:
    """The network of ``backbone=module``; raises ``InputError`` where an option names another, or its weights."""
    if isinstance(given.get("backbone"), str | None):
        raise InputError("spec= says how the pictures of backbone=module are prepared; a network by name knows that.")
    for name in ("weights", "init", "size", "detector"):
        if given.get(name) is not None:
            why = "its spec= tells the size" if name == "size" else "the module is the network, with its weights"
            raise InputError(f"{name}={given[name]!r} beside backbone=module: {why}; leave out one of the two.")
    from regraft.backbones.modules.base import network_of

    return network_of(given["backbone"], spec)


def carry_out(scenario: Scenario) -> Any:
    """The line of every fit."""
    with scenario.watch("prepare"):
        scenario.check()
        if (done := scenario.finished()) is not None:
            return done
        scenario.prepare()
    with scenario.early():
        with scenario.watch("audit"):
            scenario.split()
        with scenario.watch("prepare"):
            scenario.load_network()
    with scenario.run_folder() as scenario.run:
        result = complete(scenario)
    return result


def complete(scenario: Scenario) -> Any:
    """Its second half, in the run folder."""
    with scenario.watch("extract"):
        scenario.extract()
    with scenario.watch("fit"):
        scenario.learn()
    with scenario.watch("judge"):
        scenario.evaluate()
    with scenario.watch("fit"):
        scenario.refit()
    with scenario.watch("save"):
        scenario.save()
    result = scenario.result()
    scenario.run.finish(asdict(result))
    return result


def scenario_of(data: Any, options: FitOptions, network: Pretrained | None, watch: Stopwatch) -> Scenario:
    """What the fit is to be carried out on, imported once data and options are known to be right: what a scenario
    learns with takes seconds to import, and what is wrong is said at once.
    """
    with watch("open"):
        kind, *parts = _checked(data, options, network)
    with watch("import"), importing():
        make = SCENARIOS.get(kind)
    scenario: Scenario = make(*parts)
    scenario.watch = watch
    return scenario


def _checked(data: Any, options: FitOptions, network: Pretrained | None) -> tuple[Any, ...]:
    """The kind of scenario and what it is made of; ``data`` is opened where it is one."""
    several = isinstance(data, list | tuple)
    require_tracker(options.run.track)
    if options.distillation.teacher is not None:
        return "taught", *_taught(data, options), network
    require_there(data)
    if options.scenario.share is not None or (several and options.training.method != "joint"):
        _no_network(network, "network= is for one data set, as is backbone=module; tasks that share one start "
                    "from what --backbone or --init names.")  # fmt: skip
        check_sharing(options, len(data) if several else 1)
        return "tasks", data if several else [data], options, Line(_fit_one, complete)
    if several:
        _no_network(
            network,
            "network= is for one data set, as is backbone=module; several data start from what --backbone or "
            "--init names.",
        )
        check(options, meaning_of(options, several=True), [name_of(d) for d in data])
        return "domains", list(data), options
    opened = open_corrected(data, options.data.corrections, format=options.data.format, hints=options.data.hints())
    if opened.target.task == "detection":
        _no_network(
            network,
            "network= is not for boxes, nor is backbone=module; a detector starts from --detector, --backbone or "
            "--init.",
        )
        return "boxes", opened, data, options
    for other in (options.data.val, options.scenario.target):
        require_there(other)
    check(options, meaning_of(options, task=opened.target.task), name_of(data))
    return "single" if options.scenario.target is None else "target", opened, data, options, network


def _taught(data: Any, options: FitOptions) -> tuple[Any, FitOptions]:
    """Data and options beside a teacher, checked before that is loaded."""
    unlabelled = options.distillation.unlabelled
    if not (isinstance(unlabelled, str | PurePath | Dataset | None) or is_frame(unlabelled)):
        kind = type(unlabelled).__name__
        raise InputError(f"--unlabelled is a {kind}; a path, embedded:NAME, a DataFrame or a Dataset is wanted.")
    if isinstance(data, list | tuple) or options.scenario.share is not None or options.scenario.target is not None:
        raise InputError("--teacher teaches one network one task: name one DATA, without --share and --target.")
    for other in (data, options.data.val, unlabelled):
        require_there(other)
    check(options, meaning_of(options, task="classification"), name_of(data))
    return data, options


def _fit_one(data: Any, options: FitOptions, network: Pretrained | None, watch: Stopwatch | None = None) -> Any:
    with trusting(options.network.trust):
        return carry_out(scenario_of(data, options, network, watch or Stopwatch(*STEPS)))


def _no_network(network: Pretrained | None, why: str) -> None:
    if network is not None:
        raise InputError(why)
