"""Texts: sentiment in English and Chinese. Needs the shared data and the extras text and nets.

Parts, each to be run alone (``python benchmarks/bench_text.py PART``), of frozen networks: english, chinese, across,
across_unlabelled, domain, domain_unlabelled, development; of networks that train: finetune, finetune_english,
finetune_chinese, first_chinese, first_english, all_english, all_chinese, full_english, full_chinese, few, few_both.
Every choice is made by cross-validation, on an inner split of the training part, or on the pairs of development. Rows
of frozen networks are taken from the cache, where they are.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

import regraft
from common import keep, need, save_plot
from common import written as kept
from regraft.core.row_store import RowStore
from regraft.core.types import LabelSpec
from regraft.data.items import Texts
from regraft.features.fusion import learned, parts_of
from regraft.features.network import network_for
from regraft.features.runner import Runner
from regraft.methods import BY_KIND, METHODS
from regraft.methods.probes.linear_probe import fit_features
from regraft.metrics import classes as metrics
from regraft.metrics.intervals import paired_gain
from regraft.models.heads import logits_of
from regraft.models.model import Model
from regraft.options.network import parts_in

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from pretrain_text import english_parts

SPEC = LabelSpec("classification", ("neg", "pos"))
E5 = "e5-small[join]"
TRIED = ("coral", "subspace-alignment", "self-training", "mixture")
LANGUAGES = {"english": "e5-small", "chinese": E5}
NONE: dict[str, Any] = {"ways": {}}
SEEDS = "0; 0 to 2 for finetune; 10 draws for few"
Labelled = tuple[list[str], np.ndarray]


def texts(*names: str) -> tuple[list[str], np.ndarray]:
    found, labels = [], []
    for path in need(*(f"data/{n}.csv.gz" for n in names)):
        with gzip.open(path) as f:
            for row in csv.DictReader(io.TextIOWrapper(f, encoding="utf-8")):
                found.append(row["text"])
                labels.append(row["label"])
    return found, (np.array(labels) == "pos").astype(int)


def answers(backbone: str, learn: list[str], y: np.ndarray, judge: list[str], store: RowStore) -> np.ndarray:
    """Probabilities (m, 2) of a probe on ``backbone`` for the texts in ``judge``."""
    items = Texts(learn, "learn")
    network = learned(network_for(items, backbone), items)
    runner = Runner(network)
    rows = runner.stored(items, store).rows
    head = fit_features(rows, y, SPEC, blocks=[p.width for p in parts_of(network)]).head
    return Model(network, head, "label", SPEC).probabilities(runner.stored(Texts(judge, "judge"), store).rows)


def accuracy(y: np.ndarray, p: np.ndarray) -> dict[str, Any]:
    found = metrics.classification(y, p)
    return {k: found[k] for k in ("accuracy", "accuracy_ci95", "log_loss")}


def gain(y: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    return paired_gain(*((p.argmax(1) == y).astype(float) for p in (ours, theirs)))


def english(store: RowStore) -> dict[str, Any]:
    """rt-polarity, five folds: each network alone and joined. No network here has read these texts."""
    found, y = texts("reviews_en")
    fold = np.empty(len(y), int)
    fold[np.random.default_rng(0).permutation(len(y))] = np.arange(len(y)) % 5
    ways = ("tfidf", "minilm", "minilm+tfidf", "e5-small", "e5-small+tfidf", "minilm+e5-small+tfidf")
    said = {w: np.zeros((len(y), 2)) for w in ways}
    for f in range(5):
        learn, judge = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        for way in ways:
            said[way][judge] = answers(way, [found[i] for i in learn], y[learn], [found[i] for i in judge], store)
            print("english", f, way, (said[way][judge].argmax(1) == y[judge]).mean(), flush=True)
    late = (said["tfidf"] + said["minilm"]) / 2
    return {"folds": 5, "judged": {**{w: accuracy(y, p) for w, p in said.items()}, "late fusion": accuracy(y, late)},
            "tfidf_adds": gain(y, said["minilm+tfidf"], said["minilm"]),
            "minilm_adds": gain(y, said["minilm+tfidf"], said["tfidf"]),
            "adds": {"e5-small to tfidf": gain(y, said["e5-small+tfidf"], said["tfidf"]),
                     "e5-small to minilm+tfidf": gain(y, said["minilm+e5-small+tfidf"], said["minilm+tfidf"]),
                     "e5-small alone to minilm alone": gain(y, said["e5-small"], said["minilm"])}}  # fmt: skip


def written(folder: str, **parts: Labelled) -> None:
    """Each part as ``folder/PART.csv``."""
    for name, (found, y) in parts.items():
        with open(Path(folder, f"{name}.csv"), "w", newline="", encoding="utf-8") as f:
            csv.writer(f).writerows([["text", "label"], *([t, SPEC.classes[v]] for t, v in zip(found, y, strict=True))])


def trained(
    part: str, learn: Labelled, judge: Labelled, seeds: int = 3, first: Labelled | None = None, **options: Any
) -> dict[str, Any]:  # fmt: skip
    """A network trained on ``learn``, judged on ``judge``, a run a seed: where ``first`` is given, after one epoch of
    it alone on four fifths of that. Each is kept, and where some are, and fewer than ``seeds``, it goes on.
    """
    told = {"options": options | {"method": "lp-ft"}, "learned_from": len(learn[0]), "judged_on": len(judge[0]),
            **({} if first is None else {"first_given": len(first[0])})}  # fmt: skip
    before = kept("text").get(part, {})
    runs = before["runs"] if told.items() <= before.items() and len(before["runs"]) < seeds else []
    with tempfile.TemporaryDirectory() as folder:
        written(folder, train=learn, test=judge, **({} if first is None else {"first": first}))
        for seed in range(len(runs), seeds):
            begun, more = time.perf_counter(), {}
            if first is not None:
                more["init"] = f"{folder}/first{seed}"
                trainee = parts_in(options["backbone"])[0]
                one = options | {"backbone": trainee, "epochs": 1, "train_all": None, "refit_full": None}
                regraft.fit(f"{folder}/first.csv", out=more["init"], seed=seed, method="lp-ft", controls="none", **one)
            result = regraft.fit(f"{folder}/train.csv", val=f"{folder}/test.csv", out=f"{folder}/r{seed}", seed=seed,
                                 method="lp-ft", controls="none", **options, **more)  # fmt: skip
            seconds = round(time.perf_counter() - begun, 1)
            val = result.metrics["val"]
            runs.append({"accuracy": val["accuracy"], "accuracy_ci95": val["accuracy_ci95"], "seconds": seconds,
                         "probe": result.metrics["controls"]["linear-probe"]["accuracy"],
                         "gain_over_probe": result.gain_over_probe})  # fmt: skip
            if (parts := result.metrics.get("parts")) is not None:
                alone = {name: one["accuracy"] for name, one in parts["alone"].items()}
                beside = {k: v for k, v in result.choice["beside"].items() if k != "trained"}
                runs[-1] |= {"alone": alone, "adds": parts["adds"], "beside": beside}
            print(options, seed, runs[-1], flush=True)
            values = [r["accuracy"] for r in runs]
            found = told | {"runs": runs, "mean": float(np.mean(values)), "lowest": min(values), "highest": max(values)}
            keep("text", PARTS, part, found, seeds=SEEDS)
    return found


def english_halves() -> tuple[Labelled, Labelled]:
    """A fixed 80 % of rt-polarity, and the other 20 %."""
    found, y = texts("reviews_en")
    learn, judge = (([found[i] for i in rows], y[rows]) for rows in english_parts(len(found)))
    return learn, judge


def finetune(store: RowStore) -> dict[str, Any]:
    """MiniLM trained on a fixed 80 % of rt-polarity, judged on the other 20 %."""
    return trained("finetune", *english_halves(), backbone="minilm", epochs=2, lr=4e-4)


def finetune_english(store: RowStore) -> dict[str, Any]:
    """The same with e5, beside it MiniLM as it is and counted words."""
    return trained("finetune_english", *english_halves(), backbone="e5-small+minilm+tfidf")


def finetune_chinese(store: RowStore) -> dict[str, Any]:
    """e5 trained on the Chinese film reviews to learn from, beside it counted words, judged on val and test."""
    judge = texts("reviews_zh_val", "reviews_zh_test")
    return trained("finetune_chinese", texts("reviews_zh_train"), judge, backbone=f"{E5}+tfidf")


def first_chinese(store: RowStore, part: str = "first_chinese", **more: Any) -> dict[str, Any]:
    """As `finetune_chinese`, after one epoch on English film reviews and Chinese ones of takeaway food: what is felt
    of another thing, or said in another language, first (Phang et al. 2018, https://arxiv.org/abs/1811.01088).
    """
    judge, (films, y), (food, z) = texts("reviews_zh_val", "reviews_zh_test"), english_halves()[0], meals()[0]
    return trained(part, texts("reviews_zh_train"), judge, first=(films + food, np.concatenate([y, z])),
                   backbone=f"{E5}+tfidf", **more)  # fmt: skip


def first_english(store: RowStore) -> dict[str, Any]:
    """As `all_english`, with e5 trained twice: after one epoch on Chinese reviews of films and of takeaway food, and
    from the publisher's weights on the texts as its questions.
    """
    (films, y), (food, z) = texts("reviews_zh_train"), meals()[0]
    return trained("first_english", *english_halves(), first=(films + food, np.concatenate([y, z])), train_all=True,
                   backbone="e5-small+e5-small[query]+minilm+tfidf")  # fmt: skip


def all_english(store: RowStore, part: str = "all_english", **more: Any) -> dict[str, Any]:
    """e5 and MiniLM trained, one after the other, beside them counted words; as `finetune_english` otherwise."""
    return trained(part, *english_halves(), backbone="e5-small+minilm+tfidf", train_all=True, **more)


def full_english(store: RowStore) -> dict[str, Any]:
    """As `all_english`, each network trained a second time, on what chose the epochs too."""
    return all_english(store, "full_english", refit_full=True)


def full_chinese(store: RowStore) -> dict[str, Any]:
    """As `first_chinese`, e5 trained a second time, on what chose the epoch too."""
    return first_chinese(store, "full_chinese", refit_full=True)


def all_chinese(store: RowStore) -> dict[str, Any]:
    """e5 trained on the texts with and without the blanks between their words, a small Chinese network, beside them
    counted words; as `finetune_chinese` otherwise.
    """
    judge, names = texts("reviews_zh_val", "reviews_zh_test"), f"{E5}+e5-small+regraft_tiny_text+tfidf"
    return trained("all_chinese", texts("reviews_zh_train"), judge, backbone=names, train_all=True)


def chinese(store: RowStore) -> dict[str, Any]:
    """Film reviews: 4,504 to learn from, val and test parts (1,494) to judge on."""
    learn, y = texts("reviews_zh_train")
    judge, truth = texts("reviews_zh_val", "reviews_zh_test")
    ways = ("tfidf", "minilm", "minilm[pinyin]", "regraft_tiny_text", "regraft_tiny_text+tfidf", "minilm[pinyin]+tfidf",
            "minilm[pinyin]+regraft_tiny_text+tfidf", "e5-small", E5, f"{E5}+tfidf")  # fmt: skip
    said = {}
    for way in ways:
        said[way] = answers(way, learn, y, judge, store)
        print("chinese", way, (said[way].argmax(1) == truth).mean(), flush=True)
    whole = said["minilm[pinyin]+regraft_tiny_text+tfidf"]
    return {"judged": {w: accuracy(truth, p) for w, p in said.items()},
            "late fusion of the three": accuracy(truth, (said["tfidf"] + said["minilm[pinyin]"] +
                                                         said["regraft_tiny_text"]) / 3),
            "minilm on pinyin adds": gain(truth, whole, said["regraft_tiny_text+tfidf"]),
            "regraft_tiny_text adds": gain(truth, whole, said["minilm[pinyin]+tfidf"]),
            "adds": {f"{E5} to tfidf": gain(truth, said[f"{E5}+tfidf"], said["tfidf"]),
                     f"tfidf to {E5}": gain(truth, said[f"{E5}+tfidf"], said[E5]),
                     "join to e5-small": gain(truth, said[E5], said["e5-small"])}}  # fmt: skip


def few(store: RowStore, draws: int = 10) -> dict[str, Any]:
    """8 to 64 labels a class of rt-polarity, judged on the same 2,133 texts."""
    found, y = texts("reviews_en")
    pool, judge = english_parts(len(found))
    judged = [found[i] for i in judge]
    curves: dict[str, list[dict[str, Any]]] = {}
    for count in (8, 16, 32, 64):
        scores: dict[str, list[float]] = {}
        for draw in range(draws):
            rng = np.random.default_rng([count, draw])
            chosen = np.concatenate([rng.permutation(pool[y[pool] == c])[:count] for c in (0, 1)])
            learn = [found[i] for i in chosen]
            for way in ("tfidf", "minilm", "minilm+tfidf"):
                p = answers(way, learn, y[chosen], judged, store)
                scores.setdefault(way, []).append(float((p.argmax(1) == y[judge]).mean()))
            scores.setdefault("contrastive", []).append(_contrastive(learn, y[chosen], judged, y[judge], draw))
        for way, values in scores.items():
            curves.setdefault(way, []).append({"labels": count, "mean": float(np.mean(values)), "low": min(values),
                                               "high": max(values), "scores": values})  # fmt: skip
        print("few", count, {w: c[-1]["mean"] for w, c in curves.items()}, flush=True)
        plot(curves)
    return {"draws": draws, "curves": curves}


def few_both(store: RowStore, draws: int = 10, count: int = 16) -> dict[str, Any]:
    """16 labels a class, English and Chinese: probes of counted words, MiniLM and e5, and e5 tuned contrastively. Each
    draw is kept, and where some are, and fewer than ``draws``, it goes on.
    """
    found: dict[str, Any] = {"draws": draws, "labels_a_class": count}
    before = kept("text").get("few_both", {})
    done = sum(len(before[name]["ways"]["tfidf"]["scores"]) for name in LANGUAGES if name in before)
    if done < draws * len(LANGUAGES):
        found |= before
    chinese_judged = texts("reviews_zh_val", "reviews_zh_test")
    parts = english_halves(), (texts("reviews_zh_train"), chinese_judged)
    for (name, e5), (pool, judge) in zip(LANGUAGES.items(), parts, strict=True):
        best = f"{e5}, contrastive"
        scores = {w: v["scores"] for w, v in found.get(name, NONE)["ways"].items()}
        for draw in range(len(scores.get(best, [])), draws):
            rng = np.random.default_rng([count, draw])
            chosen = np.concatenate([rng.permutation(np.flatnonzero(pool[1] == c))[:count] for c in (0, 1)])
            learn = [pool[0][i] for i in chosen], pool[1][chosen]
            for way in ("tfidf", "minilm", e5):
                p = answers(way, *learn, judge[0], store)
                scores.setdefault(way, []).append(float((p.argmax(1) == judge[1]).mean()))
            scores.setdefault(best, []).append(_contrastive(*learn, *judge, draw, backbone=e5))
            print("few", name, draw, {w: v[-1] for w, v in scores.items()}, flush=True)
            found[name] = {
                "judged_on": len(judge[0]),
                "ways": {w: {"mean": float(np.mean(v)), "low": min(v), "high": max(v), "scores": v}
                         for w, v in scores.items()},
                "gains": {f"{ours} over {w}": over_draws(scores[ours], scores[w])
                          for ours in (e5, best) for w in ("tfidf", "minilm") if draw},
            }  # fmt: skip
            keep("text", PARTS, "few_both", found, seeds=SEEDS)
    return found


def over_draws(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    """The mean difference of two ways on the same draws, with Student's 95 % interval."""
    apart = np.subtract(ours, theirs)
    half = float(stdtrit(len(apart) - 1, 0.975) * apart.std(ddof=1) / np.sqrt(len(apart)))
    mean = float(apart.mean())
    return {"value": mean, "ci95": [mean - half, mean + half]}


def _contrastive(
    learn: list[str], y: np.ndarray, judge: list[str], truth: np.ndarray, seed: int, backbone: str = "minilm"
) -> float:
    with tempfile.TemporaryDirectory() as folder:
        written(folder, train=(learn, y), test=(judge, truth))
        result = regraft.fit(f"{folder}/train.csv", val=f"{folder}/test.csv", backbone=backbone, method="contrastive",
                             controls="none", out=f"{folder}/r", seed=seed)  # fmt: skip
    return float(result.metrics["val"]["accuracy"])


def adapted(way: str, base: Labelled, target: Labelled, judge: Labelled) -> dict[str, Any]:
    """What ``regraft fit --target`` makes of ``base`` by each method on features, and by what it takes where none is
    named: with the texts of ``target``, and none of its labels.
    """
    share = float(judge[1].mean())
    found: dict[str, Any] = {"backbone": way, "adapted_to": len(target[0]), "judged_on": len(judge[0]),
                             "majority": max(share, 1 - share), "methods": {}}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        written(folder, source=base)
        with open(Path(folder, "target.csv"), "w", newline="", encoding="utf-8") as f:
            rows = [[t, SPEC.classes[v], part] for part, (some, y) in (("train", target), ("test", judge))
                    for t, v in zip(some, y, strict=True)]  # fmt: skip
            csv.writer(f).writerows([["text", "label", "split"], *rows])
        for method in (None, *BY_KIND["adapting features"]):
            result = regraft.fit(f"{folder}/source.csv", target=f"{folder}/target.csv", backbone=way, method=method,
                                 controls="none", out=f"{folder}/{method}")  # fmt: skip
            figures = result.metrics["target"]
            one = {k: figures[k] for k in ("accuracy", "accuracy_ci95", "balanced_accuracy", "log_loss")}
            one |= {"gain": result.gain, "snd": result.metrics["validators"]["snd"]["adapted"]}
            found["source_only"] = result.metrics["controls"]["source-only"]["accuracy"]
            if method is None:
                found["unnamed"] = result.method
            found["methods"][method or "unnamed"] = one
            print(way, method, one, flush=True)
    return found


def moved(
    way: str, base: Labelled, pool: Labelled, judge: Labelled, store: RowStore, draws: int = 10
) -> dict[str, Any]:
    """What ``base`` is worth on ``judge``: alone, with 10, 100 and all labels of its own kind, and those alone."""
    found: dict[str, Any] = {"source only": accuracy(judge[1], answers(way, *base, judge[0], store))}
    for count in (10, 100, len(pool[0])):
        for name, (texts_of, labels_of) in ((f"source and {count}", base), (f"{count} alone", ([], base[1][:0]))):
            scores = []
            for draw in range(draws if count < len(pool[0]) else 1):
                some = np.random.default_rng([count, draw]).permutation(len(pool[0]))[:count]
                repeat = max(1, len(texts_of) // (2 * count))  # what is of the target weighs as much
                learn = texts_of + [pool[0][i] for i in some] * repeat
                labels = np.concatenate([labels_of, np.tile(pool[1][some], repeat)])
                if len(set(labels.tolist())) == 2:
                    scores.append(float((answers(way, learn, labels, judge[0], store).argmax(1) == judge[1]).mean()))
            found[name] = {
                "mean": float(np.mean(scores)),
                "low": min(scores),
                "high": max(scores),
                "draws": len(scores),
            }
            print(way, name, found[name], flush=True)
    return found


def across(store: RowStore) -> dict[str, Any]:
    """Learned from English film reviews, used on Chinese ones, with 0, 10, 100 and all labels of those."""
    english, learn = texts("reviews_en"), texts("reviews_zh_train")
    judge = texts("reviews_zh_val", "reviews_zh_test")
    ways = ("minilm", "minilm[pinyin]", "regraft_tiny_text", E5)
    return {"judged_on": len(judge[0]), **{w: moved(w, english, learn, judge, store, draws=5) for w in ways}}


def across_unlabelled(store: RowStore) -> dict[str, Any]:
    """English film reviews -> Chinese ones: no label of these; their part train is adapted to."""
    judge = texts("reviews_zh_val", "reviews_zh_test")
    return adapted(E5, texts("reviews_en"), texts("reviews_zh_train"), judge)


def meals() -> tuple[Labelled, Labelled]:
    """Reviews of takeaway food: 4,000 to learn from or adapt to, the others to judge on."""
    found, truth = texts("reviews_zh_takeaway")
    pool, judge = np.split(np.random.default_rng(0).permutation(len(found)), [4000])
    rest, judged = (([found[i] for i in rows], truth[rows]) for rows in (pool, judge))
    return rest, judged


def domain(store: RowStore) -> dict[str, Any]:
    """A model of Chinese film reviews on reviews of takeaway food: as it is, and after some labels of those."""
    films, y = texts("reviews_zh_train")
    films = [t.replace(" ", "") for t in films]
    rest, judged = meals()
    share = float(judged[1].mean())
    return {"judged_on": len(judged[0]), "majority": max(share, 1 - share),
            **{w: moved(w, (films, y), rest, judged, store)
               for w in ("tfidf", "regraft_tiny_text", "regraft_tiny_text+tfidf", E5)}}  # fmt: skip


def domain_unlabelled(store: RowStore) -> dict[str, Any]:
    """Chinese film reviews -> takeaway reviews: no label of these, of which a third are positive."""
    return adapted(E5, texts("reviews_zh_train"), *meals())


def development(store: RowStore) -> dict[str, Any]:
    """The pairs that the methods for texts were chosen by, none of whose labels judge elsewhere: each method on the
    features of e5, with the classes as large as they are and with a quarter and three quarters positive.
    """
    data = {"film zh": texts("reviews_zh_train"), "film en": texts("reviews_en"), "takeaway": meals()[0]}
    runner = Runner(network_for(Texts(data["film zh"][0], "films"), E5))
    rows = {n: runner.stored(Texts(found, n), store).rows for n, (found, _) in data.items()}
    pairs: dict[str, Any] = {}
    for source, target in (("film zh", "film en"), ("takeaway", "film en"), ("takeaway", "film zh")):
        x, y = rows[source], data[source][1]
        plain = fit_features(x, y, SPEC)

        def learn(x: Any, y: Any, *, record: Any = None, plain: Any = plain) -> Any:
            return fit_features(x, y, SPEC, record=record or plain.record)

        for share in (None, 0.25, 0.75):
            some = with_share(data[target][1], share)
            goal, truth = rows[target][some], data[target][1][some]
            heads = {m: METHODS.get(m).fit_domains(x, y, goal, learn).head for m in TRIED}
            right = {m: float((logits_of(h, goal).argmax(1) == truth).mean())
                     for m, h in {"source-only": plain.head, **heads}.items()}  # fmt: skip
            name = f"{source} -> {target}" + (f", {share:.0%} positive" if share else "")
            pairs[name] = right
            print(name, right, flush=True)
    return {"pairs": pairs, "mean": {m: float(np.mean([p[m] for p in pairs.values()])) for m in right}}


def with_share(y: np.ndarray, share: float | None) -> np.ndarray:
    """Places of as many items as there are with this share of positive ones; of all where there is none."""
    if share is None:
        return np.arange(len(y))
    rng, of = np.random.default_rng(1), [np.flatnonzero(y == c) for c in (0, 1)]
    n = min(len(of[1]) / share, len(of[0]) / (1 - share))
    taken = [rng.permutation(of[0])[: int(n * (1 - share))], rng.permutation(of[1])[: int(n * share)]]
    return np.sort(np.concatenate(taken))


def plot(curves: dict[str, list[dict[str, Any]]]) -> None:
    """Accuracy against the number of labels, with the lowest and highest of the draws."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5.2, 3.4), dpi=90)
    for way, points in curves.items():
        labels = [p["labels"] for p in points]
        line = axes.plot(labels, [p["mean"] for p in points], marker="o", label=way)[0]
        axes.fill_between(labels, [p["low"] for p in points], [p["high"] for p in points], alpha=0.12,
                          color=line.get_color())  # fmt: skip
    axes.set(xscale="log", xlabel="labels a class", ylabel="accuracy", title="rt-polarity, few labels")
    save_plot(figure, axes, labels, "few_labels_text")


PARTS = {"english": english, "chinese": chinese, "across": across, "across_unlabelled": across_unlabelled,
         "domain": domain, "domain_unlabelled": domain_unlabelled, "development": development, "finetune": finetune,
         "finetune_english": finetune_english, "finetune_chinese": finetune_chinese,
         "first_chinese": first_chinese, "first_english": first_english,
         "all_english": all_english, "all_chinese": all_chinese,
         "full_english": full_english, "full_chinese": full_chinese, "few": few,
         "few_both": few_both}  # fmt: skip


def main() -> None:
    for name in sys.argv[1:] or PARTS:
        keep("text", PARTS, name, PARTS[name](RowStore()), seeds=SEEDS)


if __name__ == "__main__":
    main()
