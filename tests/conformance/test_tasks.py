"""Every task keeps what `regraft.tasks.base.Task` says, whatever it is told of an item."""

import numpy as np
import pytest

from regraft.tasks import TASKS, Wanted

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
