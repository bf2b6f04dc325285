"""How knowledge is transferred, and what a training takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from regraft.core.errors import UnknownName
from regraft.options.base import Kind, option
from regraft.options.data import ONE_ANSWER

STATISTICS = ("keep", "learn")
SCHEDULES = ("cosine", "one-cycle")
"""Those of `regraft.training.schedule`."""
MIXES = ("none", "mixup", "cutmix", "mosaic")
POLICIES = ("none", "light", "standard", "strong")
OPERATIONS = ("crop", "flip", "rotate", "shear", "shift", "brightness", "contrast", "saturation", "sharpness", "blur",
              "erase", "trivial", "rand")  # fmt: skip
"""Augmentation of pictures, as `regraft.data.transforms.augment` has it."""
TRAINED: tuple[Kind, ...] = ("training", "adapting networks", "domains", "auto", "detector")
"""Kinds of methods that train a network."""
KIND_WORDS: dict[tuple[Kind, ...], str] = {
    TRAINED: "methods that train a network",
    ("training",): "methods that only train, such as lp-ft",
}
"""What options for such methods are said to be for."""
DEFAULT_BUDGET = "10m"
MOST_MEMBERS = 50
CLASSES = ("classification", "multilabel")
AUGMENT = "none, light, standard, strong, or a list such as crop,flip,blur [default: light; for boxes standard]"
MIX = "join pictures: none, mixup, cutmix, mosaic; for boxes mosaic, mixup, mosaic+mixup [default: none]"
_ONE_LOSS = ("target", "adapting to another domain keeps the plain cross-entropy")
_ONE_PROCESS = ("target", "adapting to another domain trains in one")
_PLAIN = ("target", "adapting to another domain keeps pictures as they are")
_ONE_TRAINING = ("target", "adapting to another domain has no inner split to choose weights by")
_DOMAINS = ("domains", "the domains are mixed as they come, each with a loss of its own")
_TASKS = ("tasks", "each task has a loss of its own")


def trained(default: Any, help: str, **more: Any) -> Any:
    """An option of methods that train a network."""
    return option(default, help, kinds=TRAINED, **more)


@dataclass(frozen=True)
class TrainingOptions:
    """The method and, where it trains, its training."""

    PANEL: ClassVar[str] = "Training"

    method: str | None = option(None, "how knowledge is transferred, see 'regraft methods' [default: linear-probe; for "
                                      "--target auto, for detectors finetune]")  # fmt: skip
    epochs: int | None = trained(None, "passes over the training items [default: by number]", low=1)
    lr: float | str | None = trained(None, "the head's top learning rate, or auto: a range test first [default: the "
                                           "method's]", typed=str, such_as="5e-4, or auto")  # fmt: skip
    batch: int | None = trained(None, "items in a training step [default: 32]", low=1)
    accumulate: int | None = trained(None, "take a step's batch in so many pieces: less memory", low=1)
    blocks: int | None = trained(None, "how many last blocks last-k trains [default: 4]", low=1)
    augment: str | None = trained(None, AUGMENT)
    mix: str | None = trained(None, MIX, scenarios=("single", "taught"), reasons=(_PLAIN, _DOMAINS, _TASKS))
    multi_scale: bool | None = option(None, "boxes: train in frames up to a quarter smaller and larger",
                                      flag="--multi-scale", tasks=("detection",))  # fmt: skip
    smoothing: float | None = trained(None, "label smoothing [default: 0.05]", low=0, high=0.5, tasks=CLASSES)
    focal: float | None = trained(
        None, "focal loss of this power, such as 2: what is answered well counts less, for rare classes [default: 0]",
        low=0, high=10, tasks=CLASSES, scenarios=("single",), reasons=(_ONE_LOSS, _DOMAINS, _TASKS))  # fmt: skip
    class_weight: str | None = option(None, "balanced: every class weighs the same", choices=("balanced",),
                                      tasks=CLASSES, scenarios=("single", "target", "domains"),
                                      reasons=(_TASKS,))  # fmt: skip
    schedule: str | None = trained(None, "cosine or one-cycle [default: cosine]", choices=SCHEDULES)
    ema: float | None = trained(None, "decay of the averaged weights, 0 for none [default: 0.99]", low=0, high=0.99999)
    patience: int | None = trained(None, "stop after so many epochs that bring nothing [default: never]", low=1)
    soup: int | None = trained(
        None, "train so many times from one start, with other seeds, rates, augmentation, and average the weights of "
              "those that do the inner split good: one network [default: one training]", low=2, high=MOST_MEMBERS,
        tasks=ONE_ANSWER, scenarios=("single",), reasons=(_ONE_TRAINING, _DOMAINS, _TASKS))  # fmt: skip
    refit_full: bool | None = option(
        None, "train once more in the end, on the items held out inside the training part too, for as many epochs as "
              "these found best: twice the time", flag="--refit-full", tasks=ONE_ANSWER, kinds=("training",),
        scenarios=("single", "taught"),
        reasons=(_ONE_TRAINING, _DOMAINS, ("tasks", "the tasks are trained together once")))  # fmt: skip
    batch_norm: str | None = trained(
        None, "keep the statistics of the pretraining, or learn new ones [default: keep; learn from scratch]",
        choices=STATISTICS, scenarios=("single", "target", "tasks", "taught"),
        reasons=(("domains", "each domain has statistics of its own"),))  # fmt: skip
    train_embeddings: bool | None = trained(
        None, "texts: the word vectors of a pretrained network learn too, which stay as they are otherwise",
        flag="--train-embeddings", tasks=ONE_ANSWER)  # fmt: skip
    train_all: bool | None = option(
        None, "A+B: all networks of it learn, one after the other, and their answers are mixed; otherwise A alone does",
        flag="--train-all", tasks=ONE_ANSWER, kinds=("training",), scenarios=("single",),
        reasons=(("target", "one network is adapted"), ("domains", "the domains share one network"),
                 ("tasks", "the tasks share one network"), ("taught", "a student is one network")))  # fmt: skip
    processes: int | None = trained(None, "train in so many processes, one GPU each [default: 1]", low=1,
                                    tasks=ONE_ANSWER, scenarios=("single",), reasons=(_ONE_PROCESS,))  # fmt: skip
    tensorboard: bool | None = trained(None, "write TensorBoard files too", flag="--tensorboard")
    budget: str | None = option(None, f"time for auto: 90s, 10m, 2h [default: {DEFAULT_BUDGET}]",
                                scenarios=("single", "tasks"),
                                tasks=ONE_ANSWER)  # fmt: skip


def check_augmentation(wanted: str) -> None:
    """Raises ``UnknownName`` where ``wanted`` is neither a policy nor a list of operations."""
    for name in [] if wanted in POLICIES else [n.strip() for n in wanted.split(",")]:
        if name not in OPERATIONS:
            raise UnknownName("augmentation", name, [*POLICIES, *OPERATIONS])
