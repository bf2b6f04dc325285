"""All options of a fit, put together and checked once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from regraft.core.errors import InputError
from regraft.options.base import SCENARIO_WORDS, TASK_WORDS, Declared, Kind, Scenario, declared
from regraft.options.data import DataOptions
from regraft.options.distillation import DistillationOptions
from regraft.options.evaluation import EvaluationOptions
from regraft.options.network import INT8, SMALL, NetworkOptions, parts_in
from regraft.options.run import RunOptions, seconds_of
from regraft.options.scenario import ScenarioOptions
from regraft.options.training import KIND_WORDS, TRAINED, TrainingOptions

GROUPS = (DataOptions, NetworkOptions, TrainingOptions, EvaluationOptions, ScenarioOptions, DistillationOptions,
          RunOptions)  # fmt: skip
OPTIONS: dict[str, Declared] = {one.name: one for one in declared(*GROUPS)}
"""By its name, in the order of the groups."""


def is_auto(backbone: str | None) -> bool:
    """Whether a network is to be chosen: ``auto``, or ``auto:`` with the candidates."""
    return backbone is not None and backbone.partition(":")[0] == "auto"


@dataclass(frozen=True)
class Meaning:
    """For what the options are to mean something: a ``method`` by name and its kind, the scenario, and the task where
    the data is known already.
    """

    method: str
    kind: Kind
    scenario: Scenario = "single"
    task: str | None = None


@dataclass(frozen=True)
class FitOptions:
    """What `regraft fit` was told, in groups."""

    data: DataOptions = field(default_factory=DataOptions)
    network: NetworkOptions = field(default_factory=NetworkOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)
    scenario: ScenarioOptions = field(default_factory=ScenarioOptions)
    distillation: DistillationOptions = field(default_factory=DistillationOptions)
    run: RunOptions = field(default_factory=RunOptions)

    @classmethod
    def of(cls, **given: Any) -> Self:
        """By the names of the options; numbers and lists that were written as text are read. Raises ``TypeError`` for
        names that there are none of, ``InputError`` for a ``lr`` or ``quantiles`` that cannot be read.
        """
        unknown = [name for name in given if name not in OPTIONS]
        if unknown:
            close = difflib.get_close_matches(unknown[0], OPTIONS, n=1, cutoff=0.5)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise TypeError(f"fit() got an unexpected keyword argument {unknown[0]!r}{meant}")
        require_name(given.get("backbone"))
        read = {"lr": _rate, "quantiles": _quantiles}
        given = {k: read[k](v) if k in read and v is not None else v for k, v in given.items()}
        usual = cls()
        groups = {}
        for one in fields(cls):
            group: Any = getattr(usual, one.name)
            names = {f.name for f in fields(group)}
            groups[one.name] = replace(group, **{k: v for k, v in given.items() if k in names})
        return cls(**groups)

    def flat(self) -> dict[str, Any]:
        """The options by name, as a run's record and ``--config`` hold them."""
        return {f.name: getattr(group, f.name) for group in self.groups() for f in fields(group)}

    def groups(self) -> tuple[Any, ...]:
        """In the order of the fields."""
        return tuple(getattr(self, f.name) for f in fields(self))

    def changed(self, **values: Any) -> Self:
        """The same with other values."""
        return self.of(**{**self.flat(), **values})

    def wrong(self, meaning: Meaning) -> Iterator[InputError]:
        """An error for each option that cannot be meant."""
        given = self.flat()
        for name, one in OPTIONS.items():
            value = given[name]
            error = one.wrong(value)
            said = _no_use(one, value, meaning) if error is None and _meant(one, value) else None
            if error or said:
                yield error or InputError(said)
        for rule in RULES:
            said = rule(given, meaning)
            if said:
                yield InputError(said)


def require_name(backbone: Any) -> None:
    """Raises ``InputError`` where a network is no name."""
    if not isinstance(backbone, str | None):
        raise InputError(f"backbone is a {type(backbone).__name__}; a name is wanted here: an nn.Module is taken by "
                         "regraft.fit, Classifier, Regressor and FeatureExtractor.")  # fmt: skip


def raise_all(errors: Iterable[InputError]) -> None:
    """Raises the error where there is one, of several one that says what they all say."""
    found = list(errors)
    if len(found) == 1:
        raise found[0]
    if found:
        raise InputError(" ".join(dict.fromkeys(map(str, found))))


def _meant(one: Declared, value: Any) -> bool:
    """Whether somebody asked for something; ``none`` asks for nothing, and any method has a learning rate."""
    if isinstance(value, str | int | float | bool | None):
        return value not in (one.default, None, "none")
    return True


def _no_use(one: Declared, value: Any, meaning: Meaning) -> str | None:
    """Why an option has no use for what is fitted; None where it has."""
    told, reasons = one.option, dict(one.option.reasons)
    task, method, scenario = meaning.task, meaning.method, meaning.scenario
    if told.scenarios is not None and scenario not in told.scenarios:
        if told.scenarios == ("target",):
            return f"{one.shown(value)} is for --target, and there is none."
        if told.scenarios == ("tasks",):
            return f"{one.shown(value)} is for --share parameters."
        if told.scenarios == ("taught",):
            return f"{one.shown(value)} is for --teacher, and there is none."
        return f"{one.shown(value)}: {SCENARIO_WORDS[scenario]} has no use for it{_why(reasons.get(scenario))}."
    if told.tasks is not None and task in TASK_WORDS and task not in told.tasks:  # a kind that came later takes all
        return _of_another_task(one, value, task, reasons.get(task))
    if told.kinds is not None and meaning.kind not in told.kinds:
        if words := KIND_WORDS.get(told.kinds):
            return f"{one.long_name} is for {words}; {method} has no use for it."
        why = reasons.get("training", "is none")
        return f"{one.long_name} is for methods on features, such as linear-probe; {method} {why}."
    return None


def _why(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _of_another_task(one: Declared, value: Any, task: str, reason: str | None) -> str:
    tasks = one.option.tasks or ()
    if reason:
        return f"{one.long_name}: {reason}."
    if task == "detection":
        return f"{one.shown(value) if value is False else one.long_name} is not for detectors."
    if tasks == ("detection",):
        return f"{one.long_name} is for pictures with boxes."
    if tasks == ("regression",):
        return f"{one.long_name} is for numbers; the labels are classes (--task regression takes them as such)."
    if task == "regression":
        return f"{one.long_name} is for classes; the label is a number here."
    return f"{one.long_name} is for one class an item; the source is for {task}."


def _rate(lr: Any) -> float | str:
    if lr == "auto":
        return "auto"
    try:
        found = float(lr)
    except (TypeError, ValueError):
        raise InputError(f"--lr is {lr!r}; wanted is a number such as 5e-4, or auto.") from None
    if not 0 < found < float("inf"):
        raise InputError(f"--lr is {lr}; it must be above 0.")
    return found


def _quantiles(asked: Any) -> list[float]:
    try:
        found = [float(q) for q in (asked.split(",") if isinstance(asked, str) else asked)]
    except (TypeError, ValueError):
        raise InputError(f"--quantiles is {asked!r}; wanted are numbers such as 0.05,0.5,0.95.") from None
    if not found or not all(0 < q < 1 for q in found) or sorted(set(found)) != found:
        raise InputError(f"--quantiles is {asked!r}; wanted are numbers between 0 and 1 that rise, as 0.05,0.5,0.95.")
    return found


Rule = Callable[[dict[str, Any], Meaning], str | None]
"""Options by name and what is fitted -> what two or more of them cannot mean together."""


def _blocks(given: dict[str, Any], meaning: Meaning) -> str | None:
    if given["blocks"] and meaning.method != "last-k" and meaning.kind in TRAINED:
        return f"--blocks is for last-k; {meaning.method} has no use for it."
    return None


def _pieces(given: dict[str, Any], meaning: Meaning) -> str | None:
    if given["accumulate"] and given["accumulate"] > (given["batch"] or 32):
        return f"--accumulate is {given['accumulate']}: more pieces than the batch has examples."
    return None


def _one_loss(given: dict[str, Any], meaning: Meaning) -> str | None:
    if given["focal"] and given["smoothing"]:
        return "--focal and --smoothing are two ways with the same targets; leave one out."
    return None


def _time(given: dict[str, Any], meaning: Meaning) -> str | None:
    if given["budget"] is None:
        return None
    try:
        seconds_of(given["budget"])
    except InputError as error:
        return str(error)
    if meaning.method != "auto" and not is_auto(given["backbone"]):
        return f"--budget is for --method auto or --backbone auto; {meaning.method} has no use for it."
    return None


def _range_test(given: dict[str, Any], meaning: Meaning) -> str | None:
    if given["lr"] == "auto" and meaning.scenario in ("domains", "tasks"):
        return f"--lr auto: {SCENARIO_WORDS[meaning.scenario]} has no use for it."
    if given["lr"] == "auto" and meaning.kind == "adapting networks":
        return "--lr auto: adapting to another domain has no range test; name a rate."
    return None


def _chosen(given: dict[str, Any], meaning: Meaning) -> str | None:
    if not is_auto(given["backbone"]):
        return None
    if given["weights"] or given["init"]:
        return "--backbone auto chooses a network with its weights; leave out --weights and --init."
    if meaning.scenario in ("domains", "tasks"):
        return f"--backbone auto: {SCENARIO_WORDS[meaning.scenario]} takes one network; name it."
    if meaning.task == "detection":
        return "--backbone auto is not for detectors; name a network."
    return None


def _folds(given: dict[str, Any], meaning: Meaning) -> str | None:
    cv = given["cv"]
    if cv is None:
        return None
    if given["val"] is not None:
        return f"--cv {cv} judges each training item, {OPTIONS['val'].shown(given['val'])} others; take one."
    if not given["refit"]:
        return f"--cv {cv} with --no-refit: the saved model of a cross-validation learns from all items."
    return None


NO_SOUP = {
    "auto": "it fits one training into the time there is; name the method",
    "contrastive": "it holds no items out inside training, by which weights could be chosen",
    "lora": "it learns factors, and the product of average factors is not the average product; take lp-ft",
    "mlp-probe": "what learns starts from random weights, and averages of such are no good; take lp-ft",
    "scratch": "it starts from random weights, and averages of such are no good; take lp-ft",
}
"""Methods that train one network whose weights are not averaged, and why."""


def _soup(given: dict[str, Any], meaning: Meaning) -> str | None:
    if given["soup"] is None or meaning.method not in NO_SOUP:
        return None
    return f"--soup {given['soup']} is not for {meaning.method}: {NO_SOUP[meaning.method]}."


def _all_learn(given: dict[str, Any], meaning: Meaning) -> str | None:
    name = given["backbone"]
    if not given["train_all"] or (name is not None and len([p for p in parts_in(name) if p != SMALL]) > 1):
        return None
    return f"--train-all is for several networks, as in --backbone A+B, not for {name or 'the default one'}."


def _refit_full(given: dict[str, Any], meaning: Meaning) -> str | None:
    if not given["refit_full"]:
        return None
    if meaning.method == "contrastive":
        return "--refit-full: contrastive holds nothing out; it learns from all items as it is."
    for name in ("interval", "accuracy", "soup"):
        if given[name] is not None:
            why = "averages trainings that items held out choose" if name == "soup" else "is kept by items held out"
            return f"--refit-full learns from every item, and {OPTIONS[name].shown(given[name])} {why}: leave out one."
    return None


def _int8(given: dict[str, Any], meaning: Meaning) -> str | None:
    alone = meaning.kind == "features" and meaning.scenario == "single" and given["share"] is None
    if given["engine"] == INT8 and not alone and meaning.task != "detection":
        return (f"--engine {INT8} is for a method on features, such as linear-probe, of one data set: it is calibrated "
                "once, for a network that stays as it is.")  # fmt: skip
    return None


def _taught(given: dict[str, Any], meaning: Meaning) -> str | None:
    if given["teacher"] is None:
        return None
    for name in ("smoothing", "corrections", "init"):
        if given[name] is not None:
            return f"{OPTIONS[name].shown(given[name])} has no place beside --teacher; leave it out."
    if is_auto(given["backbone"]):
        return f"--backbone {given['backbone']} beside --teacher: name the network that is to learn."
    return None


RULES: tuple[Rule, ...] = (_blocks, _pieces, _one_loss, _time, _range_test, _chosen, _folds, _soup, _all_learn,
                           _refit_full, _int8, _taught)  # fmt: skip
