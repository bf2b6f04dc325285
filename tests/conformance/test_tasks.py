"""Every task keeps what `regraft.tasks.base.Task` says, whatever it is told of an item."""

import numpy as np
import pytest

from regraft.core.boxes import Boxes
from regraft.core.errors import DataError
from regraft.tasks import LABEL_KINDS, TASKS, Wanted

N, CLASSES = 60, ("ant", "bee", "fly")


def drawn(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels of N items and outputs that tell something of them."""
    rng = np.random.default_rng(0)
    if name == "regression":
        y = rng.normal(size=N) * 5
        return y, np.stack([y + rng.normal(size=N), y + 1, y - 1], 1)
    y = rng.integers(0, 3, N) if name == "classification" else rng.integers(0, 2, (N, 3))
    hot = np.eye(3)[y] if y.ndim == 1 else y
    return y, 3 * hot - 1.5 + rng.normal(size=(N, 3))


@pytest.mark.parametrize("name", TASKS)
def test_a_task_from_outputs_to_figures(name: str) -> None:
    task, (y, outputs) = TASKS[name], drawn(name)
    asked = Wanted(quantiles=(0.1, 0.9)) if name == "regression" else Wanted()
    decision, problem = task.decision(outputs, y, 3, asked, "x", None)
    assert problem is None and task.name == name and task.outputs(3, decision) == outputs.shape[1]
    said = task.probabilities(outputs)
    assert said.dtype == np.float64 and said.shape == outputs.shape
    if name == "classification":
        assert np.allclose(said.sum(1), 1)
    if name == "regression":
        assert (said[:, 1] <= said[:, 2]).all(), "quantiles in order"
    answers = task.answers(said, CLASSES, decision)
    assert len(answers) == N and len(task.entropy_bits(said)) == N
    figures = task.figures(y, said, decision, None, None)
    low, high = figures[f"{task.headline}_ci95"]
    assert low <= figures[task.headline] <= high
    assert task.headline_figure(y, outputs) == pytest.approx(figures[task.headline])
    called, constant, how = task.constant(y, N, 3)
    base = task.figures(y, constant, how, None, None)
    won = task.gain(y, said, constant, 0, None)
    assert won["value"] == pytest.approx(task.sign * (figures[task.headline] - base[task.headline]), abs=1e-9)
    assert won["value"] > 0 and won["ci95"][0] <= won["value"] <= won["ci95"][1] and called in ("majority", "mean")
    assert task.gain(y, said, said, 0, None)["value"] == 0
    grouped = task.figures(y, said, decision, np.repeat(np.arange(6), 10), None)[f"{task.headline}_ci95"]
    assert grouped != [low, high], "intervals go by groups"


@pytest.mark.parametrize("name", TASKS)
def test_a_task_without_items_to_decide_by(name: str) -> None:
    task, (y, _) = TASKS[name], drawn(name)
    decision, problem = task.decision(None, y, 3, Wanted(accuracy=0.9, interval=0.9), "x", None)
    assert (problem is None) == (name == "multilabel")
    assert decision.get("sigma", float(np.std(y))) == pytest.approx(float(np.std(y)))


@pytest.mark.parametrize("name", LABEL_KINDS)
def test_labels_mean_the_same_under_other_numbers(name: str) -> None:
    kind = LABEL_KINDS[name]
    if name == "detection":
        y = np.empty(N, object)
        y[:] = [Boxes(np.tile([0.0, 0.0, 9.0, 9.0], (i % 3, 1)), np.arange(i % 3)) for i in range(N)]
    else:
        y, _ = drawn(name)
    moved, others = np.array([2, 0, -1]), ("bee", "emu", "ant")  # fly is not among them
    new = kind.renumbered(y, moved, 3)
    known = [i for i in range(N) if "fly" not in np.ravel(kind.in_words(y[i], CLASSES))]
    assert len(new) == N and len(known) > 0
    assert all(kind.in_words(new[i], others) == kind.in_words(y[i], CLASSES) for i in known)
    assert not kind.unknown(new)[known].any() and kind.unknown(new).any() == (name == "classification")
    before, after = kind.counts(y, CLASSES), kind.counts(new, others)
    assert [after.get(c, 0) for c in ("ant", "bee", "emu")] == [before.get("ant", 0), before.get("bee", 0), 0]
    assert len(kind.strata(y, CLASSES)) == N and not kind.differ(y[1], y[1], exact=True)
    assert kind.differ(y[1], next(one for one in y if kind.in_words(one, CLASSES) != kind.in_words(y[1], CLASSES)),
                       exact=True)  # fmt: skip
    kind.require(y, CLASSES, "x", "label")
    with pytest.raises(DataError, match="nothing to learn|needs two classes"):
        kind.require(y[[1] * N], CLASSES, "x", "label")
