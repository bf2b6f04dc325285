"""From a saved model to files of another runtime: written, run beside the artefact, and only then given their name."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from regraft.core.errors import ArtefactError, InputError
from regraft.core.files import disk_errors, dump_json, new_folder, output, write_json
from regraft.core.runtime import say
from regraft.data.items import Items
from regraft.export import predict as script
from regraft.export.base import Exportable
from regraft.export.formats import FORMATS
from regraft.export.formats.base import Format, program_of
from regraft.export.inputs import inputs_for
from regraft.export.proof import Proof, proven
from regraft.export.subjects import exportable_of
from regraft.features.engines.openvino_int8 import carries
from regraft.features.fusion import parts_of
from regraft.inference.load import load_any
from regraft.inference.predictor import Predictor
from regraft.version import __version__

RECORD, SCRIPT, FORMAT, FORMAT_VERSION = "model.json", "predict.py", "regraft-export", 1
FILE_ENDINGS = (".onnx", ".pt2")
"""Formats that may be one file by itself."""


@dataclass(frozen=True)
class Exported:
    """What was written to ``out``: ``files`` with their sizes in bytes, and the ``proof`` that it answers as the model
    does; ``notes`` are what a person should know besides.
    """

    model: str
    to: str
    out: str
    precision: str
    files: dict[str, int]
    proof: Proof
    notes: list[str]


def export(model: str, to: str, out: str | None, data: str | None) -> Exported:
    """Writes the model at ``model`` in the format ``to``; see `regraft.commands.export.export`."""
    form: type[Format] = FORMATS.get(to)
    require(to, form)
    place = checked(out or default_name(model, to), form)
    predictor = load_any(model, engine="torch", device="cpu")
    exportable = exportable_of(predictor, model)
    items, told = inputs_for(predictor, data)
    notes = []
    if isinstance(predictor, Predictor) and any(map(carries, parts_of(predictor.model.network))):
        notes.append("the model has learned from rows in int8; this export is in float32, so its figures are not "
                     "those of the run: --int8 exports it as it was judged")  # fmt: skip
    about = told_of(exportable, to, "float32")
    say(f"writing {model} as {to}")
    program = program_of(exportable)
    if place.suffix in FILE_ENDINGS:
        files, found = _one_file(form, program, exportable, about, place, items, told)
    else:
        with new_folder(place) as folder:
            found = _filled(folder, form, program, exportable, about, items, told)
            files = {f.name: f.stat().st_size for f in sorted(folder.iterdir())}
    return Exported(model, to, str(place), "float32", files, found, notes)


def told_of(exportable: Exportable, to: str, precision: str) -> dict[str, Any]:
    """What is written into and beside the graph."""
    ports = {"inputs": exportable.inputs, "outputs": exportable.outputs}
    return {"format": FORMAT, "format_version": FORMAT_VERSION, "regraft": __version__, "kind": exportable.kind,
            "to": to, "precision": precision, **{k: [asdict(p) for p in v] for k, v in ports.items()},
            **exportable.about}  # fmt: skip


def _filled(folder: Path, form: type[Format], program: Any, exportable: Exportable, about: dict[str, Any],
            items: Items, told: str) -> Proof:  # fmt: skip
    """Fills an empty folder; raises ``InputError`` where what was written does not answer as the model does."""
    form.write(program, exportable, dump_json(about, indent=None), folder / form.GRAPH)
    for name, content in exportable.files.items():
        (folder / name).write_bytes(content)
    (folder / SCRIPT).write_text(Path(script.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    _, run = script.session(folder)
    found = proven(run, exportable, items, told)
    write_json(folder / RECORD, {**about, "proof": asdict(found)})
    return found


def _one_file(form: type[Format], program: Any, exportable: Exportable, about: dict[str, Any], place: Path,
              items: Items, told: str) -> tuple[dict[str, int], Proof]:  # fmt: skip
    """The graph alone; raises ``InputError`` where it does not work alone."""
    if exportable.files:
        raise InputError(f"--out {place}: this model needs {' and '.join(exportable.files)} beside its graph; name a "
                         "folder.")  # fmt: skip
    with disk_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as work:
            graph = Path(work) / form.GRAPH
            form.write(program, exportable, dump_json(about, indent=None), graph)
            found = proven(script.session(graph)[1], exportable, items, told)
            os.replace(graph, place)
    return {place.name: place.stat().st_size}, found


def require(to: str, form: type[Format]) -> None:
    """Raises ``InputError`` where what writes or runs a format is not installed."""
    lacking = [name for name in form.NEEDS if find_spec(name) is None]
    if lacking:
        raise InputError(f"--to {to} needs {' and '.join(lacking)}: pip install 'regraft[{form.INSTALL}]'.")


def default_name(model: str, to: str) -> str:
    """A name in this folder, after that of the run."""
    where, _, task = model.partition("#")
    folder = Path(where).resolve()
    folder = folder.parent if folder.name == "model" else folder
    return "-".join(filter(None, (folder.name, task, to)))


def checked(out: str, form: type[Format]) -> Path:
    """Where to write; raises ``InputError`` where that has the ending of another format, ``ArtefactError`` where
    something stands that is no export.
    """
    place, ending = output(out), Path(form.GRAPH).suffix
    if place.suffix in (*FILE_ENDINGS, ".xml") and (place.suffix != ending or ending not in FILE_ENDINGS):
        wanted = f"a name ending in {ending}, or a folder" if ending in FILE_ENDINGS else "the name of a folder"
        raise InputError(f"--out {out}: {wanted} is wanted for this format.")
    if place.exists() and not is_ours(place):
        raise ArtefactError(f"{place} is there and is no export of regraft: choose another --out.")
    return place


def is_ours(place: Path) -> bool:
    """Whether what stands there was exported before, or is an empty folder."""
    if place.is_file():
        try:
            return bool(script.session(place))
        except Exception:  # noqa: BLE001 runtimes raise what they like on a file that is none of theirs
            return False
    if not any(place.iterdir()):
        return True
    try:
        return bool(json.loads((place / RECORD).read_text(encoding="utf-8"))["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return False
