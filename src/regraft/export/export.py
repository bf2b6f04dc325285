"""From a saved model to files of another runtime: written, run beside the artefact, and only then given their name."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from regraft.core.errors import ArtefactError, InputError
from regraft.core.files import disk_errors, dump_json, new_folder, output, write_json
from regraft.core.runtime import say
from regraft.export import predict as script
from regraft.export.base import Exportable
from regraft.export.formats import FORMATS
from regraft.export.formats.base import Format, program_of
from regraft.export.inputs import inputs_for
from regraft.export.int8 import Cost, Quantised
from regraft.export.proof import Proof, proof, proven
from regraft.export.subjects import exportable_of
from regraft.features.engines.openvino_int8 import carries
from regraft.features.fusion import parts_of
from regraft.inference.load import AnyPredictor, load_any
from regraft.inference.predictor import Predictor
from regraft.options.network import INT8
from regraft.version import __version__

RECORD, SCRIPT, FORMAT, FORMAT_VERSION = "model.json", "predict.py", "regraft-export", 1
FILE_ENDINGS = (".onnx", ".pt2")
"""Formats that may be one file by itself."""


@dataclass(frozen=True)
class Exported:
    """What was written to ``out``: ``files`` with their sizes in bytes, and the ``proof`` of how it answers beside the
    model; ``int8`` is what that costs, None in float32; ``notes`` are what a person should know besides.
    """

    model: str
    to: str
    out: str
    precision: str
    files: dict[str, int]
    proof: Proof
    int8: Cost | None
    notes: list[str]


def export(model: str, to: str, out: str | None, data: str | None, int8: bool) -> Exported:
    """Writes the model at ``model`` in the format ``to``; see `regraft.commands.export.export`."""
    form: type[Format] = FORMATS.get(to)
    require(to, form, int8)
    place = checked(out or default_name(model, to), form)
    predictor = loaded(model, int8)
    exportable = exportable_of(predictor, model)
    if place.suffix in FILE_ENDINGS and exportable.files:
        raise InputError(f"--out {place}: this model needs {' and '.join(exportable.files)} beside its graph; name a "
                         "folder.")  # fmt: skip
    items, told = inputs_for(predictor, data)
    about, cost = told_of(exportable, to, "int8" if int8 else "float32"), None
    say(f"writing {model} as {to}")
    quantised = Quantised(predictor, exportable, model) if int8 and isinstance(predictor, Predictor) else None
    program = program_of(exportable) if quantised is None else quantised.graph
    with _new(place, form) as graph:
        form.write(program, exportable, dump_json(about, indent=None), graph)
        _, run = script.session(graph)
        if quantised is None:
            found = proven(run, exportable, items, told)
        else:
            found, cost = proof(run, exportable, items, told), quantised.cost(run)
        if place.suffix not in FILE_ENDINGS:
            _beside(graph.parent, exportable, {**about, "proof": asdict(found), "int8": cost})
    files = {f.name: f.stat().st_size for f in ([place] if place.is_file() else sorted(place.iterdir()))}
    return Exported(model, to, str(place), about["precision"], files, found, cost, notes_of(predictor, int8))


def loaded(model: str, int8: bool) -> AnyPredictor:
    """The model, answering in float32; or in int8 as it was judged, where it is to leave in that and carries it."""
    predictor = load_any(model, engine="torch", device="cpu")
    if not int8:
        return predictor
    if not isinstance(predictor, Predictor) or predictor.modality != "image":
        raise InputError(f"--int8 is for models of pictures that give classes or numbers, and {model} is none; export "
                         "it in float32.")  # fmt: skip
    own = all(map(carries, parts_of(predictor.model.network)))
    return Predictor(predictor.model, predictor.manifest, engine=INT8, device="cpu") if own else predictor


def notes_of(predictor: AnyPredictor, int8: bool) -> list[str]:
    """What a person should know of the precision."""
    if int8 or not isinstance(predictor, Predictor) or not any(map(carries, parts_of(predictor.model.network))):
        return []
    return ["the model has learned from rows in int8, and this export is in float32: its figures are not those of the "
            "run; --int8 exports it as it was judged"]  # fmt: skip


@contextmanager
def _new(place: Path, form: type[Format]) -> Iterator[Path]:
    """Where to write the graph: in a new folder that becomes ``place``, or a file that does."""
    if place.suffix not in FILE_ENDINGS:
        with new_folder(place) as folder:
            yield folder / form.GRAPH
        return
    with disk_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as work:
            yield Path(work) / form.GRAPH
            os.replace(Path(work) / form.GRAPH, place)


def _beside(folder: Path, exportable: Exportable, record: dict[str, Any]) -> None:
    """Writes what lies beside the graph."""
    for name, content in exportable.files.items():
        (folder / name).write_bytes(content)
    for name in (SCRIPT, *script.BESIDE.get(exportable.kind, ())):
        (folder / name).write_bytes(Path(script.__file__).with_name(name).read_bytes())
    write_json(folder / RECORD, record)


def told_of(exportable: Exportable, to: str, precision: str) -> dict[str, Any]:
    """What is written into and beside the graph."""
    ports = {"inputs": exportable.inputs, "outputs": exportable.outputs}
    return {"format": FORMAT, "format_version": FORMAT_VERSION, "regraft": __version__, "kind": exportable.kind,
            "to": to, "precision": precision, **{k: [asdict(p) for p in v] for k, v in ports.items()},
            **exportable.about}  # fmt: skip


def require(to: str, form: type[Format], int8: bool) -> None:
    """Raises ``InputError`` where what writes or runs a format is not installed, or int8 is not for it."""
    if int8 and to != "openvino":
        raise InputError(f"--int8 is for --to openvino, and not for {to}: take that, or export in float32.")
    lacking = [name for name in (*form.NEEDS, *(["nncf"] if int8 else [])) if find_spec(name) is None]
    if lacking:
        extra = "int8" if "nncf" in lacking else form.INSTALL
        raise InputError(f"--to {to} needs {' and '.join(lacking)}: pip install 'regraft[{extra}]'.")


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
    """Whether what stands there was exported before, or is an empty folder. A program of PyTorch is looked into, not
    loaded.
    """
    if place.is_file():
        try:
            if place.suffix == Path(FORMATS.get("torch").GRAPH).suffix:
                with zipfile.ZipFile(place) as z:
                    told = next(name for name in z.namelist() if name.endswith(f"extra/{script.ABOUT}"))
                    return bool(json.loads(z.read(told))["format"] == FORMAT)
            return bool(script.session(place))
        except Exception:  # noqa: BLE001 runtimes raise what they like on a file that is none of theirs
            return False
    if not any(place.iterdir()):
        return True
    try:
        return bool(json.loads((place / RECORD).read_text(encoding="utf-8"))["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return False
