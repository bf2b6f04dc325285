"""Commands that list: ``runs``, ``backbones``, ``methods``, ``verify``."""

from __future__ import annotations

import json
from typing import Any

from regraft.core.errors import ArtefactError, UnknownName
from regraft.core.files import checked_page, path_of
from regraft.models import artefact
from regraft.pipelines.run_folder import status_of

SORTED = {
    "date": ("changed", -1), "accuracy": ("accuracy", -1), "map": ("map", -1), "rmse": ("rmse", 1),
    "gain": ("gain", -1), "seconds": ("seconds", 1),
    **{name: (name, 1) for name in ("run", "status", "data", "backbone", "method")},
}  # fmt: skip
"""By the word for it, what runs are sorted by, and 1 where the least comes first, -1 where the most does."""


def runs(folder: str = "runs", *, sort: str = "date", out: str | None = None) -> list[dict[str, Any]]:
    """The finished, running and interrupted runs below ``folder``, sorted by ``sort``: the latest first for ``date``,
    else the best, the quickest, or the first by its letters; those that have no such figure last. ``out`` is a page
    (.html) whose columns sort. Raises ``InputError`` for what there is nothing to sort by.

    ``accuracy``, ``map``, ``rmse`` and ``ci95`` are ``of`` the held-out items (``val``); where a run adapted to a
    target, of that (``target``), or of the ``source`` where the target has no labels. ``seen`` is the share of these
    pictures whose labels the network's pretraining saw, None where that is not known.
    """
    if sort not in SORTED:
        raise UnknownName("column", sort, SORTED)
    page, (key, sign), found = checked_page(out), SORTED[sort], []
    for settings in path_of(folder, "FOLDER").glob("*/run.json"):
        try:
            record = json.loads(settings.read_text(encoding="utf-8"))
        except (ValueError, OSError):
            continue
        if not isinstance(record, dict) or not isinstance(record.get("settings"), dict) or "status" not in record:
            continue  # somebody else's run.json
        result = record.get("result") or {}
        if not isinstance(result, dict):
            continue
        figures, of = _judged(result.get("metrics") or {})
        found.append({
            "run": str(settings.parent), "status": status_of(record), "data": record["settings"].get("data"),
            "method": record["settings"].get("method"), "backbone": record["settings"].get("backbone"),
            "target": record["settings"].get("target"), "of": of,
            "accuracy": figures.get("accuracy"), "map": figures.get("map"), "rmse": figures.get("rmse"),
            "ci95": figures.get("accuracy_ci95", figures.get("rmse_ci95")),
            "seen": result.get("seen_in_target" if of == "target" else "seen"),
            "gain": (result.get("gain") or {}).get("value"), "seconds": (result.get("seconds") or {}).get("total"),
            "changed": settings.stat().st_mtime,
        })  # fmt: skip
    found = sorted(found, key=lambda r: (-r["changed"], r["run"]))
    known, others = ([r for r in found if (r[key] is not None) == there] for there in (True, False))
    found = [*sorted(known, key=lambda r: r[key] if sign > 0 else -r[key]), *others]
    if page is not None:
        from regraft.reports.runs import write_runs

        write_runs(page, found, folder, sort, rising=sign > 0)
    return found


def _judged(metrics: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The figures that count, and what they are of."""
    if metrics.get("target"):
        return metrics["target"], "target"
    if not metrics.get("val"):
        return {}, None
    return metrics["val"], "source" if "target" in metrics else "val"


def list_backbones() -> list[dict[str, Any]]:
    """Every network of the catalog, with what is known of it and whether its weights are on this machine;
    ``default_for`` is what it is taken for here where no network is named.
    """
    from regraft.backbones import catalog
    from regraft.features.default import defaults

    taken = defaults()
    found: list[dict[str, Any]] = [
        {"name": "raw", "weights": "none needed", "here": True, "parameters": 0, "gigaops": 0.0, "input": "up to 32",
         "pretrained_on": "nothing", "licence": "none needed", "default_for": taken["raw"]}
    ]  # fmt: skip
    for name in catalog.names()[1:]:
        row, here = catalog.best_row(name)
        size = f"{row.spec.tokens} tokens" if row.spec.modality == "text" else f"{row.spec.width}x{row.spec.height}"
        found.append({
            "name": name, "weights": row.tag, "here": here, "parameters": row.parameters,
            "gigaops": row.gigaops, "input": size,
            "pretrained_on": row.pretrained_on, "licence": row.licence, "default_for": taken.get(name),
        })  # fmt: skip
    return found


def list_methods() -> list[dict[str, str]]:
    """Every method with a sentence on what it does."""
    from regraft.methods import METHODS

    return [{"name": name, "summary": METHODS.get(name).SUMMARY} for name in METHODS]


def verify(model: str) -> dict[str, Any]:
    """Checks every file of a model against its digest and loads it; raises ``ArtefactError`` at the first damage. Of a
    model on a module of the user's own the files alone are checked, and its parameters are not known.
    """
    folder = artefact.find(model)
    manifest = artefact.read_manifest(folder)
    own = manifest["network"]["recipe"].get("library") == "module"
    found = None if own else artefact.load_any(folder)[0]
    if not manifest["files"]:
        raise ArtefactError(f"{folder} lists no files.")
    parameters = None if found is None else artefact.parameters(found)
    return {"model": str(folder), "ok": True, "files": sorted(manifest["files"]), "parameters": parameters,
            **artefact.summary(manifest)}  # fmt: skip
