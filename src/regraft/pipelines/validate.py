"""What can be said of a fit's settings before anything is read."""

from __future__ import annotations

import re
from typing import Any

from regraft.backbones.side_network import SMALL
from regraft.core.errors import InputError, UnknownName
from regraft.core.types import Hints
from regraft.data.transforms.augment import Policy
from regraft.features.engines.torch import ENGINES
from regraft.features.fusion import parts_in
from regraft.methods import METHODS
from regraft.options.training import check_training
from regraft.pipelines.stages.controls import check_controls
from regraft.selection.halving import is_auto
from regraft.training.mixing import MIXES

TRAINING = ("epochs", "lr", "batch", "accumulate", "blocks", "augment", "mix", "smoothing", "focal", "schedule", "ema",
            "patience", "batch_norm", "processes", "tensorboard")  # fmt: skip
"""The options of methods that train a network."""

NOT_FOR_JOINT = ("val", "accuracy", "class_weight", "mix", "processes", "lr", "batch_norm", "alpha", "interval",
                 "quantiles", "focal", "cv")  # fmt: skip


def hints_of(settings: dict[str, Any], **more: Any) -> Hints:
    """What the settings say of the data; ``more`` goes before them."""
    names = ("label", "group", "task", "text", "drop", "image", "part", "features", "encoding")
    return Hints(**{**{name: settings.get(name) for name in names}, **more})


MOST_PIXELS = 10_000


def check(settings: dict[str, Any]) -> None:
    """Raises ``InputError`` naming the first setting that cannot be meant."""
    seed, wanted = settings["seed"], settings["accuracy"]
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"--seed is {seed}; it must be a whole number from 0.")
    if wanted is not None and not 0 < wanted < 1:
        raise InputError(f"--accuracy is {wanted}; it must lie between 0 and 1, such as 0.98.")
    if settings["class_weight"] not in (None, "balanced"):
        raise UnknownName("class weight", settings["class_weight"], ["balanced"])
    if settings["size"] is not None and not 8 <= settings["size"] <= MOST_PIXELS:
        raise InputError(f"--size is {settings['size']}; pictures are fed at 8 to {MOST_PIXELS:,} pixels a side.")
    if settings["budget"] is not None:
        seconds_of(settings["budget"])
        if settings["method"] != "auto" and not is_auto(settings["backbone"]):
            raise InputError(
                f"--budget is for --method auto or --backbone auto; {settings['method']} has no use for it."
            )
    if is_auto(settings["backbone"]) and (settings["weights"] or settings["init"]):
        raise InputError("--backbone auto chooses a network with its weights; leave out --weights and --init.")
    if settings["multi_scale"]:
        raise InputError("--multi-scale is for pictures with boxes.")
    _cross_validation(settings)
    _numbers(settings)
    check_controls(settings["controls"])
    _target(settings)
    if settings["engine"] != "auto":
        ENGINES.get(settings["engine"])
    _training(settings)


def _cross_validation(settings: dict[str, Any]) -> None:
    """The number of folds, and what goes with a cross-validation."""
    cv, method = settings.get("cv"), settings["method"]
    if cv is None:
        return
    if cv < 2:
        raise InputError(f"--cv is {cv}; it takes 2 folds or more.")
    if not hasattr(METHODS.get(method), "fit_features"):
        raise InputError(f"--cv {cv} is for methods on features of one data set, such as linear-probe; {method} is "
                         "judged on what is held out.")  # fmt: skip
    for name in ("val", "target"):
        if settings[name] is not None:
            raise InputError(f"--cv {cv} judges each training item, --{name} {settings[name]} others; take one.")
    if not settings["refit"]:
        raise InputError(f"--cv {cv} with --no-refit: the saved model of a cross-validation learns from all items.")


def _target(settings: dict[str, Any]) -> None:
    """A method that adapts wants a target, and a target such a method."""
    method, target = settings["method"], settings["target"]
    adapts = adapts_domains(method)
    several = isinstance(settings["data"], list)
    if several != (method == "joint") or (several and len(settings["data"]) < 2):
        raise InputError("--method joint learns from several DATA at once, at least two; other methods take one.")
    if not settings["outliers"] and (several or target is not None):
        raise InputError("--no-outliers: models of several domains flag none.")
    for name in NOT_FOR_JOINT:
        meant = settings[name] == "auto" if name == "lr" else settings[name] not in (None, "none")
        if several and meant:
            raise InputError(f"--{name.replace('_', '-')} {settings[name]}: --method joint has no use for it.")
    if several and is_auto(settings["backbone"]):
        raise InputError("--backbone auto: --method joint takes one network; name it.")
    if adapts and target is None:
        raise InputError(f"--method {method} adapts to another domain: name it with --target.")
    if target is not None:
        for name in ("accuracy", "budget"):
            if settings[name] is not None:
                raise InputError(
                    f"--{name} {settings[name]}: it has no use with --target, where no labels are looked at."
                )
    if target is not None and not adapts and method != "auto":
        raise InputError(f"--target {target}: {method} does not adapt; methods that do are auto, "
                         f"{', '.join(n for n in METHODS if adapts_domains(n))}.")  # fmt: skip
    labels = settings["target_labels"]
    if labels is not None and (target is None or labels < 1):
        raise InputError(f"--target-labels {labels}: it takes a number from 1, and a --target.")
    if settings["mapping"] and target is None:
        raise InputError(f"--mapping {settings['mapping']} renames the classes of --target, and there is none.")


def adapts_domains(name: str) -> bool:
    return hasattr(METHODS.get(name), "OPTIMISES")


def _training(settings: dict[str, Any]) -> None:
    method = settings["method"]
    closed = any(hasattr(METHODS.get(method), kind) for kind in ("fit_features", "fit_domains"))
    closed |= method == "auto" and settings["target"] is not None
    for name in TRAINING:
        if settings[name] is not None and closed:
            raise InputError(f"--{name} is for methods that train a network; {method} has no use for it.")
    if closed and SMALL in parts_in(settings["backbone"] or ""):
        raise InputError(f"--backbone {settings['backbone']}: {method} trains no network, and the small one would "
                         "stay as it is drawn; take lp-ft or finetune.")  # fmt: skip
    check_training(settings)
    if settings["mix"] not in (None, *MIXES):
        raise UnknownName("mix", settings["mix"], MIXES)
    if settings["augment"]:
        Policy(settings["augment"]).operations  # noqa: B018 raises where a name is unknown


def _numbers(settings: dict[str, Any]) -> None:
    """The options for labels that are numbers; quantiles become a list."""
    alpha, level = settings["alpha"], settings["interval"]
    if alpha is not None and not 0 <= alpha < float("inf"):
        raise InputError(f"--alpha is {alpha}; it must be 0 or more.")
    if level is not None and not 0.5 <= level < 1:
        raise InputError(f"--interval is {level}; it must lie between 0.5 and 1, such as 0.9.")
    asked = settings["quantiles"]
    if asked is None:
        return
    try:
        found = [float(q) for q in (asked.split(",") if isinstance(asked, str) else asked)]
    except ValueError:
        raise InputError(f"--quantiles is {asked!r}; wanted are numbers such as 0.05,0.5,0.95.") from None
    if not found or not all(0 < q < 1 for q in found) or sorted(set(found)) != found:
        raise InputError(f"--quantiles is {asked!r}; wanted are numbers between 0 and 1 that rise, as 0.05,0.5,0.95.")
    settings["quantiles"] = found


def check_task(settings: dict[str, Any], task: str) -> None:
    """Raises ``InputError`` naming the first setting that is not for this task."""
    if settings["accuracy"] and task == "multilabel":
        raise InputError("--accuracy is for one label an item; a multilabel model has thresholds, chosen by itself.")
    if settings["target"] is not None and task != "classification":
        raise InputError(f"--target is for one class an item; the source is for {task}.")
    for name in ("accuracy", "class_weight", "smoothing", "focal") if task == "regression" else ():
        if settings[name] is not None:
            raise InputError(f"--{name.replace('_', '-')} is for classes; the label is a number here.")
    for name in ("alpha", "interval", "quantiles") if task != "regression" else ():
        if settings[name] is not None:
            raise InputError(f"--{name} is for numbers; the labels are classes (--task regression takes them as such).")
    if settings["quantiles"] and not hasattr(METHODS.get(settings["method"]), "fit_features"):
        raise InputError(f"--quantiles is for linear-probe; {settings['method']} trains on the mean alone.")


def seconds_of(budget: str) -> float:
    """``90s``, ``10m`` or ``2h`` in seconds; raises ``InputError``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", budget.strip())
    if not found or not float(found[1]):
        raise InputError(f"--budget is {budget!r}; wanted is a time such as 90s, 10m or 2h.")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
