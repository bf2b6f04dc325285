"""The model card: README.md with the metadata that model hubs read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from regraft.data.folds import in_words
from regraft.tasks import TASKS

KINDS = {"image": "image", "text": "text", "table": "tabular"}


def model_card(manifest: dict[str, Any], metrics: dict[str, Any]) -> str:
    """Markdown with YAML front matter, from an artefact's manifest and its measured figures."""
    network, target, record = manifest["network"], manifest["target"], manifest["record"]
    provenance = network["provenance"]
    adapted = bool(metrics.get("target"))  # the figures that count are then those on the target
    val = metrics["target"] if adapted else metrics.get("val") or {}
    judged = record.get("target" if adapted else "data", "unnamed")
    lines = [
        "---",
        "library_name: regraft",
        f"pipeline_tag: {KINDS[network['spec']['modality']]}-{target['task']}",
        "tags: [regraft, transfer-learning]",
        f"base_model: {json.dumps(network['name'])}",
    ]
    if val:
        lines += [
            "model-index:",
            f"- name: {json.dumps(record.get('name', 'model'))}",
            "  results:",
            f"  - task: {{type: {target['task']}}}",
            f"    dataset: {{name: {json.dumps(judged)}, type: local}}",
            "    metrics:",
            *(f"    - {{type: {k}, value: {v:.6g}}}" for k, v in val.items() if isinstance(v, float)),
        ]
    lines += [
        "---",
        f"# {record.get('name', 'A regraft model')}",
        "",
        _what(target),
        "",
        f"- network: {network['name']}, weights {provenance.get('weights')}, pretrained on "
        f"{provenance.get('pretrained_on')} (licence of the weights: {provenance.get('licence')})",
        f"- method: {record.get('method')}; trained on {record.get('data')}, {record.get('trained_on')} items",
    ]
    if val:
        name = TASKS[target["task"]].headline
        low, high = val[f"{name}_ci95"]
        after = "; the saved model was then refitted on all items" if record.get("refit") else ""
        seen = record.get("seen_in_target" if adapted else "seen")
        saw = f", of which the pretraining saw {100 * seen:.3g} % with their labels" if seen else ""
        which = (
            f"items of {judged}, whose labels were not learned from" if adapted else "items that were not trained on"
        )
        if crossed := record.get("cross_validation"):
            which = f"items, none of which its judge had seen: {in_words(crossed)}"
            after = "; the saved model learned from all of them"
        lines.append(
            f"- {name} {val[name]:.4f} (95 % interval {low:.4f} to {high:.4f}) on {record.get('judged_on')} {which}"
            f"{saw}{after}"
        )
        lines += [f"- {said}"] if (said := no_gain(record)) else []
    lines += [
        "",
        "Use: `regraft predict FOLDER INPUT...`, or in Python `regraft.load(FOLDER).predict(inputs)`.",
        "",
    ]
    return "\n".join(lines)


def no_gain(record: dict[str, Any]) -> str | None:
    """That a model is not shown to beat its best control, from its artefact's record; None where it is, or where no
    control was run.
    """
    gain = record.get("gain")
    if not gain or gain["ci95"][0] > 0:
        return None
    scale, unit = (1, "in rmse") if gain["metric"] == "rmse" else (100, "points")
    value, low, high = (f"{scale * v:+.3g}" for v in (gain["value"], *gain["ci95"]))
    return (f"The model is not shown to beat its control {gain['against']}: {value} {unit} on {record['judged_on']} "
            f"judged items, 95 % interval {low} to {high}.")  # fmt: skip


def _what(target: dict[str, Any]) -> str:
    if target["task"] == "regression":
        sigma = target["decision"].get("sigma", float("nan"))
        return f"Gives a number, {target['name']}, with a standard deviation of {sigma:.4g}."
    names = target["classes"]
    return f"Tells apart {len(names)} classes: {_listed(names)}"


def tasks_card(manifest: dict[str, Any], metrics: dict[str, Any]) -> str:
    """The card of several tasks on one network, or on one each; ``metrics`` by task."""
    network = manifest["network"]
    each = [p["name"].removesuffix(f" ({n})") for n, p in zip(manifest["tasks"], network.get("parts", ()), strict=False)
            if "part" in manifest["tasks"][n]]  # fmt: skip
    base, how = (each[0], "one for each task") if each else (network["name"], "run once")
    lines = ["---", "library_name: regraft", "tags: [regraft, transfer-learning, multi-task]",
             f"base_model: {json.dumps(base)}", "---", "# A regraft model of several tasks", "",
             f"- network: {base}, weights {network['provenance'].get('weights')}, {how}"]  # fmt: skip
    for name, task in manifest["tasks"].items():
        val = metrics[name].get("val") or {}
        key = TASKS[task["target"]["task"]].headline
        figure = f" {key} {val[key]:.4f} on {task['record'].get('judged_on')} held-out items." if key in val else ""
        lines.append(f"- {name}: {_what(task['target'])} Trained on {task['record'].get('data')}.{figure}")
    lines += ["", "Use: `regraft predict FOLDER INPUT...` for all tasks, `FOLDER#TASK` for one, or in Python "
              "`regraft.load(FOLDER).predict(inputs)`.", ""]  # fmt: skip
    return "\n".join(lines)


def detector_card(manifest: dict[str, Any], metrics: dict[str, Any]) -> str:
    """The card of what finds boxes."""
    target, record, val = manifest["target"], manifest["record"], metrics.get("val") or {}
    lines = [
        "---", "library_name: regraft", "pipeline_tag: object-detection", "tags: [regraft, transfer-learning]", "---",
        f"# {record.get('name', 'A regraft detector')}", "",
        f"Finds {len(target['classes'])} kinds of objects: {_listed(target['classes'])}", "",
        f"- detector: {manifest['network']['name']}; weights before training: "
        f"{manifest['network']['provenance']['weights']}",
        f"- method: {record.get('method')}; trained on {record.get('data')}, {record.get('trained_on')} pictures",
    ]  # fmt: skip
    if val.get("map") is not None:
        lines.append(f"- mAP {val['map']:.4f}, mAP50 {val['map50']:.4f} on {record.get('judged_on')} pictures that "
                     "were not trained on")  # fmt: skip
    return "\n".join([*lines, "", "Use: `regraft predict FOLDER PICTURES...`.", ""])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else ".")
