"""Which pretrained network: how well scores rank, what LogME costs, `--backbone auto` against trying all, several tasks
on one network, fusion.

Needs the shared data and weights, and the extra nets. Parts (all without arguments): speed, scores, tuned, auto, tasks,
fusion. `scores` and `tuned` are written bit by bit and go on where they were stopped; with REGRAFT_CACHE set their rows
stay too. `scores` takes about 25 minutes on two cores, all an hour and a half; nothing else should run beside it, since
seconds are among the figures.
"""

from __future__ import annotations

import csv
import io
import os
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from common import keep, need, regraft_fit, run_parts, unzipped, written

CANDIDATES = ["mobilenet_v2", "mobilenet_v2@15", "mobilenet_v2@12", "mobilenet_v2@6", "squeezenet1_0",
              "squeezenet1_0@6", "squeezenet1_0@5", "efficientnet_lite0", "efficientnet_lite0@13",
              "efficientnet_lite0@9", "efficientnet_lite0@5", "efficientnet_lite1", "efficientnet_lite1@12",
              "efficientnet_lite2", "efficientnet_lite2@18", "efficientnet_lite2@12", "regraft_tiny", "regraft_tiny@4",
              "regraft_tiny@2", "random:mobilenet_v2", "random:squeezenet1_0", "random:efficientnet_lite0",
              "random:regraft_tiny", "raw"]  # fmt: skip
TUNED = ["mobilenet_v2", "squeezenet1_0", "regraft_tiny", "random:regraft_tiny"]
DEFAULT = "probe"
"""The score that `regraft rank` goes by."""
SEEN = {"regraft_tiny": ("mnist", "cifar10")}
LEARN, JUDGE, SIZE = 400, 400, 96


def icml_2021(x: np.ndarray, labels: np.ndarray) -> float:
    """Algorithm 1 of the paper, class by class: at most 11 steps, ended by a change of the ratio below 1 %."""
    x = x.astype(np.float64)
    n, d = x.shape
    v, s, vh = np.linalg.svd(x.T @ x, full_matrices=True)
    values = []
    for c in range(int(labels.max()) + 1):
        y = (labels == c).astype(np.float64)
        seen = vh @ (x.T @ y)
        alpha = beta = ratio = 1.0
        for _ in range(11):
            gamma = (s / (s + ratio)).sum()
            m = v @ (seen * beta / (alpha + beta * s))
            size = m @ m
            alpha = gamma / (size + 1e-5)
            error = ((y - x @ m) ** 2).sum()
            beta = (n - gamma) / (error + 1e-5)
            before, ratio = ratio, alpha / beta
            if abs(ratio - before) / before < 0.01:
                break
        known = d * np.log(alpha) + n * np.log(beta) - np.log(alpha + beta * s).sum()
        values.append((known - beta * error - alpha * size - n * np.log(2 * np.pi)) / (2 * n))
    return float(np.mean(values))


def speed(_: Path) -> dict[str, Any]:
    """LogME at 10,000 x 1,280 x 100 against a direct transcription of the published iteration, in turns; on one thread
    and on all.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        alone = in_turns()
    return {"shape": [10_000, 1280, 100], "one_thread": alone, "all_threads": in_turns() | {"threads": os.cpu_count()}}


def in_turns() -> dict[str, Any]:
    from regraft.selection.scores.logme import logme

    rng = np.random.default_rng(0)
    y = rng.integers(0, 100, 10_000)
    x = np.maximum(rng.normal(size=(10_000, 1280)) + 0.5 * rng.normal(size=(100, 1280))[y], 0).astype(np.float32)
    ways = {"regraft_float32": lambda: logme(x, y), "regraft_float64": lambda: logme(x.astype(np.float64), y),
            "icml_2021": lambda: icml_2021(x, y)}  # fmt: skip
    seconds: dict[str, list[float]] = {k: [] for k in ways}
    values = {}
    for _ in range(6):
        for name, way in ways.items():
            begun = time.perf_counter()
            values[name] = way()
            seconds[name].append(time.perf_counter() - begun)
    ratio = {k: [p / o for p, o in zip(seconds["icml_2021"][1:], seconds[k][1:], strict=True)] for k in list(ways)[:2]}
    return {"values": values,
            "seconds_median": {k: float(np.median(v[1:])) for k, v in seconds.items()},
            "times_faster": {k: {"median": float(np.median(v)), "lowest": min(v), "highest": max(v)}
                             for k, v in ratio.items()}}  # fmt: skip


def cells(archive: Path) -> dict[str, np.ndarray]:
    """BCCD's cells cut out by their boxes, 32 x 32: at most 250 red ones, all white ones and platelets."""
    from PIL import Image

    found: dict[str, list[np.ndarray]] = {"RBC": [], "WBC": [], "Platelets": []}
    with zipfile.ZipFile(archive) as z:
        for name in sorted(n for n in z.namelist() if n.endswith(".xml")):
            photo = Image.open(io.BytesIO(z.read(name.replace("Annotations", "JPEGImages")[:-4] + ".jpg"))).convert(
                "RGB"
            )
            for one in xml.fromstring(z.read(name)).iter("object"):
                kind, box = one.findtext("name", ""), one.find("bndbox")
                corners = [int(box.findtext(k, "0")) for k in ("xmin", "ymin", "xmax", "ymax")]  # type: ignore[union-attr]
                if corners[2] - corners[0] > 4 and corners[3] - corners[1] > 4 and len(found[kind]) < 250:
                    found[kind].append(np.asarray(photo.crop(corners).resize((32, 32))))
    images = np.concatenate([np.stack(v) for v in found.values()])
    return {"images": images, "labels": np.repeat(np.arange(3), [len(v) for v in found.values()])}


def sets(work: Path) -> dict[str, tuple[str, str, int | None]]:
    """Name -> (data to learn from, data to judge on, pixels fed to the larger networks)."""
    photos, cifar, usps, mnist, bccd = need("data/hymenoptera.zip", "data/cifar10_subset.npz", "data/usps.npz",
                                            "data/mnist", "data/bccd.zip")  # fmt: skip
    from regraft.data.open import open_data

    found: dict[str, tuple[str, str, int | None]] = {"hymenoptera": (f"{photos}#train", f"{photos}#val", None)}
    rng = np.random.default_rng(0)
    blood = cells(bccd)
    np.savez(work / "bccd-all.npz", images=blood["images"], labels=blood["labels"])
    sources = {"cifar10": (f"{cifar}#train", f"{cifar}#test"), "usps": (f"{usps}#train", f"{usps}#test"),
               "mnist": (f"{mnist}#train", f"{mnist}#test"), "digits": ("embedded:digits", "embedded:digits"),
               "bccd_cells": (str(work / "bccd-all.npz"), str(work / "bccd-all.npz"))}  # fmt: skip
    for name, (learn, judge) in sources.items():
        arrays = {}
        shared = rng.permutation(len(open_data(learn))) if learn == judge else None
        for part, source in (("train", learn), ("val", judge)):
            data = open_data(source)
            order = rng.permutation(len(data)) if shared is None else shared
            count = min(LEARN if part == "train" else JUDGE, len(data) // (1 if shared is None else 2))
            chosen = order[:count] if part == "train" or shared is None else order[-count:]
            arrays[f"{part}_images"] = np.stack([data.items.load(int(i)) for i in chosen])
            arrays[f"{part}_labels"] = data.y[chosen]
        np.savez(work / f"{name}.npz", **arrays)
        found[name] = (f"{work / name}.npz#train", f"{work / name}.npz#val", SIZE)
    return found


def candidates(name: str) -> list[str]:
    """The networks that had not seen the labels of the set."""
    return [c for c in CANDIDATES if name not in SEEN.get(c.partition("@")[0], ())]


def scores(work: Path) -> dict[str, Any]:
    """Weighted Kendall tau of each score with the test accuracy of a probe, set by set."""
    found = written("ranking").get("scores", {}).get("sets", {})
    for name, (learn, judge, size) in sets(work).items():
        if [c["backbone"] for c in found.get(name, {}).get("candidates", ())] != candidates(name):
            found[name] = one_set(name, learn, judge, size)
            keep("ranking", PARTS, "scores", summary(found))
    return summary(found)


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The sets, and over them the mean tau of each score."""
    return {"sets": found, "mean_tau": mean_tau(found), "over_sets": over_sets(found)}


def over_sets(found: dict[str, Any]) -> dict[str, Any]:
    """The mean tau over the sets of the score that decides, of logme and of the order by size, and what the first has
    over the others, each with Student's 95 % interval: what is generalised over are sets.
    """
    tau = {s: np.array([f["tau"][s]["tau"] for f in found.values()]) for s in (DEFAULT, "logme", "parameters")}
    tau |= {f"{DEFAULT} over {other}": tau[DEFAULT] - tau[other] for other in ("logme", "parameters")}
    return {name: {"mean": float(v.mean()), "ci95": student(v), "sets": len(v)} for name, v in tau.items()}


def student(values: np.ndarray) -> list[float] | None:
    """The 95 % interval of a mean; None of fewer than two values."""
    from scipy.stats import t

    if len(values) < 2:
        return None
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [float(values.mean() - half), float(values.mean() + half)]


def one_set(name: str, learn: str, judge: str, size: int | None) -> dict[str, Any]:
    from regraft.core.row_store import RowStore
    from regraft.core.types import Hints
    from regraft.data.open import open_data
    from regraft.features.network import network_for
    from regraft.features.runner import Runner
    from regraft.methods.probes.linear_probe import fit_features
    from regraft.models.model import Model
    from regraft.selection.candidates import attempt
    from regraft.selection.ranking import looked_at
    from regraft.selection.scores import SCORES

    store = RowStore()
    data, _, pixels, groups = looked_at(learn, 10_000, Hints(), None, 0, store)
    test = open_data(judge)
    applying = [s for s in SCORES if "classification" in SCORES.get(s).TASKS]
    rows, hits = [], []
    for candidate in candidates(name):
        own = size if not candidate.removeprefix("random:").startswith(("regraft_tiny", "raw")) else None
        one = attempt(
            candidate, data, applying, store=store, device="cpu", pixels=pixels, groups=groups, seed=0, size=own
        )
        if isinstance(one, str):
            sys.exit(f"{candidate} on {name}: {one}")
        network = network_for(data.items, candidate, size=own)
        runner = Runner(network)
        x, judged = runner.stored(data.items, store).rows, runner.stored(test.items, store).rows
        model = Model(network, fit_features(x, data.y, data.target).head, "label", data.target)
        right = model.logits(judged).argmax(1) == test.y
        hits.append(right)
        rows.append({"backbone": candidate, "test_accuracy": float(right.mean()), "scores": one.scores,
                     "not_applicable": one.not_applicable, "parameters": one.parameters,
                     "published_accuracy": one.published_accuracy, "seconds": one.seconds})  # fmt: skip
        print(name, candidate, f"{right.mean():.4f}", flush=True)
    return {"items": len(data), "judged": len(test), "candidates": rows, "tau": taus(rows, "test_accuracy"),
            "tau_ci95": {s: redrawn(rows, np.array(hits), s) for s in (DEFAULT, "logme")}}  # fmt: skip


def redrawn(rows: list[dict[str, Any]], hits: np.ndarray, score: str, draws: int = 1000) -> list[float]:
    """The 95 % interval of a score's tau when the judged items are drawn anew: what it owes to them. ``hits``
    (candidates, items) tells which items each candidate had right.
    """
    from scipy.stats import weightedtau

    rng, values = np.random.default_rng(0), [r["scores"][score] for r in rows]
    drawn = (hits[:, rng.integers(0, hits.shape[1], hits.shape[1])].mean(1) for _ in range(draws))
    found = [weightedtau(values, accuracy).statistic for accuracy in drawn]
    return [float(v) for v in np.quantile(found, [0.025, 0.975])]


def taus(rows: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """Weighted Kendall tau (Vigna 2015) of each score and each control with a figure, where three or more have it."""
    from scipy.stats import weightedtau

    columns: dict[str, list[Any]] = {
        s: [r["scores"].get(s) for r in rows] for s in rows[0]["scores"] | rows[-1]["scores"]
    }
    for row in rows:
        for s in row["scores"]:
            columns.setdefault(s, [r["scores"].get(s) for r in rows])
    columns |= {k: [r[k] for r in rows] for k in ("parameters", "published_accuracy")}
    found = {}
    for name, values in columns.items():
        known = [(v, r[wanted]) for v, r in zip(values, rows, strict=True) if v is not None]
        if len(known) > 2 and len({v for v, _ in known}) > 1:
            found[name] = {"tau": float(weightedtau(*zip(*known, strict=True)).statistic), "of": len(known)}
    return found


def mean_tau(found: dict[str, Any]) -> dict[str, float]:
    names = {s for f in found.values() for s in f["tau"]}
    return {s: float(np.mean([f["tau"][s]["tau"] for f in found.values() if s in f["tau"]])) for s in sorted(names)}


def fit(work: Path, out: str, data: str, *options: str) -> dict[str, Any]:
    """One ``regraft fit`` as a command of its own, timed from outside, start-up included."""
    result, seconds = regraft_fit(work, out, *data.split(), *options)
    return result | {"wall": seconds}


def tuned(work: Path) -> dict[str, Any]:
    """The same scores against fine-tuning, for four networks on two sets."""
    found = written("ranking").get("tuned", {})
    ranked = written("ranking").get("scores", {}).get("sets", {})
    for name, (learn, judge, size) in sets(work).items():
        if name not in ("hymenoptera", "bccd_cells") or name not in ranked:
            continue
        found.setdefault(name, {"accuracy": {}})
        for candidate in TUNED:
            if candidate not in found[name]["accuracy"]:
                own = ["--size", str(size)] if size and "tiny" not in candidate else []
                out = f"t-{name}-{candidate.replace(':', '-')}"
                result = fit(work, out, learn, "--val", judge, "--backbone", candidate, "--method", "lp-ft",
                             "--epochs", "4", "--controls", "none", *own)  # fmt: skip
                found[name]["accuracy"][candidate] = result["metrics"]["val"]["accuracy"]
                keep("ranking", PARTS, "tuned", found)
        rows = [{**r, "tuned": found[name]["accuracy"][r["backbone"]]} for r in ranked[name]["candidates"]
                if r["backbone"] in found[name]["accuracy"]]  # fmt: skip
        found[name]["tau"] = taus(rows, "tuned")
    return found


def correct(run: Path) -> dict[str, float]:
    with open(run / "predictions.csv", newline="") as f:
        return {r["input"]: float(r["label"] == r["predicted"]) for r in csv.DictReader(f)}


def paired(ours: Path, theirs: Path) -> dict[str, Any]:
    """The difference of two runs on the same judged items, with its paired interval."""
    from regraft.metrics.intervals import paired_gain

    a, b = correct(ours), correct(theirs)
    names = sorted(a.keys() & b.keys())
    return paired_gain(*(np.array([r[n] for n in names]) for r in (a, b)))


def auto(work: Path) -> dict[str, Any]:
    """``--backbone auto`` over all candidates against a fit of each of them, every run with a cache of its own."""
    found = {}
    for name, (learn, judge, size) in sets(work).items():
        if name not in ("hymenoptera", "usps"):
            continue
        shared = [*(["--size", str(size)] if size else []), "--controls", "none", "--val", judge]
        runs: dict[str, dict[str, Any]] = {}
        for candidate in CANDIDATES:
            os.environ["REGRAFT_CACHE"] = tempfile.mkdtemp(dir=work)
            runs[candidate] = fit(work, f"a-{name}-{len(runs)}", learn, "--backbone", candidate,
                                  *(shared if candidate != "raw" else shared[-4:]))  # fmt: skip
        os.environ["REGRAFT_CACHE"] = tempfile.mkdtemp(dir=work)
        own = fit(work, f"a-{name}-auto", learn, "--backbone", "auto:" + ",".join(CANDIDATES), *shared)
        accuracy = {c: r["metrics"]["val"]["accuracy"] for c, r in runs.items()}
        best = max(accuracy, key=lambda c: accuracy[c])
        seconds = sum(r["wall"] for r in runs.values())
        found[name] = {"chosen": own["backbone"], "best": best, "accuracy": own["metrics"]["val"]["accuracy"],
                       "accuracies": accuracy,
                       "gain": paired(work / f"a-{name}-auto", work / f"a-{name}-{CANDIDATES.index(best)}"),
                       "seconds": own["wall"], "seconds_of_all": round(seconds, 1),
                       "share": round(own["wall"] / seconds, 3), "search": own["choice"]["search"]}  # fmt: skip
    return found


def tasks(work: Path) -> dict[str, Any]:
    """Three tasks on the photos of hymenoptera (insect, brightness, colour) against one, in turns, no cache shared."""
    from PIL import Image

    import regraft

    folder = unzipped(need("data/hymenoptera.zip")[0])
    paths = sorted(p for p in folder.rglob("*.jpg") if "train" in p.parts)
    means = np.array([np.asarray(Image.open(p).convert("RGB")).mean((0, 1)) for p in paths])
    light, warm = (
        means.mean(1) > np.median(means.mean(1)),
        means[:, 0] - means[:, 2] > np.median(means[:, 0] - means[:, 2]),
    )
    lines = [f"{p},{p.parent.name},{'light' if a else 'dark'},{'warm' if b else 'cold'}"
             for p, a, b in zip(paths, light, warm, strict=True)]  # fmt: skip
    (work / "photos.csv").write_text("file,insect,light,colour\n" + "\n".join(lines))
    times: dict[str, list[float]] = {"one": [], "three": []}
    for turn in range(3):
        for name, options in (("one", ["--label", "insect"]), ("three", ["--label", "insect,light,colour", "--share",
                                                                         "features"])):  # fmt: skip
            os.environ["REGRAFT_CACHE"] = tempfile.mkdtemp(dir=work)
            result = fit(work, f"{name}-{turn}", str(work / "photos.csv"), "--backbone", "mobilenet_v2", *options)
            times[name].append(result["wall"])
    some = [str(p) for p in paths[:40]]
    together = regraft.load(work / "three-0").predict_proba(some)
    alone = {n: regraft.load(work / "three-0" / "tasks" / n).predict_proba(some) for n in together}
    return {"seconds": times, "ratio_median": float(np.median(np.array(times["three"]) / np.array(times["one"]))),
            "equal_to_the_bit": all(np.array_equal(together[n], alone[n]) for n in together)}  # fmt: skip


def fusion(work: Path) -> dict[str, Any]:
    """mobilenet_v2 and squeezenet1_0 side by side against each: hymenoptera (5 folds over both parts) and CIFAR-10."""
    from regraft.core.row_store import RowStore
    from regraft.data.open import open_data
    from regraft.features.network import network_for
    from regraft.features.runner import Runner
    from regraft.methods.probes.linear_probe import fit_features, stratified_folds
    from regraft.metrics.intervals import paired_gain
    from regraft.models.model import Model

    names, store, found = ("mobilenet_v2", "squeezenet1_0"), RowStore(), {}
    photos, cifar = need("data/hymenoptera.zip", "data/cifar10_subset.npz")
    for name, source, size in (("hymenoptera", str(photos), None), ("cifar10", f"{cifar}#train", SIZE)):
        data = open_data(source)
        if name == "cifar10":
            data = data.take(np.sort(np.random.default_rng(0).permutation(len(data))[:2000]))
        networks = {n: network_for(data.items, n, size=size) for n in names}
        rows = {n: Runner(w).stored(data.items, store).rows for n, w in networks.items()}
        ways = {**{n: [n] for n in names}, "+".join(names): list(names)}
        fold = stratified_folds(data.y, 5, np.random.default_rng(0))
        right = {w: np.zeros(len(data)) for w in ways}
        for f in range(5):
            for way, parts in ways.items():
                x = np.concatenate([rows[p] for p in parts], 1)
                head = fit_features(x[fold != f], data.y[fold != f], data.target,
                                    blocks=[rows[p].shape[1] for p in parts]).head  # fmt: skip
                model = Model(networks[parts[0]], head, "label", data.target)
                right[way][fold == f] = model.logits(x[fold == f]).argmax(1) == data.y[fold == f]
        both = "+".join(names)
        found[name] = {"items": len(data), "accuracy": {w: float(r.mean()) for w, r in right.items()},
                       "gain_over": {n: paired_gain(right[both], right[n]) for n in names}}  # fmt: skip
    return found


PARTS = {"speed": speed, "scores": scores, "tuned": tuned, "auto": auto, "tasks": tasks, "fusion": fusion}


if __name__ == "__main__":
    run_parts("ranking", PARTS)
