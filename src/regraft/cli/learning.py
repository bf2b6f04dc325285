"""Commands that learn from data, or show it."""

from __future__ import annotations

import inspect as inspect_
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from regraft.cli import printing
from regraft.cli.app import app, settings_of
from regraft.cli.arguments import (
    Backbone,
    Data,
    Device,
    Drop,
    Encoding,
    Engine,
    Features,
    Format,
    Group,
    Image,
    Json,
    Label,
    Page,
    Part,
    Size,
    TaskName,
    Text,
    Threads,
    Trust,
    as_in_fit,
)
from regraft.cli.from_options import Panels, extra, with_options
from regraft.cli.printing import print_json
from regraft.core.errors import InputError
from regraft.options.data import DATA
from regraft.options.fit import OPTIONS
from regraft.options.run import RunOptions


@app.command()
def inspect(
    data: Data,
    format: Format = None,
    label: Label = None,
    text: Text = None,
    image: Image = None,
    features: Features = None,
    drop: Drop = None,
    group: Group = None,
    part: Part = None,
    encoding: Encoding = None,
    task: TaskName = None,
    as_json: Json = False,
) -> None:
    """Show what the data is: format, classes, sizes, and every problem by name."""
    from regraft.api import inspect as run

    found = run(data, format=format, label=label, text=text, image=image, features=features, drop=drop, group=group,
                part=part, encoding=encoding, task=task)  # fmt: skip
    print_json(found) if as_json else printing.print_inspection(found)


def fit(context: typer.Context, data: list[str] | None, config: Path | None, as_json: bool, **given: Any) -> None:
    """Learn from labelled data: judge honestly beside controls, then save a model, predictions and a report."""
    options = settings_of(config, {"data": data, **given}, context)
    if not options["data"]:
        raise InputError("fit needs DATA, or --config with the run.json of a run to repeat.")
    if len(options["data"]) == 1 and options["share"] is None:
        options["data"] = options["data"][0]
    from regraft.api import fit as run

    result = run(**options)
    return print_json(result) if as_json else printing.print_fits(asdict(result))


app.command(cls=Panels)(with_options(
    fit,
    [inspect_.Parameter("context", inspect_.Parameter.KEYWORD_ONLY, annotation=typer.Context),
     inspect_.Parameter("data", inspect_.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[
         list[str] | None, typer.Argument(metavar="DATA...", help=DATA)])],
    OPTIONS.values(),
    [extra("config", Path | None, None, help="run.json of a run to repeat; options given go first",
           rich_help_panel=RunOptions.PANEL),
     extra("as_json", bool, False, "--json", help="print one JSON object on stdout and nothing else",
           rich_help_panel=RunOptions.PANEL)],
))  # fmt: skip


def distill(run: str, into: str, unlabelled: str | None, as_json: bool, **given: Any) -> None:
    """Teach a slow model's answers to a small network, and say what that costs in accuracy and brings in speed.

    Judged on labelled items that the teacher has not learned from (--judge, or held out of --data), beside the same
    network on labels alone. 'regraft fit --config RUN/run.json' repeats it.
    """
    from regraft.api import distill as teach

    result = teach(run, into=into, unlabelled=unlabelled, **given)
    return print_json(result) if as_json else printing.print_fits(asdict(result))


_TAUGHT = ("temperature", "label_weight", "size", "weights", "epochs", "lr", "batch", "blocks", "augment", "mix",
           "schedule", "ema", "patience", "refit_full", "batch_norm", "outliers", "text", "image", "label", "group",
           "encoding", "trust", "engine", "device", "threads", "out", "seed", "overwrite", "resume", "track",
           "tensorboard")  # fmt: skip
"""The options of `fit` that `distill` takes too."""

app.command(cls=Panels)(with_options(
    distill,
    [inspect_.Parameter("run", inspect_.Parameter.KEYWORD_ONLY, annotation=Annotated[
        str, typer.Argument(metavar="RUN", help="the teacher: a run folder, its model/, or RUN#TASK")])],
    [one for name, one in OPTIONS.items() if name in _TAUGHT],
    [extra("into", str, inspect_.Parameter.empty, "--into", metavar="NETWORK", help="the network to teach, as "
           "--backbone of fit names it; with --size fed smaller pictures"),
     extra("unlabelled", str | None, None, "--unlabelled", metavar="DATA", help="what the teacher "
           "answers: pictures or texts as predict takes them; labels are not looked at"),
     extra("data", str | None, None, "--data", help="labelled data to learn from too, or alone"),
     extra("judge", str | None, None, "--judge", metavar="DATA", help="labelled data to judge on [default: part val, "
           "or a fifth, of --data]"),
     extra("method", str, "lp-ft", "--method", help="how the network learns: one that trains it, or linear-probe"),
     extra("as_json", bool, False, "--json", help="print one JSON object on stdout and nothing else",
           rich_help_panel=RunOptions.PANEL)],
))  # fmt: skip


@app.command()
def audit(
    data: Data,
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="a run whose network is to look; for boxes, whose detector is compared"),
    ] = None,
    backbone: Backbone = None,
    weights: Annotated[str | None, as_in_fit("weights")] = None,
    size: Size = None,
    cv: Annotated[int | None, typer.Option(min=2, help="folds, in each of which probes judge what they have not seen "
                                                       "[default: 5]")] = None,
    accept: Annotated[float | None, typer.Option(metavar="P", help="fill in the suggestions of at least this "
                                                                   "probability, such as 0.9 [default: none]")] = None,
    out: Annotated[str | None, typer.Option(help="the new folder to write [default: audits/<data>-audit-<n>]")] = None,
    format: Format = None,
    label: Label = None,
    text: Text = None,
    image: Image = None,
    features: Features = None,
    drop: Drop = None,
    group: Group = None,
    part: Part = None,
    encoding: Encoding = None,
    task: TaskName = None,
    seed: Annotated[int, typer.Option(min=0, help="decides the folds")] = 0,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """List labels that are likely wrong, copies, outliers and hard examples: a page, and a table to correct.

    Every item is judged by probes that had not seen it. In audit.csv, write the right class below new_label, or drop to
    take an item out; what stays empty stays as it is. regraft fit DATA --corrections audit.csv then learns from the
    corrected labels. For boxes MODEL is a detector, at best one that has not learned from these pictures: missing,
    doubtful and badly placed boxes are listed: write accept, add, drop or change below action.
    """
    from regraft.api import audit as run

    found = run(data, model, backbone=backbone, weights=weights, size=size, cv=cv, accept=accept, out=out,
                format=format, label=label, text=text, image=image, features=features, drop=drop, group=group,
                part=part, encoding=encoding, task=task, seed=seed, engine=engine, device=device,
                threads=threads, trust=trust)  # fmt: skip
    print_json(found) if as_json else printing.print_audit(found)


@app.command()
def augment(
    data: Data,
    policy: Annotated[str, as_in_fit("augment")] = "standard",
    out: Annotated[str, typer.Option(help="the picture to write (.png)")] = "augmented.png",
    rows: Annotated[int, typer.Option(help="how many pictures")] = 6,
    views: Annotated[int, typer.Option(help="how many views of each")] = 6,
    seed: Annotated[int, typer.Option(min=0, help="decides pictures and views")] = 0,
    as_json: Json = False,
) -> None:
    """Show what augmentation makes of the pictures: a contact sheet to look at."""
    from regraft.api import augment as run

    found = run(data, policy=policy, out=out, rows=rows, views=views, seed=seed)
    if as_json:
        return print_json(found)
    print(f"{found.out}: {len(found.rows)} pictures, each beside {found.views} views by {found.policy}"
          f"{'' if found.flips else '; not mirrored, since these classes would not mean the same'}")  # fmt: skip
    return None


@app.command()
def align(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="word vectors of one language (.vec, .bin, .npz)")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="word vectors of the other, of the same width")],
    pairs: Annotated[str, typer.Option(help="a dictionary as CC-CEDICT, or a CSV of two columns: words or texts and "
                                            "what they mean")],
    out: Annotated[str, typer.Option(help="the file to write (.npz), for --backbone vectors:FILE")] = "aligned.npz",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the file of --out")] = False,
    seed: Annotated[int, typer.Option(min=0, help="decides which pairs judge")] = 0,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Bring the word vectors of two languages into one space: learn in one, use in the other."""
    from regraft.api import align as run

    found = run(source, target, pairs, out=out, overwrite=overwrite, seed=seed)
    if as_json:
        return print_json(found)
    print(f"{found.out}: {found.words:,} words of {found.dimensions} numbers, aligned by {found.pairs:,} pairs "
          f"({found.pairs_without_vectors:,} more have no vectors)")  # fmt: skip
    if found.precision_at_1 is not None and found.precision_ci95 is not None:
        low, high = found.precision_ci95
        print(f"of {found.held_out} pairs held out, {found.precision_at_1:.3f} find their word first ({low:.3f} to "
              f"{high:.3f}; by chance {found.by_chance:.2g})")  # fmt: skip
    return None


@app.command()
def convert(
    data: Data,
    to: Annotated[str, typer.Option(metavar="FORMAT", help="coco, voc, yolo, or csv (a table of boxes)")],
    out: Annotated[str, typer.Option(metavar="FOLDER", help="the new folder to write")],
    format: Format = None,
    link: Annotated[bool, typer.Option("--link", help="hard links to the pictures in place of copies")] = False,
    as_json: Json = False,
) -> None:
    """Write detection data in another format, pictures and all."""
    from regraft.api import convert as run

    found = run(data, to=to, out=out, format=format, link=link)
    print_json(found) if as_json else printing.print_conversion(found)


@app.command()
def shift(
    source: Data,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="data of another domain; labels only report")],
    backbone: Backbone = None,
    mapping: Annotated[str | None, typer.Option(help="rename classes of TARGET: kitten=cat,puppy=dog")] = None,
    out: Page = None,
    format: Format = None,
    label: Label = None,
    text: Text = None,
    image: Image = None,
    features: Features = None,
    encoding: Encoding = None,
    seed: Annotated[int, typer.Option(min=0, help="decides which items are looked at")] = 0,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Measure how far two domains lie apart, and say whether adapting is worth it."""
    from regraft.api import shift as run

    found = run(source, target, backbone=backbone, mapping=mapping, out=out, format=format, label=label, text=text,
                image=image, features=features, encoding=encoding, seed=seed, engine=engine, device=device,
                threads=threads, trust=trust)  # fmt: skip
    print_json(found) if as_json else printing.print_shift(found)


@app.command()
def rank(
    data: Data,
    backbones: Annotated[str | None, typer.Option(help="candidates, with commas [default: all that are here]")] = None,
    scores: Annotated[str | None, typer.Option(help="scores, with commas [default: all that apply]")] = None,
    by: Annotated[str | None, typer.Option(help="the score that decides [default: probe, else logme]")] = None,
    items: Annotated[int, typer.Option(help="look at no more items than these")] = 2000,
    label: Label = None,
    text: Text = None,
    image: Image = None,
    features: Features = None,
    group: Group = None,
    part: Part = None,
    encoding: Encoding = None,
    task: TaskName = None,
    size: Size = None,
    format: Format = None,
    seed: Annotated[int, typer.Option(min=0, help="decides which items and the folds")] = 0,
    out: Page = None,
    device: Device = "auto",
    threads: Threads = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Compare pretrained networks on this data without training them: scores, size, speed, and which is good enough."""
    from regraft.api import rank as run

    found = run(data, backbones=backbones, scores=scores, by=by, items=items, label=label, text=text, image=image,
                features=features, group=group, part=part, encoding=encoding, task=task, size=size, format=format,
                seed=seed, out=out, device=device, threads=threads, trust=trust)  # fmt: skip
    print_json(found) if as_json else printing.print_ranking(found)


@app.command()
def demo(
    what: Annotated[str, typer.Argument(metavar="[WHAT]", help="digits, or text: reviews in two languages")] = "digits",
    out: Annotated[str | None, typer.Option(help="the run folder to make [default: runs/demo-WHAT]")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="draws of the few labels")] = 10,
    as_json: Json = False,
) -> None:
    """See what transfer is worth with few labels, on built-in data: needs no network connection, takes a minute."""
    from regraft.api import demo as run

    found, page = run(what, out=out, seeds=seeds)
    print_json(asdict(found) | {"report": page}) if as_json else printing.print_demo(found, page, what)
