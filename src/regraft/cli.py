"""The command line: parses, calls one function, prints. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from regraft import domain_cli, options, printing, shell
from regraft.cli_rank import rank
from regraft.errors import InputError
from regraft.options import Data, Device, Engine, Format, Group, Json, Label, ModelPath, Page, TaskName, Text, Threads
from regraft.printing import print_json, table
from regraft.version import __version__

app = typer.Typer(
    name="regraft",
    help="Transfer learning for those with few labels: from a folder of examples to a judged, saved model.",
    epilog="Start with: regraft demo. Then: regraft inspect photos/, regraft fit photos/.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(value: bool) -> None:
    if value:
        print(f"regraft {__version__}")
        raise typer.Exit


domain_cli.add(app)


@app.callback()
def _main(
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress on stderr")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    from regraft.runtime import show_progress

    show_progress(not quiet)


def _settings(config: Path | None, given: dict[str, Any], context: typer.Context) -> dict[str, Any]:
    """The options of a command: those typed, over those of ``config``, over the defaults."""
    if config is None:
        return given
    try:
        recorded = json.loads(config.read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"--config {config} is not the run.json of a run ({error}).") from error
    typed = {k for k in given if str(context.get_parameter_source(k)).endswith("COMMANDLINE")}
    return given | {k: v for k, v in recorded.items() if k in given and k not in typed and k != "out"}


@app.command()
def inspect(
    data: Data,
    format: Format = None,
    label: Label = None,
    text: Text = None,
    group: Group = None,
    task: TaskName = None,
    as_json: Json = False,
) -> None:
    """Show what the data is: format, classes, sizes, and every problem by name."""
    from regraft.api import inspect as run

    found = run(data, format=format, label=label, text=text, group=group, task=task)
    if as_json:
        return print_json(found)
    printing.print_inspection(found)
    return None


@app.command()
def fit(
    context: typer.Context,
    data: Annotated[list[str] | None, typer.Argument(metavar="DATA...", help=options.DATA)] = None,
    share: Annotated[str | None, typer.Option(help="several tasks on one network: features (a head each)")] = None,
    val: Annotated[str | None, typer.Option(help="data to judge on [default: part val, or a held-out fifth]")] = None,
    target: Annotated[str | None, typer.Option(help="data of another domain to adapt to, without its labels")] = None,
    mapping: Annotated[str | None, typer.Option(help="rename classes of --target: kitten=cat,puppy=dog")] = None,
    backbone: Annotated[str | None, typer.Option(help=options.BACKBONE)] = None,
    weights: Annotated[str | None, typer.Option(help="a weights file in place of the catalog's")] = None,
    method: Annotated[str | None, typer.Option(help="how knowledge is transferred, see 'regraft methods' [default: "
                                                    "linear-probe; for detectors finetune]")] = None,
    detector: Annotated[str | None, typer.Option(help=options.DETECTOR)] = None,
    controls: Annotated[str, typer.Option(help="majority,raw,random (to compare with), or none")] = options.CONTROLS,
    label: Label = None,
    text: Text = None,
    group: Group = None,
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
    mix: Annotated[str | None, typer.Option(help="join pictures: none, mixup, cutmix, mosaic [default: none]")] = None,
    smoothing: Annotated[float | None, typer.Option(help="label smoothing [default: 0.05]")] = None,
    schedule: Annotated[str | None, typer.Option(help="cosine or one-cycle [default: cosine]")] = None,
    ema: Annotated[float | None, typer.Option(help="decay of the averaged weights, 0 for none [default: 0.99]")] = None,
    patience: Annotated[int | None, typer.Option(help="stop after so many epochs that bring nothing "
                                                      "[default: never]")] = None,
    processes: Annotated[int | None, typer.Option(help="train in so many processes, one GPU each [default: 1]")] = None,
    tensorboard: Annotated[bool | None, typer.Option("--tensorboard", help="write TensorBoard files too")] = None,
    accuracy: Annotated[float | None, typer.Option(help="wanted accuracy: unsure items go to a person")] = None,
    alpha: Annotated[float | None, typer.Option(help="numbers: strength of the ridge, 0 for none [default: by "
                                                     "evidence]")] = None,
    interval: Annotated[float | None, typer.Option(help="numbers: conformal intervals of this level, as 0.9")] = None,
    quantiles: Annotated[str | None, typer.Option(help="numbers: predict these too, as 0.05,0.5,0.95")] = None,
    out: Annotated[str | None, typer.Option(help="the run folder [default: runs/<data>-<method>-<n>]")] = None,
    seed: Annotated[int, typer.Option(min=0, help="decides what is held out and the folds")] = 0,
    device: Device = "auto",
    engine: Engine = "auto",
    threads: Threads = None,
    refit: Annotated[bool, typer.Option("--refit/--no-refit", help="learn from all items in the end (probes)")] = True,
    format: Format = None,
    config: Annotated[Path | None, typer.Option(help="run.json of a run to repeat; options given go first")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the run folder")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="end an interrupted run")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Learn from labelled data: judge honestly beside controls, then save a model, predictions and a report."""
    options = {k: v for k, v in locals().items() if k not in ("context", "config", "as_json")}
    options = _settings(config, options, context)
    if not options["data"]:
        raise InputError("fit needs DATA, or --config with the run.json of a run to repeat.")
    if len(options["data"]) == 1 and share is None:
        options["data"] = options["data"][0]
    from regraft.api import fit as run

    result = run(**options)
    return print_json(result) if as_json else printing.print_fits(asdict(result))


app.command()(rank)


@app.command()
def evaluate(
    model: ModelPath,
    data: Data,
    format: Format = None,
    label: Label = None,
    text: Text = None,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Judge a saved model on labelled data: its part test, else val, else all."""
    from regraft.api import evaluate as run

    found = run(model, data, format=format, label=label, text=text, engine=engine, device=device, threads=threads)
    if as_json:
        return print_json(found)
    printing.print_evaluation(found)
    return None


@app.command()
def predict(
    model: ModelPath,
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="pictures, texts, folders, or DATA")],
    out: Annotated[
        str | None, typer.Option(help="stream to this file: .csv, .jsonl or .parquet; boxes into this folder")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--as", help="boxes as json, coco, yolo or pictures [default: json]")
    ] = None,
    tiles: Annotated[int | None, typer.Option(help="look for boxes in overlapping tiles of so many pixels")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with --out where a killed run stopped")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the file of --out")] = False,
    sort_into: Annotated[str | None, typer.Option(help="a folder to fill with links to the pictures by class")] = None,
    copy: Annotated[bool, typer.Option("--copy", help="with --sort-into: copies in place of links")] = False,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Predict new items: label, probabilities, entropy in bits; value and sigma; or boxes in pixels."""
    from regraft.api import predict as run

    found = run(
        model, inputs, out=out, form=form, tiles=tiles, resume=resume, overwrite=overwrite, sort_into=sort_into,
        copy=copy, engine=engine, device=device, threads=threads,
    )  # fmt: skip
    print_json(found) if as_json else printing.print_predictions(found)


@app.command()
def insights(
    model: ModelPath,
    data: Annotated[str, typer.Argument(metavar="TEXTS", help="a table, a file of lines, a folder of text files")],
    text: Text = None,
    date: Annotated[str | None, typer.Option(help="the date's column of a table [default: found by looking]")] = None,
    topics: Annotated[int | None, typer.Option(help="how many topics to find [default: by number]")] = None,
    out: Page = None,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Show what many texts say: the share of each class, the words that carry it, topics, trends."""
    from regraft.api import insights as run

    found = run(model, data, text=text, date=date, topics=topics, out=out, engine=engine, device=device,
                threads=threads)  # fmt: skip
    print_json(found) if as_json else printing.print_insights(found)


@app.command()
def explain(
    model: ModelPath,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="the text itself")],
    out: Page = None,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Show which words of a text speak for its class and which against, by leaving each out."""
    from regraft.api import explain as run

    found = run(model, text, out=out, engine=engine, device=device, threads=threads)
    print_json(found) if as_json else printing.print_explanation(found, colour=sys.stdout.isatty())


@app.command()
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a finished run folder")], as_json: Json = False
) -> None:
    """Write the run's report.html anew."""
    from regraft.api import report as write

    path = write(run)
    print_json({"report": path}) if as_json else print(path)


@app.command()
def runs(
    folder: Annotated[str, typer.Argument(metavar="[FOLDER]", help="where the runs are")] = "runs",
    as_json: Json = False,
) -> None:
    """List the runs in a folder with their figures, the latest first."""
    from regraft.api import runs as find

    found = find(folder)
    print_json({"runs": found}) if as_json else printing.print_runs(found, folder)


@app.command()
def backbones(as_json: Json = False) -> None:
    """List the pretrained networks: size, input, licence, and whether the weights are on this machine."""
    from regraft.api import list_backbones as find

    found = find()
    print_json({"backbones": found}) if as_json else printing.print_backbones(found)


@app.command()
def methods(as_json: Json = False) -> None:
    """List the methods of transfer."""
    from regraft.api import list_methods as find

    found = find()
    if as_json:
        return print_json({"methods": found})
    table(["method", "what it does"], [[m["name"], m["summary"]] for m in found])
    return None


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
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="delete all stored features")] = False,
    as_json: Json = False,
) -> None:
    """Show, or clear, the stored features."""
    from regraft.api import cache as run

    found = run(clear=clear)
    print_json(found) if as_json else printing.print_cache(found, clear)


@app.command()
def verify(model: ModelPath, as_json: Json = False) -> None:
    """Check every file of a saved model against its digest, and load it."""
    from regraft.api import verify as run

    found = run(model)
    print_json(found) if as_json else print(f"{found['model']}: whole ({', '.join(found['files'])})")


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


def main() -> None:
    """Entry point. Exit status: 0 done, 1 our fault, 2 the user's input, 130 interrupted."""
    shell.run(app)
