"""How is shown what was learned from data, or what the data is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regraft.cli.printing.basics import Written, box_figures, figures, problems, table, took
from regraft.core.types import Roles

if TYPE_CHECKING:
    from pathlib import Path

    from regraft.commands.convert import Conversion
    from regraft.commands.demo import DemoResult
    from regraft.data.audit.inspection import Inspection
    from regraft.pipelines.shift import Shift
    from regraft.selection.ranking import Ranking


def print_inspection(found: Inspection) -> None:
    """What the data is, in a few lines and a table of classes, then every problem."""
    print(f"{found.name}: {found.task} of {found.modality} items, recognised as {found.format} ({found.evidence})")
    parts = ", ".join(f"{n} in {p}" for p, n in found.parts.items())
    facts = [f"{found.items} items{f' ({parts})' if parts else ''}"]
    if found.sizes:
        facts.append(f"sizes: {', '.join(list(found.sizes)[:5])}")
    if found.lengths:
        facts.append("lengths: {median:,} characters in the middle, {max:,} at most".format(**found.lengths))
    if found.languages:
        facts.append("languages: " + ", ".join(f"{name} {n}" for name, n in list(found.languages.items())[:8]))
    print("; ".join(facts))
    if found.default:
        more = "".join(f"; {found.default[key]}" for key in ("better", "fault") if found.default[key])
        print(f"a fit takes {found.default['backbone']}: {found.default['why']}{more}")
    if found.roles:
        which = "--features" if found.columns else "--text, --image"
        print(f"{Roles.from_json(found.roles)} ({which}, --label, --task, --part, --group overrule)")
    if len(found.targets) > 1:
        print(f"label columns: {', '.join(f'{n} ({t})' for n, t in found.targets.items())}; choose one with --label")
    if found.numbers:
        spread = "{min:g} to {max:g}, {median:g} in the middle".format(**found.numbers)
        print(f"{next(iter(found.targets))}: {spread}")
    if found.columns:
        table(["column", "kind"], [[n, k] for n, k in found.columns.items()])
    if found.boxes:
        print("{all} boxes (small {small}, medium {medium}, large {large}); at most {most} in a picture, "
              "{pictures_without} pictures without".format(**found.boxes))  # fmt: skip
        table(["class", "boxes", "pictures", "median size"],
              [[c, n, *found.box_classes[c].values()] for c, n in found.classes.items()])  # fmt: skip
    elif found.classes:
        table(["class", "items"], [[c, n] for c, n in found.classes.items()])
    print(f"{len(found.problems) or 'no'} problem{'' if len(found.problems) == 1 else 's'}")
    for p in found.problems:
        print(f"  {p.kind}: {p.item}: {p.message}")


def print_conversion(found: Conversion) -> None:
    """What was written, and what was lost on the way."""
    parts = ", ".join(f"{n} in {p}" for p, n in found.parts.items())
    print(f"{found.out}: {found.pictures} pictures{f' ({parts})' if parts else ''} with {found.boxes} boxes of "
          f"{len(found.classes)} classes, from {found.format} to {found.to}")  # fmt: skip
    for what, count in found.lost.items():
        print(f"warning: {found.to} has no place for {count} {what}")
    for p in found.problems:
        print(f"  {p.kind}: {p.item}: {p.message}")


def print_fits(result: dict[str, Any]) -> None:
    """One fit, or several tasks on one network."""
    for name, one in result.get("tasks", {}).items():
        print(f"{name}:")
        print_fit(one)
        print()
    if "tasks" not in result:
        return print_detection(result) if result["task"] == "detection" else print_fit(result)
    for p in result["problems"]:
        print(f"{p['kind']}: {p['item']}: {p['message']}")
    print(f"{result['run']}: model/ answers {', '.join(result['tasks'])} in one pass; {took(result['seconds'])}")
    return None


def print_fit(result: dict[str, Any]) -> None:
    """The figures beside those of controls, the gain, and what a person should know."""
    from regraft.data.folds import in_words
    from regraft.reports.content import beside, gained, judged, overlap, warnings

    val, metrics = result["metrics"]["val"], result["metrics"]
    if metrics.get("target"):
        figures(
            {f"{result['method']}, on the target": metrics["target"], **metrics["controls"], "on the source": val}
            if val
            else {f"{result['method']}, on the target": metrics["target"], **metrics["controls"]}
        )
    elif val:
        figures({f"{result['backbone']}, {result['method']}": val, **metrics["controls"]})
    if val and (crossed := result["cross_validation"]):
        print(f"each of {result['items']['val']} items judged by models that had not seen it ({in_words(crossed)}); "
              "the saved model learned from all")  # fmt: skip
    counts, said = judged(result), overlap(result)
    if counts and said:
        print(beside(counts, said))
    if val and "interval" in val:
        print("intervals of {level:g} hold {coverage:.4f} of the numbers; {width:.4g} wide".format(**val["interval"]))
    for q, f in (val or {}).get("quantiles", {}).items():
        print(f"quantile {q}: {100 * f['below']:.1f} % lie below it (pinball loss {f['pinball']:.4g})")
    for name, d in (metrics.get("domains") or {}).items():
        if d["joint"]:
            both = {f"{name}, joint": d["joint"]} | ({f"{name}, alone": d["alone"]} if "alone" in d else {})
            figures(both)
            about_domain(name, d)
    gain = result["gain"]
    if gain:
        print(f"gain over {gain['against']}: {gained(gain)}")
    if metrics.get("distillation"):
        print_distillation(metrics["distillation"])
    parts = metrics.get("parts")
    if parts:
        figures({**{f"{name} alone": m for name, m in parts["alone"].items()}, "late fusion": parts["late"],
                 **({"stacked": parts["stacked"]} if parts.get("stacked") else {})})  # fmt: skip
        for name, g in parts["adds"].items():
            print(f"{name} adds to the others: {gained({'metric': gain and gain['metric'], **g})}"
                  f"{': nothing that the data can tell' if name in parts['nothing'] else ''}")  # fmt: skip
    if metrics.get("unlike"):
        print("unlike the training data: {flagged} of {items} judged items".format(**metrics["unlike"]))
    over = result.get("gain_over_probe")
    if over and gain and gain["against"] != "linear-probe":
        print(f"gain over linear-probe: {gained(over)}")
    print_search(result["choice"].get("search"))
    for step in result["choice"].get("auto", ()):
        how = step.get("skipped") or f"inner log loss {step['inner_log_loss']:.4f} in {step['seconds']:.0f} s"
        print(f"tried {step['method']}: {how}")
    if metrics.get("abstaining"):
        print(abstention(metrics["abstaining"]))
        print(certainty(result["decision"]["cross_validated"]))
    for text in warnings(result):
        print(f"warning: {text}")
    problems(result["problems"])
    left = ["model/", *(n for n in ("report.html", "predictions.csv") if Path(result["run"], n).exists())]
    print(f"{result['run']}: {', '.join(left)}; {took(result['seconds'])}"
          f"{', features from the store' if result['cached'] else ''}")  # fmt: skip


def print_distillation(found: dict[str, Any]) -> None:
    """Teacher, student and the student of labels alone; how far they lie apart; how often they agree."""
    from regraft.reports.content import distilled_in_words

    names, judged = {"teacher": "teacher", "student": "student", "labels_alone": "labels alone"}, found["judged"] or {}
    rows = [[f"{shown}, {found[name]['backbone']}" if name in found else shown,
             *(("{accuracy:.4f}".format(**judged[name]), "{:.4f} to {:.4f}".format(*judged[name]["accuracy_ci95"]))
               if name in judged else (None, None)),
             *((Written(f"{found[name]['megabytes']:.1f}"), Written(f"{found[name]['items_a_second']:,.0f}"))
               if name in found else (None, None))]
            for name, shown in names.items() if name in found or name in judged]  # fmt: skip
    table(["", "accuracy", "95 % interval", "MB", "items/s"], rows)
    for line in distilled_in_words(found):
        print(line)


def about_domain(name: str, found: dict[str, Any]) -> None:
    """What else is said of one domain of several."""
    if found.get("abstaining"):
        print(f"{name}: {abstention(found['abstaining'])}")
    if found.get("unlike"):
        print(f"{name}: unlike its training data are {{flagged}} of {{items}} judged items".format(**found["unlike"]))


def abstention(a: dict[str, Any]) -> str:
    """What is left to a person, and how good the rest is."""
    low, high = a["accuracy_ci95"]
    return (f"below a confidence of {a['abstain_below']:.3f} to a person: {100 * a['left']:.1f} % of the items; "
            f"accuracy of the rest {a['accuracy'] or 0:.4f} ({low:.4f} to {high:.4f})")  # fmt: skip


def certainty(chosen: dict[str, Any]) -> str:
    """What is guaranteed of the items answered."""
    return (f"with {chosen['sure']:.0%} certainty {chosen['wanted']:g} or more of what is answered is right: of "
            f"{chosen['items']} such items that the model had not seen {chosen['accuracy']:.4f} was")  # fmt: skip


def print_search(found: dict[str, Any] | None) -> None:
    """What ``--backbone auto`` tried, round by round, and why it chose."""
    for r in found["rounds"] if found else ():
        shown = ", ".join(f"{n} {c['probe']:.3f}" if "probe" in c else n for n, c in r["candidates"].items())
        print(f"tried on {r['items']} items: {shown}"
              f"{'; logme would take ' + r['logme_would_take'] if 'logme_would_take' in r else ''}")  # fmt: skip
    for line in (found.get("fusion") or {}).get("told", ()) if found else ():
        print(line)
    for one in found["left_out"] if found else ():
        print(f"left out: {one['backbone']}: {one['why']}")


def print_detection(result: dict[str, Any]) -> None:
    """The figures of a detector."""
    from regraft.reports.detection import warnings

    val = result["metrics"]["val"]
    if val:
        box_figures(val)
    gain = result["gain"]
    if gain:
        control = result["metrics"]["controls"][gain["against"]]
        low, high = (100 * end for end in gain["ci95"])
        print(f"{gain['against']} (no transfer): map {control['map']:.4f}; gain {100 * gain['value']:+.1f} points "
              f"({low:+.1f} to {high:+.1f})")  # fmt: skip
    for text in warnings(result):
        print(f"warning: {text}")
    problems(result["problems"])
    print(f"boxes are shown from a confidence of {result['decision']['threshold']:.3f} on")
    print(f"{result['run']}: model/, report.html, detections.json; {took(result['seconds'])}")


def print_demo(found: DemoResult, page: Path, what: str) -> None:
    """What transfer was worth with few labels."""
    few = found.few
    names = list(few["curves"])
    data = "scikit-learn's digits" if what == "digits" else "reviews in English and Chinese"
    print(f"{data}, accuracy on all items not drawn, mean of {few['seeds']} draws")
    table(["labels a class", *names],
           [[n, *(few["curves"][b][i]["mean"] for b in names)] for i, n in enumerate(few["labels"])])  # fmt: skip
    print()
    print_fit(asdict(found.fit))
    print()
    table(["item", "label", "probability"],
           [[p["input"], p["label"], max(p["probabilities"].values())] for p in found.predictions])  # fmt: skip
    print(f"\nlook at {page}")


def print_ranking(found: Ranking) -> None:
    """The candidates, best first, with the controls beside the scores; who was left out; where the scores disagree."""
    from regraft.selection.ranking import dissent

    names = list(dict.fromkeys(s for r in found.ranking for s in r.scores if s != found.by))
    print(f"{found.data}: {found.items} items, ranked by {found.by}")
    table(["", "backbone", found.by, *names, "ImageNet", "million parameters", "MB", "items/s", "seconds", "seen"],
          [[("*" if r.backbone == found.choice else "") + ("|" if r.pareto else ""), r.backbone, r.score,
            *(r.scores.get(n) for n in names), r.published_accuracy, Written(f"{r.parameters / 1e6:.2f}"),
            Written(f"{r.megabytes:.1f}"), Written(f"{r.items_per_second:,.0f}"),
            Written(f"{sum(r.seconds.values()):.1f}"), f"{100 * r.seen:.0f} %" if r.seen else None]
           for r in found.ranking])  # fmt: skip
    print("| no other is as good and as fast; * the fastest that is good enough")
    for backbone, scores in dissent(found.favourites, found.ranking[0].backbone).items():
        print(f"{backbone} would be taken by {', '.join(scores)}")
    for r in found.ranking:
        if r.seen:
            print(f"warning: the pretraining of {r.backbone} saw the labels of {100 * r.seen:.0f} % of these items")
    for one in found.left_out:
        print(f"left out: {one['backbone']}: {one['why']}")
    problems(found.problems)
    if found.out:
        print(f"look at {found.out}")


def print_shift(found: Shift) -> None:
    """How far the domains lie apart, and what follows."""
    from regraft.reports.shift import overlap, saw_domains

    record = asdict(found)
    print(f"{found.source} ({found.items['source']} items) and {found.target} ({found.items['target']} items) in the "
          f"features of {found.backbone}")  # fmt: skip
    print(f"proxy A-distance {found.a_distance['value']:.2f} (0 alike, 2 apart); MMD {found.mmd:.4f}; class shares "
          f"{found.label_shift:.3f} nats apart by a probe's guesses")  # fmt: skip
    if found.as_it_is:
        low, high = (100 * v for v in found.as_it_is["accuracy_ci95"])
        print(f"a probe of the source is right on {100 * found.as_it_is['accuracy']:.1f} % of the target as it is "
              f"(95 % interval {low:.1f} to {high:.1f}){', ' * bool(said := overlap(record)) + said}")  # fmt: skip
        if found.as_it_is["on_source"]:
            print(f"and on {100 * found.as_it_is['on_source']['accuracy']:.1f} % of the source, by cross-validation")
    table(["class", "distance over spread"], [[n, d] for n, d in found.classes.items()])
    for text in saw_domains(record):
        print(f"warning: {text}")
    print(found.word)
    problems(found.problems)
    if found.out:
        print(f"look at {found.out}")
