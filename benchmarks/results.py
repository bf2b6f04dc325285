"""Writes RESULTS.md from the JSON files in results/: every figure in it was written by a benchmark script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def interval(m: dict[str, Any]) -> str:
    return f"{m['accuracy']:.4f} ({m['accuracy_ci95'][0]:.4f} to {m['accuracy_ci95'][1]:.4f})"


def table(head: list[str], rows: list[list[Any]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(str(c) for c in line) + " |" for line in lines), ""]


def spine(r: dict[str, Any]) -> list[str]:
    few = r["digits_few_labels"]
    names = list(few["curves"])
    out = ["## The first whole way (`bench_spine.py`)", "",
           f"scikit-learn's digits, mean of {few['seeds']} draws (lowest to highest), tested on all pictures not drawn:", ""]  # noqa: E501 # fmt: skip
    rows = []
    for i, labels in enumerate(few["labels"]):
        points = [few["curves"][n][i] for n in names]
        rows.append([labels, *(f"{p['mean']:.4f} ({p['low']:.3f} to {p['high']:.3f})" for p in points)])
    out += table(["labels a class", *names], rows)
    for key, title in (
        ("hymenoptera", "Hymenoptera, mobilenet_v2, judged on its val part (153 photos)"),
        (
            "cifar10_four_unseen_classes",
            "CIFAR-10 subset, the four classes regraft_tiny never saw, its 800 test photos",
        ),
    ):
        out += [f"{title}, accuracy with 95 % interval:", ""]
        out += table(["network", "accuracy"], [[n, interval(m)] for n, m in r[key]["judged"].items()])
        g = r[key]["gain"]
        out += [f"Gain over {g['against']}: {100 * g['value']:+.1f} points ({100 * g['ci95'][0]:+.1f} to "
                f"{100 * g['ci95'][1]:+.1f}).", ""]  # fmt: skip
    second = r["hymenoptera"]["second_fit"]
    out += [f"Second fit of the same data: no forward pass, rows ready {second['times_faster']} times faster.", ""]
    across = r["digits_across_sources"]
    out += ["Digits across sources (regraft_tiny has seen the labels of MNIST's training part, not of its test part):", ""]  # noqa: E501 # fmt: skip
    out += table(["model", "judged on", "accuracy"], [
        ["fit on USPS", "USPS test", interval(across["usps_model_on_usps_test"])],
        ["fit on USPS", "MNIST test", interval(across["usps_model_on_mnist_test"])],
        ["fit on MNIST", "USPS test", interval(across["mnist_model_on_usps_test"])],
    ])  # fmt: skip
    out += [f"`regraft --help`: {r['help_seconds_median_of_7']:.2f} s (median of 7).", ""]
    return out


def pictures(r: dict[str, Any]) -> list[str]:
    same, planted, cells, bulk = r["hymenoptera_in_four_forms"], r["planted"], r["cells"], r["bulk"]
    out = ["## Pictures in every form (`bench_pictures.py`)", "",
           f"Hymenoptera as {', '.join(same['forms'])}: figures equal: {same['figures_equal']}; saved heads equal "
           f"to the bit: {same['models_equal_to_the_bit']}.", "",
           "Planted in a copy of hymenoptera, and found by name:", ""]  # fmt: skip
    out += table(
        ["problem", "planted", "found"], [[k, v["planted"], v["found"]] for k, v in planted["by_kind"].items()]
    )
    out += [f"Named besides: {len(planted['not_planted'])}.", "",
            "CIFAR-10 subset, judged on its test part (accuracy with 95 % interval). regraft_tiny was trained on the "
            "labels of six of the ten classes; the report marks that.", ""]  # fmt: skip
    rows = []
    for key, fit in r["cifar10"].items():
        if isinstance(fit, dict):
            seen = fit["seen_in_training"]
            note = f"pretraining saw {100 * seen:.0f} % of the training pictures" if seen else ""
            for name, m in fit["judged"].items():
                rows.append([key.split(",")[0], name, interval(m), note if name == "regraft_tiny" else ""])
    out += table(["classes", "network", "accuracy", ""], rows)
    out += [f"Which cell types are in a BCCD picture (multilabel, {cells['items']['train']} to learn from, "
            f"{cells['test']['items']} to test on):", ""]  # fmt: skip
    val = {"mobilenet_v2": cells["val"], **cells["controls"]}
    out += table(["on val", "map", "95 % interval", "micro F1"], [
        [n, f"{m['map']:.4f}", f"{m['map_ci95'][0]:.4f} to {m['map_ci95'][1]:.4f}", f"{m['micro_f1']:.4f}"]
        for n, m in val.items()
    ])  # fmt: skip
    test = cells["test"]
    out += [f"On test: map {test['map']:.4f} ({test['map_ci95'][0]:.4f} to {test['map_ci95'][1]:.4f}), micro F1 "
            f"{test['micro_f1']:.4f}.", "",
            f"Bulk prediction of {bulk['items']:,} pictures, killed at {bulk['killed_at']:,} and resumed: complete and "
            f"in order: {bulk['complete_and_in_order']}; memory {bulk['megabytes_at_start']} MB after the resumption, "
            f"{bulk['megabytes_at_end']} MB at the end, {bulk['megabytes_most']} MB at most.", ""]  # fmt: skip
    return out


def training(r: dict[str, Any]) -> list[str]:
    speed, kills = r["speed"], r["kill_and_resume"]
    per_second = speed["images_a_second"]
    return ["## Training (`bench_training.py`)", "",
            f"{speed['network']}: {speed['times_faster']:.2f} times the plain PyTorch float32 loop, taken in turns "
            f"({per_second['ours']:.1f} against {per_second['plain']:.1f} images a second here).", "",
            *last_k(r.get("last_k")),
            f"Killed (SIGKILL) {kills['killed']} times and resumed: weights equal to those of an undisturbed run to "
            f"the bit: {kills['equal_to_the_bit']}.", "", *embeddings(r.get("embeddings"))]  # fmt: skip


def embeddings(r: dict[str, Any] | None) -> list[str]:
    if not r:
        return []
    out = [f"{r['network']}: a step {r['times_faster']:.1f} times as fast where the word vectors stay as they are.", "",
           "| word vectors | seconds a step | checkpoint, MB | seconds to write it | saving, share of the time | peak of memory, GB |",  # noqa: E501
           "|---|---|---|---|---|---|"]  # fmt: skip
    for name, side in ((n, r[n]) for n in ("kept", "trained")):
        out.append(f"| {name} | {side['seconds_a_step']:.2f} | {side['checkpoint_bytes'] / 1e6:.0f} | "
                   f"{side['seconds_a_checkpoint']:.1f} | {100 * side['share_of_saving']:.1f} % | "
                   f"{side['peak_bytes'] / 1e9:.1f} |")  # fmt: skip
    return [*out, ""]


def last_k(r: dict[str, Any] | None) -> list[str]:
    if not r:
        return []
    return [f"{r['network']} on stored activations: {r['times_faster']:.1f} times the plain float32 loop that computes the "  # noqa: E501
            f"frozen blocks in every step. The removed operations allow (F + 3 S) / (3 S) = "
            f"({r['frozen_gflop']:.1f} + 3 x {r['learning_gflop']:.1f}) / (3 x {r['learning_gflop']:.1f}) = "
            f"{r['allowed']:.1f}; reached: {100 * r['share_of_allowed']:.0f} % of it.", ""]  # fmt: skip


def adaptation(r: dict[str, Any]) -> list[str]:
    out = ["## Task adaptation (`bench_adaptation.py`)", ""]
    titles = {
        "cifar": "CIFAR-10 subset (10,000 to learn from, 2,000 test), mobilenet_v2, pictures enlarged to 160 pixels",
        "four": "CIFAR-10 subset, the four classes regraft_tiny never saw (800 test photos), regraft_tiny",
    }
    for key, title in titles.items():
        if key in r:
            out += [f"{title}; seconds of the whole command, start-up included{norm(r[key])}:", ""]
            out += table(["method", "accuracy (95 % interval)", "against the probe, points", "seconds"], [
                [name, interval(m), points(m["gain_over_probe"]), m["seconds"]]
                for name, m in r[key].items() if isinstance(m, dict)])  # fmt: skip
            picture = {"cifar": "cifar10", "four": "four_unseen_classes"}[key]
            out += [f"![accuracy against seconds](results/pareto_{picture}.png)", ""]
    if "hymenoptera" in r:
        h = r["hymenoptera"]
        out += [f"Hymenoptera, mobilenet_v2, {h['seeds']} seeds, {h['items']} judged photos (so one photo is 0.7 points){norm(h)}:",  # noqa: E501
                ""]  # fmt: skip
        out += table(["method", "mean (lowest to highest)", "95 % interval of one run", "seconds"], [
            [name, f"{m['accuracy_mean']:.4f} ({m['accuracy_lowest']:.4f} to {m['accuracy_highest']:.4f})",
             "{:.3f} to {:.3f}".format(*m["interval_of_the_first"]), m["seconds_median"]]
            for name, m in h.items() if isinstance(m, dict)])  # fmt: skip
    if "fastai" in r:
        f = r["fastai"]
        ours, theirs = f["our_accuracy"], f["fastai_accuracy"]
        seconds = [float(sorted(x["seconds"] for x in f[k])[f["seeds"] // 2]) for k in ("ours", "fastai")]
        out += [f"The same photos and weights beside fastai's fine_tune(3), {f['seeds']} seeds in turns, start-up "
                f"included: `regraft fit` {sum(ours) / len(ours):.4f} in {seconds[0]:.0f} s, fastai "
                f"{sum(theirs) / len(theirs):.4f} ({min(theirs):.4f} to {max(theirs):.4f}) in {seconds[1]:.0f} s: "
                f"{f['times_faster_median']:.1f} times as fast.", ""]  # fmt: skip
    if "mnist" in r:
        m = r["mnist"]
        out += [f"From MNIST to CIFAR-10 (the network of regraft_tiny, from random weights){norm(m)}:", ""]
        out += table(["run", "accuracy (95 % interval)", "seconds"], [
            [name.replace("_", " "), interval(v), v["seconds"]]
            for name, v in m.items() if isinstance(v, dict) and "seconds" in v
        ])  # fmt: skip
        out += [f"Starting from MNIST instead of from nothing: {points(m['gain'])} points.", ""]
    if "short" in r:
        out += [f"From weights made by a first short training, through the same command{norm(r['short'])}:", ""]
        out += table(["network", "first, CIFAR-10 from scratch", "then, hymenoptera from there", "its probe"], [
            [name, interval(v["first_on_cifar10"]), interval(v["then_on_hymenoptera"]),
             interval(v["then_on_hymenoptera"]["controls"]["linear-probe"])]
            for name, v in r["short"].items() if isinstance(v, dict)])  # fmt: skip
    return out


def text(r: dict[str, Any]) -> list[str]:
    out = ["## Texts (`bench_text.py`)", ""]
    if "english" in r:
        e = r["english"]
        out += [f"English, rt-polarity (10,662 sentences), {e['folds']} folds, frozen networks and a probe:", ""]
        out += table(["network", "accuracy (95 % interval)"], [[n, interval(m)] for n, m in e["judged"].items()])
        out += [
            f"minilm adds {points(e['minilm_adds'])} points to tfidf, tfidf {points(e['tfidf_adds'])} to minilm.",
            "",
            *adds(e),
        ]
    for part, words in (
        ("finetune", "MiniLM trained by lp-ft on 80 % of rt-polarity"),
        ("finetune_english", "e5-small trained by lp-ft on 80 % of rt-polarity, minilm+tfidf beside it"),
        ("finetune_chinese", "e5-small[join] trained by lp-ft on the Chinese film reviews, tfidf beside it"),
        ("first_chinese", "the same after an epoch of e5-small[join] on English film and Chinese takeaway reviews"),
        ("full_chinese", "the same, trained a second time on what chose the epoch too (`--refit-full`)"),
        (
            "first_english",
            "e5-small twice, once after an epoch on Chinese film and takeaway reviews, and minilm trained"
            " by lp-ft on 80 % of rt-polarity, tfidf beside them",
        ),
        ("all_english", "e5-small and minilm trained by lp-ft on 80 % of rt-polarity, tfidf beside them"),
        ("full_english", "the same, each trained a second time on what chose the epochs too (`--refit-full`)"),
        ("all_chinese", "e5-small[join], e5-small, regraft_tiny_text trained by lp-ft on the same, tfidf beside them"),
    ):
        if part in r:
            f = r[part]
            best = max(f["runs"], key=lambda run: run["seconds"])
            out += [f"{words} ({f['learned_from']:,}), judged on {f['judged_on']:,} others: "
                    f"{f['mean']:.4f} ({over_runs(f)}), its probe "
                    f"{f['runs'][0]['probe']:.4f}; at most {best['seconds']:.0f} s a run.", ""]  # fmt: skip
            if (first := f["runs"][0]).get("alone"):
                out[-2] += " Alone in the first of them " + ", ".join(
                    f"{name} {value:.4f} (adds {points(first['adds'][name])} points)"
                    for name, value in first["alone"].items()) + "."  # fmt: skip
    if "chinese" in r:
        c = r["chinese"]
        out += ["Chinese film reviews, 4,504 to learn from, 1,494 to judge on:", ""]
        judged = c["judged"] | {"late fusion of the three": c["late fusion of the three"]}
        out += table(["network", "accuracy (95 % interval)"], [[n, interval(m)] for n, m in judged.items()])
        pinyin, tiny = (points(c[k]) for k in ("minilm on pinyin adds", "regraft_tiny_text adds"))
        out += [f"To the other two minilm on pinyin adds {pinyin} points, regraft_tiny_text {tiny}.", "", *adds(c)]
    if "few" in r:
        curves = r["few"]["curves"]
        names = list(curves)
        out += [f"Few labels, English, mean of {r['few']['draws']} draws (lowest to highest):", ""]
        rows = []
        for i, first in enumerate(curves[names[0]]):
            at = [curves[n][i] for n in names]
            rows.append([first["labels"], *(f"{p['mean']:.3f} ({p['low']:.3f} to {p['high']:.3f})" for p in at)])
        out += [*table(["labels a class", *names], rows), "![few labels](results/few_labels_text.png)", ""]
    if "few_both" in r:
        f = r["few_both"]
        for name in [n for n in ("english", "chinese") if n in f]:
            drawn = len(f[name]["ways"]["tfidf"]["scores"])
            out += [f"{f['labels_a_class']} labels a class, {name.capitalize()}, {drawn} draws, judged on "
                    f"{f[name]['judged_on']:,}:", ""]  # fmt: skip
            out += table(["network", "mean (lowest to highest)"], [
                [w, f"{v['mean']:.3f} ({v['low']:.3f} to {v['high']:.3f})"] for w, v in f[name]["ways"].items()
            ])  # fmt: skip
            said = ", ".join(f"{what} {points(v)}" for what, v in f[name]["gains"].items())
            out += [f"Points, paired by draw (Student's interval): {said}.", ""]
    for key, title in (
        ("across", "English film reviews to Chinese ones ({judged_on:,} judged; mean of 5 draws)"),
        ("domain", "Chinese film reviews to takeaway reviews ({judged_on:,} judged, {majority:.3f} of them in the "
                   "larger class; mean of 10 draws)"),
    ):  # fmt: skip
        if key in r:
            d = r[key]
            ways = [w for w in d if isinstance(d[w], dict) and "source only" in d[w]]
            out += [f"{title.format(**d)}:", ""]
            out += table(["learned from", *ways], [
                [name, *(f"{d[w][name].get('accuracy', d[w][name].get('mean')):.4f}" for w in ways)]
                for name in d[ways[0]]])  # fmt: skip
    return out + without_target_labels(r)


def over_runs(part: dict[str, Any]) -> str:
    """Where a mean of runs comes from: of one its 95 % interval over items, of several the lowest to the highest."""
    if len(part["runs"]) == 1:
        low, high = part["runs"][0]["accuracy_ci95"]
        return f"{low:.4f} to {high:.4f}, one seed"
    return f"{part['lowest']:.4f} to {part['highest']:.4f} over {len(part['runs'])} seeds"


def adds(part: dict[str, Any]) -> list[str]:
    """What networks add to others, in points."""
    said = ", ".join(f"{what} {points(v)}" for what, v in part.get("adds", {}).items())
    return [f"Points added by a network: {said}.", ""] if said else []


def without_target_labels(r: dict[str, Any]) -> list[str]:
    """What `regraft fit --target` reached without a label of the target, by method."""
    out: list[str] = []
    for part, title in (
        ("across_unlabelled", "English film reviews to Chinese ones"),
        ("domain_unlabelled", "Chinese film reviews to takeaway reviews"),
    ):
        if part in r:
            d = r[part]
            out += [f"{title} without a label of these, by `regraft fit SOURCE --target TARGET --backbone "
                    f"{d['backbone']}`: {d['adapted_to']:,} texts adapted to, {d['judged_on']:,} others judged, "
                    f"{d['majority']:.3f} of them in the larger class. Source-only: {d['source_only']:.4f}. Where no "
                    f"method is named: {d['unnamed']}.", ""]  # fmt: skip
            out += table(["method", "accuracy (95 % interval)", "balanced", "points over source-only", "snd"], [
                [name, interval(v), f"{v['balanced_accuracy']:.4f}", points(v["gain"]), f"{v['snd']:.3f}"]
                for name, v in sorted(d["methods"].items(), key=lambda i: -i[1]["accuracy"])])  # fmt: skip
    if "development" in r:
        pairs, mean = r["development"]["pairs"], r["development"]["mean"]
        out += ["What methods for texts are chosen by: accuracy on the target, e5-small[join], on pairs that judge "
                "nothing else:", ""]  # fmt: skip
        rows = [[n, *(f"{v[m]:.4f}" for m in mean)] for n, v in {**pairs, "mean": mean}.items()]
        out += table(["source -> target", *mean], rows)
    return out


def text_speed(r: dict[str, Any]) -> list[str]:
    rows = [[name.replace("threads_", ""), one["engine"], *(f"{n:.0f}" for n in one["texts_a_second"].values()),
             *(f"{n:.2f}" for n in one["times_the_plain_loop"].values()), f"{min(one['cosine_least'].values()):.4f}"]
            for name, one in r.items() if name.startswith("threads_")]  # fmt: skip
    name = r.get("network", "minilm")
    library = "sentence-transformers" if name == "minilm" else "transformers"
    return ["", f"Texts a second through {name}, {r['texts']:,} film reviews, {r['turns']} turns: the plain loop over "
            f"{library} (batches of 32, unsorted, float32), the same with sorting, regraft's engine for "
            "many texts (found and converted before) and the one for few, PyTorch; times the plain loop; the least "
            "cosine to its rows (`bench_text_speed.py`).", "",
            *table(["threads", "engine", "plain", "sorting", "regraft", "for few", "times plain", "for few", "cosine"],
                   rows)]  # fmt: skip


def probe(r: dict[str, Any]) -> list[str]:
    seconds, unseen, least, whole = r["seconds_median"], r["log_loss_unseen"], r["minimised"], r["whole_probe"]
    return ["## The probe's solver (`bench_probe.py`)", "",
            f"{r['rows']:,} x {r['columns']:,} synthetic features, {r['classes']} classes, {len(r['strengths'])} "
            f"strengths by {r['folds']}-fold cross-validation, {r['threads']} cores: {seconds['regraft']:.1f} s, "
            f"scikit-learn's LogisticRegressionCV {seconds['scikit_learn']:.1f} s (median of {len(r['load'])} turns; "
            f"{r['times_faster']:.1f} times). Log loss on unseen rows {unseen['regraft']:.5f}, scikit-learn's "
            f"{unseen['scikit_learn']:.5f}; what both minimise, a row: {least['regraft']:.6f} and "
            f"{least['scikit_learn']:.6f}. The whole probe, which tries two scalings ({whole['tried']} strengths in "
            f"all): {whole['seconds']:.1f} s, log loss on unseen rows {whole['log_loss_unseen']:.5f}. Load before the "
            f"turns: {min(r['load']):.1f} to {max(r['load']):.1f}.",
            ""]  # fmt: skip


def norm(part: dict[str, Any]) -> str:
    """What a part measured under another default says of it."""
    return f" (measured with --batch-norm {part['batch_norm']})" if "batch_norm" in part else ""


def points(gain: dict[str, Any] | None) -> str:
    if not gain:
        return ""
    return f"{100 * gain['value']:+.1f} ({100 * gain['ci95'][0]:+.1f} to {100 * gain['ci95'][1]:+.1f})"


def domains(r: dict[str, Any]) -> list[str]:
    out = ["## Domain adaptation (`bench_domains.py`)", "", " ".join(r["protocol"].split()), ""]
    for part, title in (
        ("validator", "MNIST -> scikit-learn's digits, where the validator was fixed"),
        ("mnist_usps", "MNIST -> USPS at 20 pixels, padded to 28"),
        ("usps_mnist", "USPS at 20 pixels, padded to 28 -> MNIST"),
        ("stretched", "MNIST -> USPS stretched to 28 pixels"),
    ):
        if "chosen_without_labels" not in r.get(part, {}):
            continue
        found = r[part]
        first, chosen, best = found["seed 0"], found["chosen_without_labels"], found["oracle_of_the_methods"]
        plain = ", ".join(f"{v:.4f}" for v in found["source_only"])
        labelled = ""
        if "target_labels" in found:
            labelled = f"; trained on the target's labels: {found['target_labels']['accuracy']:.4f}"
        out += [f"{title}. Source-only by seed: {plain}. Chosen without labels: {chosen['method']}, "
                f"{chosen['accuracy']:.4f}; the best by the labels: {best['method']}, "
                f"{best['accuracy']:.4f}{labelled}.", ""]  # fmt: skip
        seeds = [k for k in found if k.startswith("seed ")]
        if "tent" in found:
            out += [f"The model of the source, adapted at predict time by tent: {interval(found['tent'])}.", ""]
        each = {m: " ".join(f"{found[s][m]['accuracy']:.4f}" for s in seeds if m in found[s]) for m in first}
        ordered = sorted(first.items(), key=lambda i: -i[1]["accuracy"])
        rows = [[m, interval(v), points(v["gain"]), each[m], f"{v['seconds']:.0f}"] for m, v in ordered]
        out += table(["method", "accuracy, seed 0", "points over source-only", "by seed", "seconds"], rows)
        ranks = ", ".join(f"{n} {v:+.2f}" for n, v in found["rank_correlation"].items() if v == v)
        out += [f"Rank correlation of the validators with the accuracy: {ranks}.", ""]
    if "ingredients" in r:
        out += ["What each ingredient adds (MNIST -> USPS, seed 0):", ""]
        rows = [[n, f"{v['source_only']:.4f}", interval(v)] for n, v in r["ingredients"].items()]
        out += table(["left out", "source-only", "shot"], rows)
    if "texts" in r:
        out += ["Film reviews -> takeaway reviews, both Chinese:", ""]
        rows = [[n, interval(v), points(v["gain"])] for n, v in r["texts"].items()]
        out += table(["method", "accuracy", "points over source-only"], rows)
    if "joint" in r:
        out += ["One model for several domains, against the same network trained on each alone:", ""]
        rows = [[name, d, interval(v["joint"]), interval(v["alone"]), points(v["gain"])]
                for name, j in r["joint"].items() for d, v in j["domains"].items()]  # fmt: skip
        out += table(["sets", "domain", "joint", "alone", "points"], rows)
    if "step" in r:
        out += [f"A step of dann takes {r['step']['of_two_plain_steps']:.2f} times two plain steps.", ""]
    if "features" in r:
        seconds = ", ".join(f"{n} {v:.1f}" for n, v in r["features"]["seconds"].items())
        out += [f"Seconds on features of 10,000 items a domain with 1,280 columns: {seconds}.", ""]
    return out


def taus(sets: dict[str, Any]) -> list[str]:
    """A row for each score, the best on average first, those that never ranked all networks last."""
    most = {n: max(t["of"] for t in one["tau"].values()) for n, one in sets.items()}
    names = dict.fromkeys(s for one in sets.values() for s in one["tau"])
    found = {s: [one["tau"].get(s) for one in sets.values()] for s in names}
    mean = {s: sum(t["tau"] for t in v if t) / len([t for t in v if t]) for s, v in found.items()}
    rows = []
    partial = {s: all(t is None or t["of"] < most[n] for n, t in zip(sets, found[s], strict=True)) for s in names}
    for s in sorted(names, key=lambda s: (partial[s], -mean[s])):
        cells = [
            "" if t is None else f"{t['tau']:.2f}" + (f" ({t['of']})" if t["of"] < most[n] else "")
            for n, t in zip(sets, found[s], strict=True)
        ]
        rows.append([s, *cells, f"{mean[s]:.2f}"])
    return table(["score", *sets, "mean"], rows)


def over_sets(r: dict[str, Any]) -> list[str]:
    """The mean tau with what is said of it, where the run was one that tells it."""
    if "over_sets" not in r:
        return []
    rows = [[name, f"{v['mean']:+.2f}", "" if v["ci95"] is None else f"{v['ci95'][0]:+.2f} to {v['ci95'][1]:+.2f}"]
            for name, v in r["over_sets"].items()]  # fmt: skip
    most = max(len(s["candidates"]) for s in r["sets"].values())
    drawn = ", ".join("{} {:.2f} to {:.2f}".format(n, *s["tau_ci95"]["probe"]) for n, s in r["sets"].items())
    return [f"Over the {len(r['sets'])} sets and up to {most} networks, with Student's interval over sets (of the "
            "probe, what tau owes to the items judged, drawn anew: " + drawn + "):", "",
            *table(["tau", "mean", "95 % interval"], rows)]  # fmt: skip


def defaults(r: dict[str, Any]) -> list[str]:
    out = ["## Which network where none is named (`bench_defaults.py`)", "",
           "Five folds of the training part, pooled; in points what each network has over the first, paired; items a "
           "second of the frozen network on two cores, decoding included.", ""]  # fmt: skip
    head = ["data", "network", "accuracy (95 % interval)", "points", "items a second"]
    parts = [(name, one) for name, one in r.get("photos", {}).get("sets", {}).items()]
    parts += [(f"{name} texts", r[name]) for name in ("english", "chinese") if name in r]
    rows = []
    for data, one in parts:
        for i, (name, m) in enumerate(one["networks"].items()):
            rate = "" if m["items_per_second"] is None else f"{m['items_per_second']:.0f}"
            rows.append([f"{data} ({one['items']:,})", name, interval(m), points(m["over"]) if i else "", rate])
    return [*out, *table(head, rows)]


def ranking(r: dict[str, Any]) -> list[str]:
    out = ["## Which network (`bench_ranking.py`)", ""]
    if "speed" in r:
        one, every = (r["speed"][k]["times_faster"] for k in ("one_thread", "all_threads"))
        shape = " x ".join(f"{n:,}" for n in r["speed"]["shape"])
        out += [f"LogME at {shape} against the published iteration: "
                f"{one['regraft_float32']['median']:.1f} times as fast from float32 features and "
                f"{one['regraft_float64']['median']:.1f} times from float64 on one thread, "
                f"{every['regraft_float32']['median']:.1f} and {every['regraft_float64']['median']:.1f} times on "
                f"{r['speed']['all_threads']['threads']} (medians of pairs in turns).", ""]  # fmt: skip
    if "scores" in r:
        out += ["Weighted Kendall tau of each score with the test accuracy of a probe, in brackets over how many "
                "networks where not over all (`parameters`, a list by size, is the control):", ""]  # fmt: skip
        out += taus(r["scores"]["sets"])
        out += over_sets(r["scores"])
    if "tuned" in r:
        out += ["The same with the accuracy of four networks fine-tuned (lp-ft):", ""]
        out += taus(r["tuned"])
    for name, one in r.get("auto", {}).items():
        out += [f"`--backbone auto` on {name}: {one['chosen']}, {one['accuracy']:.4f}; the best of all, {one['best']}, "
                f"{one['accuracies'][one['best']]:.4f}; difference {points(one['gain'])} points, in "
                f"{100 * one['share']:.0f} % of the time of trying all.", ""]  # fmt: skip
    if "tasks" in r:
        out += [f"Three tasks on one set of photos take {r['tasks']['ratio_median']:.2f} times as long as one; answers "
                f"{'equal' if r['tasks']['equal_to_the_bit'] else 'differ from'} those of single models to the bit.",
                ""]  # fmt: skip
    if "fusion" in r:
        rows = [[n, *(f"{a:.4f}" for a in f["accuracy"].values()), *(points(g) for g in f["gain_over"].values())]
                for n, f in r["fusion"].items()]  # fmt: skip
        out += table(
            ["5 folds", "mobilenet_v2", "squeezenet1_0", "both", "gain over the first", "over the second"], rows
        )
    return out


def uncertainty(r: dict[str, Any]) -> list[str]:
    out = ["## Numbers and uncertainty (`bench_uncertainty.py`)", ""]
    if "table" in r:
        folds = ", ".join(f"{name} {v:.4f}" for name, v in r["table"]["r2_of_ten_folds"].items())
        out += [f"scikit-learn's diabetes table: `Regressor(\"raw\", alpha=0)` differs from LinearRegression by up to "
                f"{r['table']['largest_difference']:.1e}; R² by ten folds: {folds}.", ""]  # fmt: skip
    if "cells" in r:
        c = r["cells"]
        out += [f"Red cells in a BCCD picture from mobilenet_v2, on the test part (the mean alone: rmse "
                f"{c['mean_on_test']['rmse']:.3f}):", ""]  # fmt: skip
        out += table(["method", "rmse (95 % interval)", "R²", "held by the 90 % interval"], [
            [name, "{:.3f} ({:.3f} to {:.3f})".format(m["test"]["rmse"], *m["test"]["rmse_ci95"]),
             f"{m['test']['r2']:.3f}", f"{m['test']['interval']['coverage']:.3f}"]
            for name, m in c.items() if "test" in m])  # fmt: skip
    if "unlike" in r:
        scores = ("mahalanobis", "relative", "knn", "entropy")
        out += ["AUROC of inputs unlike the training data against those like it, beside the answers' entropy:", ""]
        rows = [[model, name, *(f"{v[k]:.3f}" if k in v else "" for k in scores), f"{v['flagged']:.3f}",
                 f"{m['flagged_of_the_usual']:.3f}"]
                for model, m in r["unlike"].items() for name, v in m.items() if isinstance(v, dict)]  # fmt: skip
        out += table(["model", "against", *scores, "flagged", "flagged of the usual"], rows)
    if "abstain" in r:
        shares = list(next(iter(r["abstain"].values()))["accuracy_by_share_left"])
        out += ["Accuracy where the least certain by entropy are left to a person, by the share left:", ""]
        out += table(["data", *shares], [
            [name, *(f"{v:.4f}" for v in m["accuracy_by_share_left"].values())] for name, m in r["abstain"].items()
        ])  # fmt: skip
    return out


def coverage(r: dict[str, Any]) -> list[str]:
    out = ["## Promised and found (`bench_coverage.py`)", "",
           "How often what regraft prints held in simulation. Each row is of as many draws as it says, each with data "
           "of its own; where few items carry no promise it is refused.", ""]  # fmt: skip
    rows = []
    for part in (v for v in r.values() if isinstance(v, dict) and "rows" in v):
        for row in part["rows"]:
            found = "" if row["found"] is None else f"{row['found']:.3f} ± {row['standard_error']:.3f}"
            rows.append(
                [row["what"], row["setting"], f"{row['promised']:g}", found, row["draws"], row["refused"] or ""]
            )
    return out + table(["what", "setting", "promised", "found", "draws", "refused"], rows)


def tables(r: dict[str, Any]) -> list[str]:
    out = ["## Small tables (`bench_tables.py`)", "",
           f"Mean of {r['draws']} draws, a fifth judged, beside scikit-learn's StandardScaler with "
           "LogisticRegressionCV and with BayesianRidge; paired difference in points.", ""]  # fmt: skip
    for metric, title in (("accuracy", "accuracy"), ("r2", "R²")):
        out += table(["table", "rows", "columns", f"{title}, regraft", "scikit-learn", "points"], [
            [name, t["rows"], t["columns"], f"{t['regraft']:.4f}", f"{t['scikit-learn']:.4f}",
             f"{t['points']:+.2f} ± {t['standard_error']:.2f}"] for name, t in r[metric].items()])  # fmt: skip
    return out


def audit(r: dict[str, Any]) -> list[str]:
    parts = {k: v for k, v in r.items() if isinstance(v, dict) and "runs" in v}
    one = next(iter(parts.values()))
    out = [
        "## Label errors (`bench_audit.py`)",
        "",
        f"{100 * one['share']:g} % of the labels moved to another class, {one['seeds']} seeds, mean (lowest to highest); what "  # noqa: E501
        "`regraft audit` suggests beside cleanlab's default (pruning by noise rate) on the same probabilities. The sets' own "  # noqa: E501
        "errors count as false alarms. Accuracy: of the out-of-fold answers, against the labels before.",
        "",
    ]

    def over(runs: list[dict[str, Any]], *keys: str) -> str:
        values = []
        for run in runs:
            v: Any = run
            for key in keys:
                v = v[key]
            values.append(v)
        return f"{sum(values) / len(values):.3f} ({min(values):.3f} to {max(values):.3f})"

    names = {"cifar": "CIFAR-10 subset", "english": "reviews, English", "chinese": "reviews, Chinese"}
    out += table(["data", "items", "network", "accuracy", "flipped", "by", "found", "precision", "recall"], [
        [names[k], p["items"], f"{p['backbone']}, {p['size']} pixels" if p["size"] else p["backbone"],
         over(p["runs"], "accuracy"), p["flipped"], by,
         round(sum(run[by]["found"] for run in p["runs"]) / len(p["runs"])),
         over(p["runs"], by, "precision"), over(p["runs"], by, "recall")]
        for k, p in parts.items() for by in ("regraft", "cleanlab")])  # fmt: skip
    out += table(["data", "precision of the first, as many as were flipped", "average precision by self-confidence",
                  "by margin", "equal to cleanlab by the same rule"], [
        [names[k], over(p["runs"], "precision_of_the_first"), over(p["runs"], "average_precision", "self_confidence"),
         over(p["runs"], "average_precision", "margin"),
         f"{sum(run['equal_by_the_same_rule'] for run in p['runs'])} of {len(p['runs'])}"]
        for k, p in parts.items()])  # fmt: skip
    return out


def calibration(r: dict[str, Any]) -> list[str]:
    versions = r["versions_of_the_probe"]
    out = ["## Probabilities of few labels (`bench_calibration.py`)", "",
           "Mean of 5 draws, judged on all other items (3,000 at most): accuracy; ECE and log loss of the probe by "
           f"{' and '.join(versions)}.", ""]  # fmt: skip
    rows = []
    for name, found in versions["now"].items():
        for labels, m in ((k, v) for k, v in found.items() if isinstance(v, dict)):
            each = [v[name][labels] for v in versions.values() if labels in v.get(name, {})]
            rows.append([name, labels, f"{m['accuracy']['mean']:.3f}",
                         *(f"{e[k]['mean']:.3f}" for k in ("ece", "log_loss") for e in each)])  # fmt: skip
    heads = [f"{title}, {v}" for title in ("ECE", "log loss") for v in versions]
    return out + table(["data, network", "labels a class", "accuracy", *heads], rows)


def detection(r: dict[str, Any]) -> list[str]:
    out = ["## Boxes (`bench_detection.py`)", ""]

    def rows(part: dict[str, Any]) -> list[list[Any]]:
        return [[name, *(spread(m, k) for k in ("map50", "map")), len(m["runs"]), f"{m['seconds_median']:.0f}"]
                for name, m in part.items()]  # fmt: skip

    def spread(m: dict[str, Any], k: str) -> str:
        ends = f" ({m[f'{k}_lowest']:.3f} to {m[f'{k}_highest']:.3f})" if len(m["runs"]) > 1 else ""
        return f"{m[k]:.3f}{ends}"

    head = ["mAP50 (lowest to highest)", "mAP", "seeds", "seconds"]
    if "bccd" in r:
        out += ["BCCD's 72 test pictures, 205 to learn from; seconds of the fit, start-up included:", ""]
        out += table(["detector", *head], rows(r["bccd"]))
        shown = [f"{name}: `{next(iter(m['runs'].values()))['options']}`" for name, m in r["bccd"].items()]
        out += [f"Options: {'; '.join(shown)}.", ""]
    if "fewer" in r:
        out += ["The same with fewer pictures to learn from (`yolo`):", ""]
        out += [
            *table(["pictures, method", *head], rows(r["fewer"])),
            "![fewer pictures](results/fewer_pictures.png)",
            "",
        ]
    if "fusion" in r:
        out += ["A frozen pretrained body beside a small one that learns, under one SSD head, against each alone:", ""]
        out += table(["body", *head], rows(r["fusion"]))
    if "heads" in r:
        h = r["heads"]
        out += [f"`head-only` on stored maps: {h['times_faster']:.1f} times as fast a step as with the frozen blocks "
                f"computed; the removed operations allow {h['operations_with_frozen_blocks'] / 1e9:.1f} / "
                f"{h['operations_of_the_head'] / 1e9:.1f} = {h['allowed']:.1f}; reached: "
                f"{100 * h['share']:.0f} %.", ""]  # fmt: skip
    if "formats" in r:
        f = r["formats"]
        out += [f"BCCD as {f['way']}: {f['pictures_after']} of {f['pictures']} pictures, "
                f"{f['pictures_with_as_many_boxes']} with as many boxes, {f['pictures_with_the_same_classes']} with the "  # noqa: E501
                f"same classes; no corner moved by more than {f['largest_difference_of_a_corner_in_pixels']:.1e} "
                "pixels.", ""]  # fmt: skip
    return out


def detector_speed(r: dict[str, Any]) -> list[str]:
    one, eight = (r["times_faster"][k] for k in ("plain 1", "plain 8"))
    out = ["## Boxes, the speed (`bench_detector_speed.py`)", "",
           f"YOLOX-nano at 416, {r['pictures']:,} JPEG files to boxes on {r['threads']} threads: "
           f"{r['pictures_a_second']['regraft']:.0f} pictures a second by {r['engine']}, {one['median']:.2f} times the "
           f"plain PyTorch float32 loop ({one['least']:.2f} to {one['most']:.2f}) and {eight['median']:.2f} times the "
           f"same in batches of 8 ({eight['least']:.2f} to {eight['most']:.2f}; processes of their own, in turns, "
           f"{r['rounds']} rounds). The first run, which chooses and converts, takes {r['first_run_seconds']:.1f} s, "
           f"later ones {r['seconds']['regraft']['median']:.1f} s.", ""]  # fmt: skip
    parts = ", ".join(f"{k} {v:.1f}" for k, v in r["milliseconds_a_picture"].items())
    out += [f"Milliseconds a picture, each step by itself: {parts}.", ""]
    if "map" in r:
        by = "; ".join(f"{k} {v['map']:.4f} (mAP50 {v['map50']:.4f})" for k, v in r["map"].items() if k != "epochs")
        out += [f"mAP on BCCD's test pictures after {r['map']['epochs']} epochs: {by}.", ""]
    return out


def startup(r: dict[str, Any]) -> list[str]:
    versions = [v for v in ("before", "now") if v in next(iter(r["seconds"].values()))]
    out = ["## Start-up, and the rest of a fit (`bench_startup.py`)", "",
           f"Seconds by the clock (of the processor), medians of {r['rounds']} rounds in turns, on a warm disk; "
           f"threads: {r['threads']}; load of the machine at the end: {r['load_average'][0]:.1f}.", ""]  # fmt: skip
    rows: list[list[Any]] = []
    for name, of in r["seconds"].items():
        if "beyond torch" in of["now"]:
            rows += [
                [f"{name}: {part}", *(f"{of[v][part]:.2f}" for v in versions)] for part in ("torch", "beyond torch")
            ]
        else:
            rows.append([name, *(f"{of[v]['clock']:.2f} ({of[v]['processor']:.2f})" for v in versions)])
    return out + table(["", *versions], rows)


def of(values: dict[str, float], digits: int = 1) -> str:
    """A median with the least and the most."""
    return f"{values['median']:.{digits}f} ({values['least']:.{digits}f} to {values['most']:.{digits}f})"


def speed(r: dict[str, Any]) -> list[str]:
    out = ["## Frozen features (`bench_speed.py`)", ""]
    if "end_to_end" in r:
        e = r["end_to_end"]
        out += [f"{e['photos']:,} JPEG photos of 500 x 375 pixels on disk to rows on disk, {e['rounds']} rounds in "
                "turns, the engine chosen and the network converted before; plain is eager float32 with torchvision's "
                "transform and a loader of 2 workers, best is PyTorch in bfloat16, channels last, inference mode; "
                "times faster with the least and the most of the rounds.", ""]  # fmt: skip
        out += table(["network", "engine", "images a second", "plain", "best", "times plain", "times best",
                      "of what its parts allow", "first run, s"], [
            [name, n["engine"], *(f"{n['images_a_second'][p]:.0f}" for p in ("regraft", "plain", "best")),
             of(n["times_faster"]["plain"]), of(n["times_faster"]["best"]),
             f"{n['share_of_what_parts_allow']:.0%}" if "share_of_what_parts_allow" in n else "-",
             f"{n['first_run_seconds']:.1f}"] for name, n in e.items() if isinstance(n, dict)])  # fmt: skip
    if "one" in r:
        out += ["", "One picture through a loaded model (hymenoptera, mobilenet_v2), milliseconds, medians of 50.", ""]
        out += table(["engine", "predict", "the engine's own pass", "decoding", "decoding, then the pass",
                      "times pass and decoding apart", "times one after the other"], [
            [name, *(f"{n[k]['median']:.1f}" for k in ("predict", "pass", "decode", "decode_then_pass")),
             f"{n['times_pass_and_decode']:.2f}", f"{n['times_decode_then_pass']:.2f}"]
            for name, n in r["one"].items()])  # fmt: skip
    if "fit" in r:
        f = r["fit"]
        mean = {k: sum(x["accuracy"] for x in f[k]) / f["rounds"] for k in ("regraft", "fastai")}
        middle = {k: sorted(x["seconds"] for x in f[k])[f["rounds"] // 2] for k in ("regraft", "fastai")}
        out += ["", f"The whole command `regraft fit` on hymenoptera with nothing stored, controls, intervals and "
                f"report included, against fastai's fine_tune(3), {f['rounds']} rounds in turns: "
                f"{middle['regraft']:.1f} "
                f"and {middle['fastai']:.1f} s, {of(f['times_faster'])} times as fast; accuracy "
                f"{mean['regraft']:.4f} and {mean['fastai']:.4f}.", ""]  # fmt: skip
    if "accuracy" in r:
        out += ["", "Hymenoptera by engine, photos that are right:", ""]
        out += table(["engine", "right"], [[n, f"{v['right']} of {v['of']}"] for n, v in r["accuracy"].items()])
    return out


def stress(r: dict[str, Any]) -> list[str]:
    out = ["## Under stress (`bench_stress.py`)", ""]
    if "memory" in r:
        out += ["Peak of the memory above what the process takes before the first picture, pictures of 224 x 224 "
                "pixels through squeezenet1_1 into a store:", ""]  # fmt: skip
        out += table(["pictures", "engine", "MB above idle", "of these rows, MB", "seconds"], [
            [f"{int(n):,}", v["engine"], f"{v['above_idle_megabytes']:.0f}", f"{v['row_megabytes']:.0f}",
             f"{v['seconds']:.0f}"] for n, v in r["memory"].items()])  # fmt: skip
    if "kills" in r:
        k = r["kills"]
        out += ["", f"{k['rounds']} extractions of {k['pictures']} pictures, {k['killed']} of them killed with -9 at a "
                f"random moment, each resumed by the next: rows {'equal' if k['equal_to_the_bit'] else 'NOT equal'} to "
                "the bit to those of an undisturbed one, "
                f"{k['pictures_of_finished_shards_run_again']} pictures of finished shards run again.", ""]  # fmt: skip
    return out


def explain(r: dict[str, Any]) -> list[str]:
    def spread(m: dict[str, float]) -> str:
        return f"{m['mean']:.3f} ({m['low']:.3f} to {m['high']:.3f})"

    out = ["## Where Grad-CAM points (`bench_explain.py`)", "",
           f"The share of maps of the true class whose maximum lies on a pattern pasted into a photo, {r['pictures']} "
           f"pictures, mean of the seeds {r['seeds']} (lowest to highest); chance, the pattern's share of the picture, is "  # noqa: E501
           f"{r['chance']:.3f}. A probe on frozen features; `random:` has learned nothing.", ""]  # fmt: skip
    return out + table(["network", "Grad-CAM points at it", "accuracy"],
                       [[n, spread(m["grad_cam"]), spread(m["accuracy"])]
                        for n, m in r["networks"].items()])  # fmt: skip


def serve(r: dict[str, Any]) -> list[str]:
    out = ["## The service (`bench_serve.py`)", ""]
    if "speed" in r:
        s = r["speed"]
        out += [f"{r['network']}, photos of hymenoptera, the load generator on the same cores, the median of "
                f"{s['rounds']} rounds in turns; plain: a FastAPI handler around eager PyTorch, the faster of one "
                "called in threads and one in the loop, by which each round's ratio goes (lowest to highest):",
                ""]  # fmt: skip
        rows = []
        for clients, one in s["clients"].items():
            plain = max((one["plain"], one["plain_async"]), key=lambda f: f["a_second"])
            told = [f"{f['a_second']:.0f} ({f['p50_ms']:.0f}, {f['p99_ms']:.0f})" for f in (one["service"], plain)]
            times = "{:.2f} ({:.2f} to {:.2f})".format(one["times"], *one["times_range"])
            rows.append([clients, *told, times])
        out += table(["clients", "service: a second (p50, p99 in ms)", "plain", "times"], rows)
    if "restarts" in r:
        s = r["restarts"]
        seen = ", ".join(f"{k} {n:,}" for k, n in s["errors_seen_by_clients"].items())
        out += [f"{s['requests']:,} requests, two restarts between: {s['answered']:,} answered, {s['wrong']} of them "
                f"not as `predict` answers ({s['distinct']} of {s['pictures']} pictures have an answer of their own), "
                f"{s['lost']} lost; errors that clients saw and asked again after: {seen}; exit statuses "
                f"{s['exit_statuses']}.", ""]  # fmt: skip
    if "fuzz" in r:
        s = r["fuzz"]
        out += [f"{s['uploads']:,} mutated uploads: statuses {s['statuses']}; memory from {s['memory_mib'][0]:,} to "
                f"{s['memory_mib'][-1]:,} MiB, {s['memory_peak_mib']:,} at its peak.", ""]  # fmt: skip
    if "schema" in r:
        s = r["schema"]
        out += [f"schemathesis, {s['examples_an_operation']} examples an operation: exit status {s['exit_status']} "
                f"({', '.join(s['checks'])}).", ""]  # fmt: skip
    return out


def export(r: dict[str, Any]) -> list[str]:
    out = ["## Exported models beside their own (`bench_export.py`)", "",
           "Every input answered by the export's own `predict.py` in a process without torch and regraft, against "
           "`regraft predict` in float32; the difference is that of probabilities, of scores, or of numbers in units "
           "of sigma.", ""]  # fmt: skip
    rows = [[r[name]["what"], to, m["inputs"], "none" if m["labels_equal"] is None else m["labels_equal"],
             f"{m['largest_difference']:.1e}", m["megabytes"]]
            for name in r if isinstance(r[name], dict) and "what" in r[name]
            for to, m in r[name].items() if to != "what"]  # fmt: skip
    out += table(["data and model", "to", "inputs", "labels equal", "largest difference", "MB"], rows)
    apart = {to: m["pixels"] for to, m in r.get("bccd", {}).items() if to != "what"}
    if apart:
        told = ", ".join(f"{to} {p['largest']:.1f} of {p['boxes']:,} boxes" for to, p in apart.items())
        out += ["", f"The largest distance of an edge on BCCD's pictures, in their pixels: {told}."]
    return [*out, ""]


def ensembles(r: dict[str, Any]) -> list[str]:
    out = ["## Several networks, several trainings (`bench_ensembles.py`)", ""]
    if "hymenoptera" in r:
        h = r["hymenoptera"]
        out += [f"Hymenoptera, {h['items']} photos judged by {h['folds']} folds, pooled; `auto` chooses and joins "
                "inside every fold:", ""]  # fmt: skip
        out += table(["network", "accuracy (95 % interval)", "log loss", "seconds"], [
            [f"auto ({m['backbone']} of all)" if name == "auto" else name, interval(m), f"{m['log_loss']:.3f}",
             m["seconds"]] for name, m in h.items() if isinstance(m, dict)])  # fmt: skip
    if "cifar_features" in r:
        f = r["cifar_features"]
        out += [f"CIFAR-10 subset, 2,000 test, features alone, by `auto`: {f['backbone']} {interval(f)} in "
                f"{f['seconds']} s.", "", *(f"- {line}" for line in f["fusion"]["told"]), ""]  # fmt: skip
    if "cifar_trained" in r:
        t = r["cifar_trained"]
        ready = sum(m["minutes"] <= 40 for m in t["averaged"])
        told = f"and the mean of the answers of those that are ready; {ready} are within 40 minutes:"
        out += [f"The same pictures by networks that are trained, one after the other, {told}", ""]
        out += table(["trained", "alone (95 % interval)", "minutes", "mean of all so far", "over the first, points"], [
            [one["options"], interval(one), m["minutes"], interval(m), points(m.get("over_first"))]
            for one, m in zip(t["trained"].values(), t["averaged"], strict=True)])  # fmt: skip
    if "soup" in r:
        s = r["soup"]
        out += [f"The four classes of CIFAR-10 that regraft_tiny never saw, {s['options']}, alone and as a soup of "
                f"{s['members']}:", ""]  # fmt: skip
        out += table(["seed", "alone", "soup", "averaged", "seconds"], [
            [i, interval(row["alone"]), interval(row["soup"]), sum(m["taken"] for m in row["members"]),
             f"{row['alone']['seconds']}, {row['soup']['seconds']}"]
            for i, row in enumerate(s["by_seed"])])  # fmt: skip
        out += [f"The soup's gain over all seeds: {points(s['gain'])} points.", ""]
    return out


def distill(r: dict[str, Any]) -> list[str]:
    out = ["## A teacher's answers in a small network (`bench_distill.py`)", "",
           "CIFAR-10 subset; judged on test pictures that neither has learned from. Labels alone: the same student "
           "by the same method without a teacher.", ""]  # fmt: skip
    rows = []
    for part in ("tiny", "half"):
        for run in r.get(part, {}).get("runs", ()):
            judged, speed = run["judged"], run["speed"]
            size = r[part]["student"].get("size")
            less = [judged[f"student_less_{n}"] for n in ("teacher", "labels_alone")]
            rows.append([f"{run['student']['backbone']}{f' at {size} px' if size else ''}", run["seed"],
                         *(interval(judged[n]) for n in ("teacher", "student", "labels_alone")),
                         *(f"{100 * d['value']:+.1f} ({100 * d['ci95'][0]:+.1f} to {100 * d['ci95'][1]:+.1f})"
                           for d in less),
                         f"{speed['times']:.1f}", f"{run['teacher']['megabytes']:.0f} to "
                         f"{run['student']['megabytes']:.0f}"])  # fmt: skip
    out += table(["student", "seed", "teacher", "student's accuracy", "labels alone", "points less teacher",
                  "points over labels alone", "times faster", "MB"], rows)  # fmt: skip
    for part in [p for p in ("tiny", "half") if p in r]:
        n = r[part]["pictures"]
        out += [f"{r[part]['student']['into']}, {r[part]['student']['method']}: {n['labelled']:,} labels, "
                f"{n['free']:,} pictures without, {n['judged']:,} judged; teacher {r[part]['teacher']}; "
                f"{100 * r[part]['kept']:.1f} % of its accuracy kept.", ""]  # fmt: skip
    return out


SECTIONS = {
    "spine": spine,
    "pictures": pictures,
    "training": training,
    "adaptation": adaptation,
    "ranking": ranking,
    "defaults": defaults,
    "ensembles": ensembles,
    "text": text,
    "text_speed": text_speed,
    "text_speed_e5": text_speed,
    "probe": probe,
    "detection": detection,
    "detector_speed": detector_speed,
    "domains": domains,
    "uncertainty": uncertainty,
    "coverage": coverage,
    "tables": tables,
    "calibration": calibration,
    "audit": audit,
    "startup": startup,
    "speed": speed,
    "stress": stress,
    "explain": explain,
    "serve": serve,
    "export": export,
    "distill": distill,
}


DOMAINS = """# Another domain

A labelled source, a target without labels. `regraft fit SOURCE --target TARGET` adapts, by the method that `--method`
names or by `auto`, keeps the model of the source alone beside it, and reports both. Look at `regraft shift SOURCE
TARGET` first: it says how far the two lie apart and whether adapting is worth it. Where the target has labels, what a
model of the source does there comes before every distance: adapting is not advised where it is right on 99 %, nor where
what it loses against source items left out may be nothing by the 95 % interval (Newcombe 1998). What the network's own
pretraining saw of either domain is told beside the accuracy.

## What chooses

The target's labels never do, also where its format carries some: those are read for the report only. The epoch of a
method that trains, and with `--method auto` the method, are chosen by the soft neighbourhood density of the answers on
the target (SND, Saito et al. 2021): answers that are alike for many items at once. It was fixed beforehand for two
reasons. No method here makes it large itself, while entropy, information maximisation and the nuclear norm are what
`shot`, `mcc`, `pseudo-label` and `self-training` optimise and so cannot judge them. And it was looked at on MNIST ->
scikit-learn's digits alone, whose rank correlation stands below with those of the others. What SND cannot see is a
collapse: answers that are all alike are the densest there are. So a model whose answers on the target
tell less than half of the nats that source-only's tell on the source is never preferred to one whose answers tell more,
and the report says that they look collapsed. A target with far fewer classes than the source, or nearly all of one, can
look so too, and answers that are right but very unsure. The report names the other validators as well, and says so
where most of the independent ones favour the model of the source alone.

## Which method

Seconds, on features: `coral`, `subspace-alignment`, `ot`, `self-training`, `mixture`. Minutes, on the network: `shot`
needs the source's model only (`--init RUN`), `mcc` and `cdan` both domains; `adabn` takes the target's batch
statistics and trains nothing. `predict --adapt tent` adapts a finished model to what it is asked about.

## From one language to another, from one kind of text to another

```
regraft fit english.csv --target chinese.csv --backbone e5-small[join]
```

learns from texts that have labels in one language and answers in another: with a network that reads both, such as
`e5-small`, what is learned lies in the same place of its features. The view `join` is for Chinese that was cut into
words; it leaves English as it is. The target's table needs a column of texts and nothing more; its columns may be
called otherwise than the source's. Labels that it has are read for the report, rows without one are adapted to as
well. Of the parts train and test, where it has these, the first is adapted to and the second judged, so that only the
second needs labels; a column that only looks like a label and has none of the source's classes is said to be none.

`auto` tries `self-training` and `mixture` on texts. `mixture` takes the probe's logits on the target for a mixture of
normal distributions, one a class, and so finds the border anew where the target has shifted it or has other class
sizes, then learns from the target's own most certain answers. Methods that bring the domains as wholes together
(`coral`, `subspace-alignment`) draw texts into the wrong class where the classes are of other sizes there, as with a
target that complains twice as often as it praises.

On pairs kept for choosing (`bench_text.py development`, in benchmarks/RESULTS.md) `mixture` is right on 73.6 % on
average, source-only on 68.8, `self-training` on 68.5: it saves what a shift would lose, 40 % becoming 64, and where
there is little to mend it may lose up to four points. Its probabilities are surer than they should be. On the two
pairs judged here `self-training` is the better one, which chose nothing.

It helps where the network reads both languages and the classes mean the same; what is reached, with no label of the
target, stands here. A network that has seen one language alone stays at chance on the other (minilm 0.507, learned
from English and asked in Chinese). Where some labels of the target can be had, `--target-labels` learns from them too.

"""


def domains_page() -> str:
    """The page on domain adaptation, with the table of the benchmark."""
    path = HERE / "results" / "domains.json"
    found = domains(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else ["## Not yet", ""]
    texts = HERE / "results" / "text.json"
    said = without_target_labels(json.loads(texts.read_text(encoding="utf-8"))) if texts.exists() else []
    return DOMAINS + "\n".join([*said, "## Measured", "", *found[2:]])


def render() -> str:
    out = ["# Results", "",
           "Generated by `python benchmarks/results.py` from `benchmarks/results/*.json`, which hold seeds, versions and commands.", ""]  # noqa: E501 # fmt: skip
    for name, section in SECTIONS.items():
        path = HERE / "results" / f"{name}.json"
        if path.exists():
            out += section(json.loads(path.read_text(encoding="utf-8")))
    return "\n".join(out)


if __name__ == "__main__":
    (HERE / "RESULTS.md").write_text(render(), encoding="utf-8")
    (HERE.parent / "docs" / "domains.md").write_text(domains_page(), encoding="utf-8")
