"""What a report shows, worked out from the files of a run folder."""

from __future__ import annotations

import base64
import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.arrays import subsample
from regraft.metrics import classes as metrics
from regraft.reports import charts
from regraft.reports.numbers import number_facts
from regraft.tasks import TASKS

CURVE_ROWS = 21
COLUMNS = ("rmse", "rmse_ci95", "mae", "r2", "nll", "coverage90", "accuracy", "map", "accuracy_ci95", "map_ci95",
           "balanced_accuracy", "macro_f1", "micro_f1", "exact_match", "log_loss", "ece")  # fmt: skip


@dataclass(frozen=True)
class Predictions:
    """The judged items: names, truth and prediction as text, probabilities (n, k)."""

    names: list[str]
    truth: list[str]
    predicted: list[str]
    probabilities: NDArray[np.float64]

    @property
    def correct(self) -> NDArray[np.float64]:
        """(n,) 1 where the answer is right, else 0."""
        return np.array([t == p for t, p in zip(self.truth, self.predicted, strict=True)], float)


def read_predictions(path: Path, classes: list[str]) -> Predictions:
    """What ``predictions.csv`` holds."""
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    probabilities = np.array([[float(r[f"p:{c}"]) for c in classes] for r in rows]).reshape(-1, len(classes))
    return Predictions(
        [r["input"] for r in rows], [r["label"] for r in rows], [r["predicted"] for r in rows], probabilities
    )


def facts(folder: Path, record: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """Everything the page shows."""
    result = record["result"]
    found: dict[str, Any] = {
        "result": result, "settings": record["settings"], "manifest": manifest, "val": judged(result),
        "warnings": warnings(result), "problems": by_kind(result["problems"]), "in_words": in_words(result),
        "overlap": overlap(result),
    }  # fmt: skip
    few = folder / "few_labels.json"
    if few.is_file():
        found["few"] = json.loads(few.read_text(encoding="utf-8"))
        found["few_chart"] = charts.few_labels(found["few"]["curves"])
    found["unlike"] = result["metrics"].get("unlike")
    found["distillation"] = result["metrics"].get("distillation")
    found["distilled_in_words"] = distilled_in_words(found["distillation"]) if found["distillation"] else []
    found["steps"] = result["choice"].get("auto")
    found["search"] = result["choice"].get("search")
    found["trainings"] = _trainings(result["choice"])
    if result["metrics"].get("validators"):
        found["validators"] = result["metrics"]["validators"]
    found["domain_maps"] = domain_maps(folder / "domains.csv")
    if found["val"]:
        found |= _scores(result) | _parts(result)
        found |= _map(folder / "map.csv", result["classes"])
        if result["task"] == "regression":
            return found | number_facts(folder, result) | {"mistakes": _mistakes(folder / "mistakes")}
        predictions = read_predictions(folder / "predictions.csv", result["classes"])
        if result["task"] == "multilabel":
            found |= _by_class(result, predictions)
        else:
            found["confusion"] = confusion(predictions, result["classes"])
            found |= _calibration(predictions)
            found |= _abstention(predictions, result["metrics"].get("abstaining"))
            found["mistakes"] = _mistakes(folder / "mistakes")
    return found


def judged(result: dict[str, Any]) -> dict[str, Any] | None:
    """The figures that count: those on the target, where there is one with labels, else on the held-out items."""
    metrics = result["metrics"]
    found: dict[str, Any] | None = metrics.get("target") or metrics["val"]
    return found


def warnings(result: dict[str, Any]) -> list[str]:
    """What a reader must not overlook."""
    found = []
    gain = result["gain"]
    target = result["metrics"].get("target", result)
    if target is None:
        found.append("The target has no labels: how good the model is there, is not known; figures are of the source.")
    elif judged(result) is None:
        found.append("Nothing could be held out to judge on: how good this model is, is not known.")
    elif gain and gain["ci95"][0] <= 0:
        found.append(
            f"The transfer does not clearly beat its control {gain['against']}: the interval of the gain reaches "
            f"{_amount(gain, gain['ci95'][0])}. {_what_to_try(result)}"
        )
    found += [
        f"{p['item']}: {p['message']}."
        for p in result.get("problems", ())
        if p["kind"] in ("looks-worse", "same-domain")
    ]
    copies = result["metrics"].get("val_without_copies")
    if copies:
        headline = next((f"{k} {copies[k]:.4f}" for k in ("accuracy", "map", "rmse") if k in copies), "no figure")
        found.append(
            f"Some judged pictures have a copy among the training pictures; without them: {headline} "
            f"on {copies['items']} items."
        )
    return found


def saw(network: str, share: float, what: str = "these pictures") -> str:
    """What a pretraining saw."""
    return f"the pretraining of {network} saw {100 * share:.3g} % of {what} with their labels"


def overlap(result: dict[str, Any]) -> str:
    """What belongs beside the figures that count where the network's pretraining saw the pictures; else ""."""
    name, seen = result["backbone"], result["seen"]
    if result["metrics"].get("target"):
        seen = result.get("seen_in_target")
    if seen:
        return f"but {saw(name, seen)}: this figure is not that of a transfer"
    if result["seen_in_training"]:
        return (f"but {saw(name, result['seen_in_training'], 'the training pictures')}: it has learned these classes "
                "from more than it is given here")  # fmt: skip
    return ""


def beside(figures: dict[str, Any], said: str) -> str:
    """The figure that counts, with its interval, and what is said of it."""
    name = next(k for k in ("rmse", "accuracy", "map") if f"{k}_ci95" in figures)
    low, high = figures[f"{name}_ci95"]
    return f"{name} {figures[name]:.4f} ({low:.4f} to {high:.4f}), {said}"


def _what_to_try(result: dict[str, Any]) -> str:
    """Advice after a transfer that did not pay."""
    gain = result["gain"]
    if gain["against"] == "source-only":
        return "The source-only model is kept beside it: take that one, or try another method."
    if gain["against"] == "alone" and result["metrics"].get("distillation"):
        return "The same network learns as much from the labels alone; more items without labels may help."
    if gain["against"] != "linear-probe":
        return "More labels, or another network, may help."
    if gain["ci95"][1] < 0:
        start = "Training made it worse: negative transfer."
    else:
        start = "Training the network brought nothing that the data can tell."
    return (
        f"{start} The probe is faster and safe: --method linear-probe. To train after all: fewer layers "
        "(--method last-k), a lower rate (--lr auto finds one), stronger --augment, more labels."
    )


def distilled_in_words(found: dict[str, Any]) -> list[str]:
    """What a distillation cost and brought, in sentences; see `regraft.pipelines.stages.distilled.compared`."""
    judged, speed, agreement, items = found["judged"], found["speed"], found["agreement"], found["items"]
    by = "" if speed["engine"] == "none" else f" by {speed['engine']}"
    said = [f"The student answers {speed['times']:.2f} times as fast as the teacher, timed in turns on "
            f"{speed['items']} items{by}."]  # fmt: skip
    if judged is None:
        said.append("There are no labelled items that the teacher has not learned from: what either is worth is not "
                    "known.")  # fmt: skip
    else:
        for key, what in (("student_less_teacher", "its teacher"), ("student_less_labels_alone", "labels alone")):
            if key in judged:
                said.append(f"Student less {what}, on {judged['items']} judged items: "
                            f"{gained({'metric': 'accuracy', **judged[key]})}.")  # fmt: skip
    if agreement is None:
        said.append("No item without a label could be spared to see how often both agree.")
    else:
        low, high = (f"{100 * v:.1f}" for v in agreement["ci95"])
        said.append(f"Both agree on {100 * agreement['value']:.1f} % of {agreement['items']} unlabelled items that "
                    f"were held out ({low} to {high}).")  # fmt: skip
    taught = f"{items['unlabelled']} items without labels"
    taught += f", {items['labelled']} with" if items["labelled"] else ""
    how = f", temperature {found['temperature']:g}" if found["temperature"] else ""
    return [*said, f"Learned from {taught}{how}."]


def _amount(gain: dict[str, Any], value: float) -> str:
    """A gain as a person reads it: points of a share, or so much less rmse in the unit of the number."""
    return f"{value:+.4g} in rmse" if gain.get("metric") == "rmse" else f"{100 * value:+.1f} points"


def gained(gain: dict[str, Any]) -> str:
    """A gain with its interval."""
    low, high = (_amount(gain, v).split(" ")[0] for v in gain["ci95"])
    return f"{_amount(gain, gain['value'])}, 95 % interval {low} to {high}"


def in_words(result: dict[str, Any]) -> str:
    """The gain as a sentence."""
    gain, val = result["gain"], judged(result)
    if not gain or val is None:
        return ""
    control = result["metrics"]["controls"][gain["against"]]
    n = result["items"]["target_judged" if result["metrics"].get("target") else "val"]
    interval = gained(gain)
    if gain["metric"] == "rmse":
        return (f"Off by {val['rmse']:.4g} (root mean square), where its best control, {gain['against']}, is off by "
                f"{control['rmse']:.4g}: {interval} less.")  # fmt: skip
    if gain["metric"] == "map":
        return (
            f"Mean average precision {val['map']:.3f} against {control['map']:.3f} for {gain['against']}: {interval}."
        )
    if (result.get("cross_validation") or {}).get("rounds", 1) > 1:
        ours, theirs = (f"{100 * m['accuracy']:.1f} %" for m in (val, control))
    else:
        ours, theirs = (str(round(m["accuracy"] * n)) for m in (val, control))
    return (
        f"Right on {ours} of {n} judged items, where its best control, {gain['against']}, is right on {theirs}: "
        f"{interval}."
    )


def by_kind(problems: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Problems in groups: kind, count, and each item with what was said of it."""
    counts = Counter(p["kind"] for p in problems)
    return [
        {"kind": kind, "count": n, "items": [p for p in problems if p["kind"] == kind]} for kind, n in counts.items()
    ]


def _scores(result: dict[str, Any]) -> dict[str, Any]:
    headline, sign = TASKS[result["task"]].headline, TASKS[result["task"]].sign
    controls = sorted(result["metrics"]["controls"].items(), key=lambda c: -sign * c[1][headline])
    rows = [(result["method"] if result["metrics"].get("target") else result["backbone"], judged(result)), *controls]
    values = [m[headline] for _, m in rows]
    intervals = [m[f"{headline}_ci95"] for _, m in rows]
    what = f"{'mean average precision' if headline == 'map' else headline}, with 95 % interval"
    columns = [c for c in COLUMNS if c in rows[0][1]]
    chart = charts.scores([n for n, _ in rows], values, intervals, what, _reach(headline, intervals))
    return {"scores": rows, "columns": columns, "scores_chart": chart}


def _reach(headline: str, intervals: list[list[float]]) -> float:
    """Where an axis of this figure ends."""
    return 1.05 * max(high for _, high in intervals) if headline == "rmse" else 1.02


def _trainings(choice: dict[str, Any]) -> list[dict[str, str]]:
    """A chart of each training, with the network's name where there are several, and the folder of its values."""
    if not choice.get("history"):
        return []
    beside = choice.get("beside", {})
    more = beside.get("trained", {})
    found = [_training(next(iter(beside["shares"])) if more else "", "", choice)]
    return found + [_training(name, f"training-{i}/", record) for i, (name, record) in enumerate(more.items(), 2)]


def _training(name: str, folder: str, record: dict[str, Any]) -> dict[str, str]:
    again, said = record.get("refit_full"), ""
    if again:
        epochs = len(again["history"])
        said = (f"Trained once more on all {again['items']} items, the ones held out among them, for {epochs} "
                f"epoch{'s' * (epochs > 1)}; that is the saved network. ")  # fmt: skip
    return {"name": name, "folder": folder, "chart": charts.training(record["history"]), "said": said}


def _parts(result: dict[str, Any]) -> dict[str, Any]:
    """What each part of a fusion is worth."""
    parts = result["metrics"].get("parts")
    if not parts:
        return {}
    headline = TASKS[result["task"]].headline
    rows = [("all joined", result["metrics"]["val"]), *(parts["alone"].items()), ("late fusion", parts["late"])]
    if parts.get("stacked"):
        rows.append(("stacked", parts["stacked"]))
    chart = charts.scores([n for n, _ in rows], [m[headline] for _, m in rows],
                          [m[f"{headline}_ci95"] for _, m in rows], headline,
                          _reach(headline, [m[f"{headline}_ci95"] for _, m in rows]))  # fmt: skip
    nothing = [name for name, g in parts["adds"].items() if g["ci95"][0] <= 0]
    for g in parts["adds"].values():
        g["said"] = gained({"metric": headline, **g})
    return {"parts": parts, "parts_chart": chart, "parts_nothing": nothing}


def confusion(predictions: Predictions, classes: list[str]) -> dict[str, Any]:
    """Counts by true class, each with its share of the row; and the pairs most often confused."""
    position = {name: i for i, name in enumerate(classes)}
    truth, predicted = (
        np.array([position[v] for v in values]) for values in (predictions.truth, predictions.predicted)
    )
    counts = metrics.confusion_matrix(truth, predicted, len(classes))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    off = counts - np.diag(np.diag(counts))
    worst = [(classes[i], classes[j], int(off[i, j])) for i, j in
             sorted(np.argwhere(off > 0).tolist(), key=lambda ij: -off[tuple(ij)])[:10]]  # fmt: skip
    rows = [list(zip(c, s, strict=True)) for c, s in zip(counts.tolist(), shares.tolist(), strict=True)]
    return {"classes": classes, "rows": rows if len(classes) <= 30 else [], "worst": worst}


def _calibration(predictions: Predictions) -> dict[str, Any]:
    bins = metrics.calibration_bins(predictions.probabilities.max(1), predictions.correct)
    rows = [{k: float(bins[k][i]) for k in bins} for i in range(len(bins["count"])) if bins["count"][i]]
    return {"bins": rows, "reliability_chart": charts.reliability(rows)}


def _abstention(predictions: Predictions, chosen: dict[str, Any] | None) -> dict[str, Any]:
    curve = metrics.abstention_curve(predictions.probabilities.max(1), predictions.correct)
    at = subsample(len(curve["left"]), CURVE_ROWS)[::-1]
    rows = [{k: float(curve[k][i]) for k in curve} for i in at]
    mark = (chosen["left"], chosen["accuracy"]) if chosen and chosen["accuracy"] is not None else None
    # the first few answers jump between 0 and 1: the curve begins where ten are answered
    start = min(9, len(curve["left"]) - 1)
    chart = charts.abstention(curve["left"][start:].tolist(), curve["accuracy"][start:].tolist(), mark)
    return {"abstention": rows, "abstention_chart": chart, "abstaining": chosen}


def _map(path: Path, classes: list[str]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8") as f:
        points: list[dict[str, Any]] = [{**r, "x": float(r["x"]), "y": float(r["y"])} for r in csv.DictReader(f)]
    shown = classes if not any("|" in p["label"] for p in points) else sorted({p["label"] for p in points})
    return {"map": points, "map_chart": charts.feature_map(points, shown)}


def domain_maps(path: Path) -> list[tuple[str, str]]:
    """(view, chart) of the two domains in the plane, where the run has them."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as f:
        points = [{**r, "label": r["domain"], "predicted": r["domain"], "x": float(r["x"]), "y": float(r["y"])}
                  for r in csv.DictReader(f)]  # fmt: skip
    views = list(dict.fromkeys(str(p["view"]) for p in points))
    return [(v, charts.feature_map([p for p in points if p["view"] == v], ["source", "target"])) for v in views]


def _by_class(result: dict[str, Any], predictions: Predictions) -> dict[str, Any]:
    classes, each = result["classes"], result["metrics"]["val"]["per_class"]
    sets = [set(t.split("|")) for t in predictions.truth]
    shares = [float(np.mean([c in s for s in sets])) for c in classes]
    thresholds = result["decision"].get("thresholds") or [0.5] * len(classes)
    rows = [{"class": c, "ap": a, "share": s, "threshold": t}
            for c, a, s, t in zip(classes, each, shares, thresholds, strict=True)]  # fmt: skip
    chart = charts.class_bars(classes, [a or 0.0 for a in each], shares, "average precision")
    return {"by_class": rows, "by_class_chart": chart}


def _mistakes(folder: Path) -> list[dict[str, Any]]:
    path = folder / "mistakes.json"
    if not path.is_file():
        return []
    shown = json.loads(path.read_text(encoding="utf-8"))
    for one in shown:
        for file, source in (("file", "src"), ("why", "why_src")):
            if file in one:
                data = base64.b64encode((folder / one[file]).read_bytes()).decode()
                one[source] = f"data:image/jpeg;base64,{data}"
    return shown
