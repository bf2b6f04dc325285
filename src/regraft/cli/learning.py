"""Commands that learn from data, or show it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from regraft.cli import arguments as options
from regraft.cli import printing
from regraft.cli.app import app, settings_of
from regraft.cli.arguments import (
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
    TaskName,
    Text,
    Threads,
)
from regraft.cli.printing import print_json
from regraft.core.errors import InputError


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
    if as_json:
        return print_json(found)
    printing.print_inspection(found)
    return None


@app.command()
def fit(
    context: typer.Context,
    data: Annotated[list[str] | None, typer.Argument(metavar="DATA...", help=options.DATA)] = None,
    share: Annotated[str | None, typer.Option(help="several tasks on one network: features (frozen, a head each), "
                                                   "parameters (all train it)")] = None,
    task_weights: Annotated[str | None, typer.Option(help="with --share parameters: uncertainty (learned), fixed (all "
                                                          "alike) [default: uncertainty]")] = None,
    soft: Annotated[float | None, typer.Option(help="with --share parameters: a network for each task, drawn together "
                                                    "by an L2 term of this strength, such as 0.01")] = None,
    val: Annotated[str | None, typer.Option(help="data to judge on [default: part val, or a held-out fifth]")] = None,
    target: Annotated[str | None, typer.Option(help="data of another domain to adapt to, without its labels")] = None,
    target_labels: Annotated[int | None, typer.Option(help="so many items of --target may be learned from with their "
                                                           "labels [default: none]")] = None,
    mapping: Annotated[str | None, typer.Option(help="rename classes of --target: kitten=cat,puppy=dog")] = None,
    backbone: Annotated[str | None, typer.Option(help=options.BACKBONE)] = None,
    weights: Annotated[str | None, typer.Option(help="a weights file in place of the catalog's")] = None,
    method: Annotated[str | None, typer.Option(help="how knowledge is transferred, see 'regraft methods' [default: "
                                                    "linear-probe; for detectors finetune]")] = None,
    detector: Annotated[str | None, typer.Option(help=options.DETECTOR)] = None,
    controls: Annotated[str, typer.Option(help="majority,raw,random (to compare with), or none; for boxes scratch "
                                               "trains the same detector without transfer too")] = options.CONTROLS,
    label: Label = None,
    text: Text = None,
    image: Image = None,
    features: Features = None,
    drop: Drop = None,
    group: Group = None,
    part: Part = None,
    encoding: Encoding = None,
    task: TaskName = None,
    class_weight: Annotated[str | None, typer.Option(help="balanced: every class weighs the same")] = None,
    size: Annotated[int | None, typer.Option(help="pixels a side of the pictures fed [default: the network's]")] = None,
    init: Annotated[str | None, typer.Option(metavar="RUN", help="start from the weights of another run")] = None,
    budget: Annotated[str | None, typer.Option(help="time for auto: 90s, 10m, 2h [default: 10m]")] = None,
    epochs: Annotated[int | None, typer.Option(help="passes over the training items [default: by number]")] = None,
    lr: Annotated[str | None, typer.Option(help="the head's top learning rate, or auto: a range test first "
                                                "[default: the method's]")] = None,
    batch: Annotated[int | None, typer.Option(help="items in a training step [default: 32]")] = None,
    accumulate: Annotated[int | None, typer.Option(help="take a step's batch in so many pieces: less memory")] = None,
    blocks: Annotated[int | None, typer.Option(help="how many last blocks last-k trains [default: 4]")] = None,
    augment: Annotated[str | None, typer.Option(help=options.AUGMENT)] = None,
    mix: Annotated[str | None, typer.Option(help=options.MIX)] = None,
    multi_scale: Annotated[bool | None, typer.Option("--multi-scale", help="boxes: train in frames up to a quarter "
                                                                           "smaller and larger")] = None,
    smoothing: Annotated[float | None, typer.Option(help="label smoothing [default: 0.05]")] = None,
    focal: Annotated[float | None, typer.Option(help="focal loss of this power, such as 2: what is answered well "
                                                     "counts less, for rare classes [default: 0]")] = None,
    schedule: Annotated[str | None, typer.Option(help="cosine or one-cycle [default: cosine]")] = None,
    ema: Annotated[float | None, typer.Option(help="decay of the averaged weights, 0 for none [default: 0.99]")] = None,
    patience: Annotated[int | None, typer.Option(help="stop after so many epochs that bring nothing "
                                                      "[default: never]")] = None,
    batch_norm: Annotated[str | None, typer.Option(help="keep the statistics of the pretraining, or learn new ones "
                                                        "[default: keep; learn from scratch]")] = None,
    processes: Annotated[int | None, typer.Option(help="train in so many processes, one GPU each [default: 1]")] = None,
    tensorboard: Annotated[bool | None, typer.Option("--tensorboard", help="write TensorBoard files too")] = None,
    accuracy: Annotated[float | None, typer.Option(help="wanted accuracy: unsure items go to a person")] = None,
    alpha: Annotated[float | None, typer.Option(help="numbers: strength of the ridge, 0 for none [default: by "
                                                     "evidence]")] = None,
    interval: Annotated[float | None, typer.Option(help="numbers: conformal intervals of this level, as 0.9")] = None,
    quantiles: Annotated[str | None, typer.Option(help="numbers: predict these too, as 0.05,0.5,0.95")] = None,
    outliers: Annotated[bool, typer.Option("--outliers/--no-outliers", help="flag what is unlike training")] = True,
    out: Annotated[str | None, typer.Option(help="the run folder [default: runs/<data>-<method>-<n>]")] = None,
    seed: Annotated[int, typer.Option(min=0, help="decides what is held out and the folds")] = 0,
    device: Device = "auto",
    engine: Engine = "auto",
    threads: Threads = None,
    refit: Annotated[bool, typer.Option("--refit/--no-refit", help="learn from all items in the end (probes)")] = True,
    cv: Annotated[int | None, typer.Option(help="judge by a cross-validation of so many folds, methods on features "
                                                "[default: where a fifth would be fewer than 60 items]")] = None,
    format: Format = None,
    config: Annotated[Path | None, typer.Option(help="run.json of a run to repeat; options given go first")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the run folder")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="end an interrupted run")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Learn from labelled data: judge honestly beside controls, then save a model, predictions and a report."""
    options = {k: v for k, v in locals().items() if k not in ("context", "config", "as_json")}
    options = settings_of(config, options, context)
    if not options["data"]:
        raise InputError("fit needs DATA, or --config with the run.json of a run to repeat.")
    if len(options["data"]) == 1 and share is None:
        options["data"] = options["data"][0]
    from regraft.api import fit as run

    result = run(**options)
    return print_json(result) if as_json else printing.print_fits(asdict(result))


@app.command()
def augment(
    data: Data,
    policy: Annotated[str, typer.Option(help=options.AUGMENT)] = "standard",
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
    backbone: Annotated[str | None, typer.Option(help=options.BACKBONE)] = None,
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
    as_json: Json = False,
) -> None:
    """Measure how far two domains lie apart, and say whether adapting is worth it."""
    from regraft.api import shift as run

    found = run(source, target, backbone=backbone, mapping=mapping, out=out, format=format, label=label, text=text,
                image=image, features=features, encoding=encoding, seed=seed, engine=engine, device=device,
                threads=threads)  # fmt: skip
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
    size: Annotated[int | None, typer.Option(help="pixels a side of the pictures fed [default: the network's]")] = None,
    format: Format = None,
    seed: Annotated[int, typer.Option(min=0, help="decides which items and the folds")] = 0,
    out: Page = None,
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Compare pretrained networks on this data without training them: scores, size, speed, and which is good enough."""
    given = {k: v for k, v in locals().items() if k != "as_json"}
    from regraft.api import rank as run

    found = run(**given)
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
    if as_json:
        return print_json(asdict(found) | {"report": page})
    printing.print_demo(found, page, what)
    return None
