"""The command line: parses, calls one function, prints. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from regraft.errors import InputError, RegraftError
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

_DATA = "a folder of class folders, an .npz, a folder of IDX files, embedded:digits; PATH#part for one part"
_BACKBONE = (
    "a network of 'regraft backbones', raw, random:NAME or NAME@BLOCK "
    "[default: regraft_tiny for pictures up to 64 pixels, else mobilenet_v2]"
)
_CONTROLS = "majority,raw,random"
Data = Annotated[str, typer.Argument(metavar="DATA", help=_DATA)]
ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help="a run folder or the model folder in it")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object on stdout and nothing else")]
Format = Annotated[str | None, typer.Option(help="overrule the recognised format: image-folder, npz, idx")]
Engine = Annotated[str, typer.Option(help="how frozen networks are run: auto, torch")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, mps")]
Threads = Annotated[int | None, typer.Option(help="threads of the networks [default: all cores]")]


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


def _print_json(value: Any) -> None:
    from regraft.files import dump_json

    print(dump_json(value))


def _table(columns: list[str], rows: list[list[Any]]) -> None:
    """A plain aligned table: texts to the left, numbers to the right."""
    cells = [[_cell(v) for v in row] for row in rows]
    widths = [max(len(c[i]) for c in [columns, *cells]) for i in range(len(columns))]
    right = [all(isinstance(r[i], int | float) or r[i] is None for r in rows) for i in range(len(columns))]
    for line in [columns, *cells]:
        print("  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


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
def inspect(data: Data, format: Format = None, as_json: Json = False) -> None:
    """Show what the data is: format, classes, sizes, and every problem by name."""
    from regraft.api import inspect as run

    found = run(data, format=format)
    if as_json:
        return _print_json(found)
    print(f"{found.name}: {found.task} of {found.modality} items, recognised as {found.format} ({found.evidence})")
    parts = ", ".join(f"{n} in {p}" for p, n in found.parts.items())
    print(f"{found.items} items{f' ({parts})' if parts else ''}; sizes: {', '.join(list(found.sizes)[:5])}")
    _table(["class", "items"], [[c, n] for c, n in found.classes.items()])
    print(f"{len(found.problems) or 'no'} problem{'' if len(found.problems) == 1 else 's'}")
    for p in found.problems:
        print(f"  {p.kind}: {p.item}: {p.message}")
    return None


@app.command()
def fit(
    context: typer.Context,
    data: Annotated[str | None, typer.Argument(metavar="DATA", help=_DATA)] = None,
    val: Annotated[str | None, typer.Option(help="data to judge on [default: part val, or a held-out fifth]")] = None,
    backbone: Annotated[str | None, typer.Option(help=_BACKBONE)] = None,
    weights: Annotated[str | None, typer.Option(help="a weights file in place of the catalog's")] = None,
    method: Annotated[str, typer.Option(help="how knowledge is transferred, see 'regraft methods'")] = "linear-probe",
    controls: Annotated[str, typer.Option(help="majority,raw,random (what to compare with), or none")] = _CONTROLS,
    out: Annotated[str | None, typer.Option(help="the run folder to make [default: runs/<data>-<method>-<n>]")] = None,
    seed: Annotated[int, typer.Option(min=0, help="decides what is held out and the folds")] = 0,
    device: Device = "auto",
    engine: Engine = "auto",
    threads: Threads = None,
    refit: Annotated[bool, typer.Option("--refit/--no-refit", help="after judging, learn from all items")] = True,
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
        return _print_json(result)
    _print_fit(asdict(result))
    return None


def _print_fit(result: dict[str, Any]) -> None:
    from regraft.reports.page import warnings

    val = result["metrics"]["val"]
    if val:
        rows = [(f"{result['backbone']}, {result['method']}", val), *result["metrics"]["controls"].items()]
        columns = ["", "accuracy", "95 % interval", "balanced", "log loss", "ECE"]
        _table(columns, [[name, m["accuracy"], "{:.4f} to {:.4f}".format(*m["accuracy_ci95"]),
                          m["balanced_accuracy"], m["log_loss"], m["ece"]] for name, m in rows])  # fmt: skip
    gain = result["gain"]
    if gain:
        low, high = (100 * v for v in gain["ci95"])
        print(
            f"gain over {gain['against']}: {100 * gain['value']:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
        )
    for text in warnings(result):
        print(f"warning: {text}")
    for p in result["problems"][:20]:
        print(f"{p['kind']}: {p['item']}: {p['message']}")
    print(f"{result['run']}: model/, report.html, predictions.csv; {result['seconds']['total']:.1f} s"
          f"{', features from the store' if result['cached'] else ''}")  # fmt: skip


@app.command()
def evaluate(
    model: ModelPath,
    data: Data,
    format: Format = None,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Judge a saved model on labelled data: its part test, else val, else all."""
    from regraft.api import evaluate as run

    found = run(model, data, format=format, engine=engine, device=device, threads=threads)
    if as_json:
        return _print_json(found)
    print(f"{found.model} on {found.items} items of {found.data}")
    if found.seen:
        print(f"warning: the network's pretraining saw the labels of {100 * found.seen:.0f} % of these items")
    _table(["", "value"], [[k, v if isinstance(v, float) else "{:.4f} to {:.4f}".format(*v)]
                           for k, v in found.metrics.items()])  # fmt: skip
    for p in found.problems:
        print(f"{p.kind}: {p.item}: {p.message}")
    return None


@app.command()
def predict(
    model: ModelPath,
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="pictures, folders of pictures, or DATA")],
    out: Annotated[str | None, typer.Option(help="stream to this file: .csv, .jsonl or .parquet")] = None,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Predict new items: label, probabilities, entropy in bits."""
    from regraft.api import predict as run

    found = run(model, inputs, out=out, engine=engine, device=device, threads=threads)
    if as_json:
        return _print_json(found)
    if out:
        print(
            f"{found.items} predictions in {out}{f', {found.failed} items could not be read' if found.failed else ''}"
        )
        return None
    _table(["input", "label", "probability", "bits"],
           [[r["input"], r.get("label", "-"), max(r["probabilities"].values()), r["entropy_bits"]]
            if "label" in r else [r["input"], f"not read: {r['error']}", None, None]
            for r in found.predictions])  # fmt: skip
    return None


@app.command()
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a finished run folder")], as_json: Json = False
) -> None:
    """Write the run's report.html anew."""
    from regraft.api import report as write

    path = write(run)
    _print_json({"report": path}) if as_json else print(path)


@app.command()
def runs(
    folder: Annotated[str, typer.Argument(metavar="[FOLDER]", help="where the runs are")] = "runs",
    as_json: Json = False,
) -> None:
    """List the runs in a folder with their figures, the latest first."""
    from regraft.api import runs as find

    found = find(folder)
    if as_json:
        return _print_json({"runs": found})
    if not found:
        print(f"no runs in {folder}")
    else:
        keys = ["run", "status", "data", "backbone", "method", "accuracy", "gain"]
        _table(keys, [[r[k] for k in keys] for r in found])
    return None


@app.command()
def backbones(as_json: Json = False) -> None:
    """List the pretrained networks: size, input, licence, and whether the weights are on this machine."""
    from regraft.api import list_backbones as find

    found = find()
    if as_json:
        return _print_json({"backbones": found})
    columns = ["name", "weights", "here", "million parameters", "giga-ops", "input", "licence"]
    _table(columns, [[r["name"], r["weights"], "yes" if r["here"] else "no", round((r["parameters"] or 0) / 1e6, 1),
                      r["gigaops"], r["input"], r["licence"]] for r in found])  # fmt: skip
    return None


@app.command()
def methods(as_json: Json = False) -> None:
    """List the methods of transfer."""
    from regraft.api import list_methods as find

    found = find()
    if as_json:
        return _print_json({"methods": found})
    _table(["method", "what it does"], [[m["name"], m["summary"]] for m in found])
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
        return _print_json(found)
    if clear:
        print(f"freed {found['freed_bytes'] / 1e6:.1f} MB")
    print(f"{found['bytes'] / 1e6:.1f} MB of {found['quota_bytes'] / 1e9:g} GB in {found['folder']}")
    if found["tables"]:
        _table(["network", "MB"], [[t["network"], round(t["bytes"] / 1e6, 1)] for t in found["tables"]])
    return None


@app.command()
def verify(model: ModelPath, as_json: Json = False) -> None:
    """Check every file of a saved model against its digest, and load it."""
    from regraft.api import verify as run

    found = run(model)
    _print_json(found) if as_json else print(f"{found['model']}: whole ({', '.join(found['files'])})")


@app.command()
def demo(
    out: Annotated[str, typer.Option(help="the run folder to make")] = "runs/demo-digits",
    seeds: Annotated[int, typer.Option(min=1, help="draws of the few labels")] = 10,
    as_json: Json = False,
) -> None:
    """See what transfer is worth with few labels, on built-in data: needs no network connection, takes a minute."""
    from regraft.api import demo as run

    found, page = run(out=out, seeds=seeds)
    if as_json:
        return _print_json(asdict(found) | {"report": page})
    few = found.few
    names = list(few["curves"])
    print(f"scikit-learn's digits, accuracy on all pictures not drawn, mean of {few['seeds']} draws")
    _table(["labels a class", *names],
           [[n, *(few["curves"][b][i]["mean"] for b in names)] for i, n in enumerate(few["labels"])])  # fmt: skip
    print()
    _print_fit(asdict(found.fit))
    print()
    _table(["picture", "label", "probability"],
           [[p["input"], p["label"], max(p["probabilities"].values())] for p in found.predictions])  # fmt: skip
    print(f"\nlook at {page}")
    return None


def main() -> None:
    """Entry point. Exit status: 0 done, 1 our fault, 2 the user's input, 130 interrupted."""
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
