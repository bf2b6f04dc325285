"""The command line: parses, calls one function, prints. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from regraft import options, printing
from regraft.errors import InputError, RegraftError
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
    data: Annotated[str | None, typer.Argument(metavar="DATA", help=options.DATA)] = None,
    val: Annotated[str | None, typer.Option(help="data to judge on [default: part val, or a held-out fifth]")] = None,
    backbone: Annotated[str | None, typer.Option(help=options.BACKBONE)] = None,
    weights: Annotated[str | None, typer.Option(help="a weights file in place of the catalog's")] = None,
    method: Annotated[str, typer.Option(help="how knowledge is transferred, see 'regraft methods'")] = "linear-probe",
    controls: Annotated[str, typer.Option(help="majority,raw,random (to compare with), or none")] = options.CONTROLS,
    label: Label = None,
    text: Text = None,
    group: Group = None,
    task: TaskName = None,
    class_weight: Annotated[str | None, typer.Option(help="balanced: every class weighs the same")] = None,
    size: Annotated[int | None, typer.Option(help="pixels a side of the pictures fed [default: the network's]")] = None,
    init: Annotated[str | None, typer.Option(metavar="RUN", help="start from the weights of another run")] = None,
    budget: Annotated[str | None, typer.Option(help="time for --method auto: 90s, 10m, 2h [default: 10m]")] = None,
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
    outliers: Annotated[bool, typer.Option("--outliers/--no-outliers", help="flag what is unlike training")] = True,
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
    if options["data"] is None:
        raise InputError("fit needs DATA, or --config with the run.json of a run to repeat.")
    from regraft.api import fit as run

    result = run(**options)
    if as_json:
        return print_json(result)
    printing.print_fit(asdict(result))
    return None


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
    out: Annotated[str | None, typer.Option(help="stream to this file: .csv, .jsonl or .parquet")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with --out where a killed run stopped")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the file of --out")] = False,
    sort_into: Annotated[str | None, typer.Option(help="a folder to fill with links to the pictures by class")] = None,
    copy: Annotated[bool, typer.Option("--copy", help="with --sort-into: copies in place of links")] = False,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Predict new items: label, probabilities, entropy in bits; or value and sigma."""
    from regraft.api import predict as run

    found = run(
        model, inputs, out=out, resume=resume, overwrite=overwrite, sort_into=sort_into, copy=copy, engine=engine,
        device=device, threads=threads,
    )  # fmt: skip
    if as_json:
        return print_json(found)
    if out:
        print(
            f"{found.items} predictions in {out}{f', {found.failed} items could not be read' if found.failed else ''}"
        )
        return None
    printing.print_predictions(found.predictions)
    return None


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
    if as_json:
        return print_json({"runs": found})
    if not found:
        print(f"no runs in {folder}")
    else:
        keys = ["run", "status", "data", "backbone", "method", "accuracy", "rmse", "gain"]
        table(keys, [[r[k] for k in keys] for r in found])
    return None


@app.command()
def backbones(as_json: Json = False) -> None:
    """List the pretrained networks: size, input, licence, and whether the weights are on this machine."""
    from regraft.api import list_backbones as find

    found = find()
    if as_json:
        return print_json({"backbones": found})
    columns = ["name", "weights", "here", "million parameters", "giga-ops", "input", "licence"]
    table(columns, [[r["name"], r["weights"], "yes" if r["here"] else "no", round((r["parameters"] or 0) / 1e6, 1),
                      r["gigaops"], r["input"], r["licence"]] for r in found])  # fmt: skip
    return None


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
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="delete all stored features")] = False,
    as_json: Json = False,
) -> None:
    """Show, or clear, the stored features."""
    from regraft.api import cache as run

    found = run(clear=clear)
    if as_json:
        return print_json(found)
    if clear:
        print(f"freed {found['freed_bytes'] / 1e6:.1f} MB")
    print(f"{found['bytes'] / 1e6:.1f} MB of {found['quota_bytes'] / 1e9:g} GB in {found['folder']}")
    if found["tables"]:
        table(["network", "MB"], [[t["network"], round(t["bytes"] / 1e6, 1)] for t in found["tables"]])
    return None


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
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files may hold bytes that are no text
            stream.reconfigure(errors="backslashreplace")
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        status = app(standalone_mode=False)
        if status == 130:
            raise KeyboardInterrupt
        sys.exit(status if isinstance(status, int) else 0)
    except (KeyboardInterrupt, typer.Abort):
        _leave("interrupted; what was written is whole, and fit with --resume goes on", 130, debug)
    except RegraftError as error:
        _leave(str(error), 2, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 the last resort: a sentence in place of a traceback
        if hasattr(error, "format_message"):
            _leave(error.format_message(), 2, debug)
        _leave(f"a fault in regraft: {type(error).__name__}: {error} (--debug shows where)", 1, debug)


def _leave(message: str, status: int, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()
    print(f"regraft: {message}", file=sys.stderr)
    sys.exit(status)
