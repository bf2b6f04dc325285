"""Commands that use a saved model."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from regraft.cli import printing
from regraft.cli.app import app
from regraft.cli.arguments import (
    Adapt,
    Data,
    Device,
    Encoding,
    Engine,
    Format,
    Group,
    Image,
    Json,
    Label,
    ModelPath,
    Page,
    Text,
    Threads,
)
from regraft.cli.printing import print_json


@app.command()
def evaluate(
    model: ModelPath,
    data: Data,
    format: Format = None,
    label: Label = None,
    text: Text = None,
    image: Image = None,
    encoding: Encoding = None,
    group: Group = None,
    adapt: Adapt = None,
    unseen: Annotated[
        bool, typer.Option("--unseen", help="leave out items that the model learned from, and near copies of them")
    ] = False,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Judge a saved model on labelled data: its part test, else val, else all."""
    from regraft.api import evaluate as run

    found = run(model, data, format=format, label=label, text=text, image=image, encoding=encoding, group=group,
                adapt=adapt, unseen=unseen, engine=engine, device=device, threads=threads)  # fmt: skip
    print_json(found) if as_json else printing.print_evaluation(found)


@app.command()
def predict(
    model: ModelPath,
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="pictures, texts, folders, DATA; for boxes also videos")
    ],
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
    adapt: Adapt = None,
    text: Text = None,
    image: Image = None,
    encoding: Encoding = None,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Predict new items: label, probabilities, entropy in bits; value and sigma; or boxes in pixels."""
    from regraft.api import predict as run

    found = run(
        model, inputs, out=out, form=form, tiles=tiles, resume=resume, overwrite=overwrite, sort_into=sort_into,
        copy=copy, adapt=adapt, text=text, image=image, encoding=encoding, engine=engine, device=device,
        threads=threads,
    )  # fmt: skip
    print_json(found) if as_json else printing.print_predictions(found)


@app.command()
def insights(
    model: ModelPath,
    data: Annotated[str, typer.Argument(metavar="TEXTS", help="a table, a file of lines, a folder of text files")],
    text: Text = None,
    date: Annotated[str | None, typer.Option(help="the date's column of a table [default: found by looking]")] = None,
    topics: Annotated[int | None, typer.Option(help="how many topics to find [default: by number]")] = None,
    encoding: Encoding = None,
    out: Page = None,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Show what many texts say: the share of each class, the words that carry it, topics, trends."""
    from regraft.api import insights as run

    found = run(model, data, text=text, date=date, topics=topics, encoding=encoding, out=out, engine=engine,
                device=device, threads=threads)  # fmt: skip
    print_json(found) if as_json else printing.print_insights(found)


@app.command()
def explain(
    model: ModelPath,
    text: Annotated[str, typer.Argument(metavar="TEXT|PICTURE", help="the text itself; a picture, or a folder")],
    method: Annotated[
        str, typer.Option(metavar="auto|grad-cam|rollout|occlusion", help="how the map of a picture is made")
    ] = "auto",
    label: Annotated[
        str | None, typer.Option(metavar="CLASS", help="of a picture: the class to explain [default: the answer]")
    ] = None,
    box: Annotated[int | None, typer.Option(min=1, help="of a detector: which box, the best being 1")] = None,
    out: Page = None,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Show which words of a text speak for its class and which against, by leaving each out; or where a network looks.

    Of a picture a map of what the answer goes by, and the training pictures nearest to it, on the page of --out.
    """
    from regraft.api import Explanation
    from regraft.api import explain as run

    found = run(model, text, method=method, label=label, box=box, out=out, engine=engine, device=device,
                threads=threads)  # fmt: skip
    if as_json:
        return print_json(found if isinstance(found, Explanation) else found.record())
    if isinstance(found, Explanation):
        return printing.print_explanation(found, colour=sys.stdout.isatty())
    return printing.print_picture_explanations(found)


@app.command()
def export(
    model: ModelPath,
    to: Annotated[str, typer.Option(metavar="onnx|openvino|torch", help="what is to run it")] = "onnx",
    out: Annotated[
        str | None, typer.Option(help="a folder, or one file .onnx or .pt2 [default: named after the run]")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help="items to prove it on [default: those of the fit]")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="for openvino: pictures in int8, calibrated on training pictures")
    ] = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Write a saved model for another runtime, preprocessing inside, once it is seen to answer alike."""
    from regraft.api import export_model as run

    found = run(model, to, out=out, data=data, int8=int8, threads=threads)
    print_json(found) if as_json else printing.print_export(found)


@app.command()
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a finished run folder")], as_json: Json = False
) -> None:
    """Write the run's report.html anew."""
    from regraft.api import report as write

    path = write(run)
    print_json({"report": path}) if as_json else print(path)


@app.command()
def verify(model: ModelPath, as_json: Json = False) -> None:
    """Check every file of a saved model against its digest, and load it."""
    from regraft.api import verify as run

    found = run(model)
    print_json(found) if as_json else print(f"{found['model']}: whole ({', '.join(found['files'])})")
