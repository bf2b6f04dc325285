"""Answers by an exported model, without what it was made with: ``python predict.py FILE...`` prints lines of JSON.

Needs numpy and what runs the model: onnxruntime for model.onnx, openvino for model.xml, torch for model.pt2; Pillow for
pictures, tokenizers for most texts. In the place of FILE a text may stand, for models of texts; of a .txt file each
line is one. ``--model PATH`` names the model or its folder where this file does not lie beside it. The fields are those
of ``regraft predict --json``. To answer inside a program:

    about, run = session("FOLDER")
    run({"picture": decode(open("photo.jpg", "rb").read())})
"""

from __future__ import annotations

import argparse
import io
import json
import math
import re
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ABOUT = "regraft"
"""The name that what is known of a model has inside its file."""
BESIDE = {"texts": ("text_inputs.py", "table_inputs.py"), "table": ("table_inputs.py",)}
"""What this file needs beside it, by the kind of the model."""
PATH = re.compile(r"[.~]{0,2}[/\\].*|[A-Za-z]:[/\\].*|.*[/\\]|\S*\.[A-Za-z]\w{1,8}(#\w+)?|embedded:\S*", re.DOTALL)
"""What has the look of a path, and is no text."""
GRAPHS = ("model.onnx", "model.xml", "model.pt2")

Arrays = dict[str, Any]
Run = Callable[[Arrays], Arrays]
Record = dict[str, Any]


def session(path: str | Path) -> tuple[Record, Run]:
    """An exported file, or the folder that holds one -> what is known of it, and what runs it: arrays by the names of
    inputs -> arrays by those of outputs. Raises ``ValueError`` where there is none.
    """
    path = Path(path)
    there = [path] if path.is_file() else [path / name for name in GRAPHS if (path / name).is_file()]
    readers = {".onnx": _onnx, ".xml": _openvino, ".pt2": _torch}
    if not there or there[0].suffix not in readers:
        raise ValueError(f"there is no exported model at {path}: {', '.join(GRAPHS)} or a folder with one is wanted")
    told, run = readers[there[0].suffix](there[0])
    about = json.loads(told or "{}")
    if about.get("format") != "regraft-export":
        raise ValueError(f"{there[0]} was not written by 'regraft export'")
    return about, run


def _onnx(path: Path) -> tuple[str, Run]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    found = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in found.get_outputs()]
    told = found.get_modelmeta().custom_metadata_map.get(ABOUT, "")
    return told, lambda given: dict(zip(names, found.run(None, given), strict=True))


def _openvino(path: Path) -> tuple[str, Run]:
    quiet = sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # nobody was asked to be counted
    try:
        import openvino
    finally:
        if quiet is None:
            sys.modules.pop("openvino_telemetry", None)
    core = openvino.Core()
    graph = core.read_model(path)
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    told = graph.get_rt_info(ABOUT).astype(str) if graph.has_rt_info(ABOUT) else ""

    names = [one["name"] for one in json.loads(told or "{}").get("outputs", ())]

    def run(given: Arrays) -> Arrays:
        said = compiled(given)
        found = {port.any_name: np.array(said[port]) for port in compiled.outputs}
        return found if {*found} == {*names} else dict(zip(names, found.values(), strict=True))  # one was renamed

    return told, run


def _torch(path: Path) -> tuple[str, Run]:
    import torch

    extra = {ABOUT: ""}
    module = torch.export.load(path, extra_files=extra).module()
    about = json.loads(extra[ABOUT] or "{}")

    def run(given: Arrays) -> Arrays:
        with torch.no_grad():
            said = module(*(torch.tensor(given[one["name"]]) for one in about["inputs"]))
        return {one["name"]: said[i].numpy() for i, one in enumerate(about["outputs"])}

    return extra[ABOUT], run


def answer(about: Record, said: Arrays) -> Record:
    """What the outputs for one item mean, in the words of ``regraft predict``."""
    decision = about["decision"]
    if "numbers" in said:
        values, asked = said["numbers"].tolist(), decision.get("quantiles") or ()
        found: Record = {"value": values[0], "sigma": decision.get("sigma", 1.0)}
        interval = decision.get("interval")
        if interval is not None and interval.get("by") == "output":
            found |= {"low": values[-2], "high": values[-1]}
        elif interval is not None:
            found |= {"low": values[0] - interval["radius"], "high": values[0] + interval["radius"]}
        return found | ({"quantiles": {f"{q:g}": v for q, v in zip(asked, values[1:], strict=False)}} if asked else {})
    p, classes = said["probabilities"].astype(float), about["classes"]
    found = {"probabilities": dict(zip(classes, p.tolist(), strict=True))}
    if about["link"] == "sigmoid":
        there = p >= np.array(decision.get("thresholds", [0.5] * len(classes)))
        labels = [name for name, yes in zip(classes, there, strict=True) if yes]
        return {"label": "|".join(labels), **found, "entropy_bits": _bits([p, 1 - p]), "labels": labels}
    found = {"label": classes[int(p.argmax())], **found, "entropy_bits": _bits([p])}
    below = decision.get("abstain_below")
    return found if below is None else found | {"abstain": bool(p.max() < below)}


def _bits(shares: Sequence[Any]) -> float:
    """The entropy of probabilities, in bits."""
    p = np.concatenate(shares)
    return float(-(p * np.log2(np.maximum(p, 1e-300))).sum())


def decode(data: bytes) -> Any:
    """The bytes of a picture's file -> uint8 (h, w, 3), red first, upright by its EXIF tag, transparency laid on white,
    more than 8 bits scaled to 8. Raises ``ValueError`` and what Pillow raises.
    """
    from PIL import Image, ImageOps

    image = Image.open(io.BytesIO(data))
    if image.format in ("EPS", "WMF", "EMF"):
        raise ValueError("it is a drawing, made of lines")
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
        raise ValueError(f"the picture is too large to be safe: {image.width} x {image.height} pixels")
    image.load()
    upright = ImageOps.exif_transpose(image)
    size, told = _depth(image, data)
    if upright.mode.startswith(("I", "F")):
        upright = Image.fromarray(_eight_bits(np.asarray(upright), told)).convert("RGB")
    elif upright.mode in ("RGBa", "La", "RGBA", "LA", "PA") or "transparency" in upright.info:
        upright = upright.convert(upright.mode.upper()) if upright.mode in ("RGBa", "La") else upright
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    else:
        wide = size == 16 and told != 16 and upright.mode == "RGB" and image.format in ("PNG", "TIFF")
        upright = upright.convert("RGB")
        if wide and 0 < np.asarray(upright).max() < 16:  # 12 bits of 16, of which the upper 8 came
            upright = upright.point(lambda v: min(255, round(v * 17)))
    return np.asarray(upright)


def _depth(image: Any, data: bytes) -> tuple[int, int | None]:
    """The bits that each value of a file takes, and how many of them it says are used; None where it is silent."""
    if image.format == "PNG":
        if len(data) <= 24 or data[24] != 16:
            return 8, None
        at = 8
        while at + 12 <= len(data):
            length, kind = struct.unpack(">I4s", data[at : at + 8])
            if kind in (b"IDAT", b"sBIT"):
                return 16, (max(data[at + 8 : at + 8 + length], default=0) or None) if kind == b"sBIT" else None
            at += 12 + length
    if image.format == "TIFF":
        sizes, highest = (np.atleast_1d(image.tag_v2.get(tag, none)) for tag, none in ((258, 1), (281, 0)))
        size, used = int(sizes.max()), int(highest.max()).bit_length()
        return (16, used or (size if size < 16 else None)) if 8 < size <= 16 else (size, None)
    return (16, 16) if image.format in ("JPEG2000", "PPM") else (8, None)


def _eight_bits(values: Any, told: int | None) -> Any:
    """Numbers of any range as 0 to 255; floats up to 1 are shares of white, whole numbers below 4096 have 12 bits where
    the file says nothing.
    """
    values = np.nan_to_num(values, nan=0.0) if values.dtype.kind == "f" else values
    highest = float(values.max(initial=0))
    if values.dtype.kind != "f" and told is not None and highest < 1 << told:
        top = float((1 << told) - 1)
    else:
        tops = (1, 255, 65535) if values.dtype.kind == "f" else (255, 4095, 65535)
        top = next((t for t in tops if highest <= t), highest)
    return (values.astype(np.float64).clip(0, top) * (255 / top)).round().astype(np.uint8)


def pictures(about: Record, run: Run, files: Sequence[str], folder: Path) -> Iterator[Record]:
    """A record for each file of a picture."""
    for file in files:
        try:
            picture = decode(Path(file).read_bytes())
        except Exception as error:  # noqa: BLE001 what Pillow raises on damaged files is of many kinds
            yield {"input": file, "error": " ".join(str(error).split()) or type(error).__name__}
        else:
            yield {"input": file, **answer(about, run({"picture": np.ascontiguousarray(picture)}))}


def boxes(about: Record, run: Run, files: Sequence[str], folder: Path) -> Iterator[Record]:
    """A record for each file of a picture, with what stands on it, boxes in its pixels, the best first."""
    for file in files:
        try:
            picture = np.ascontiguousarray(decode(Path(file).read_bytes()))
        except Exception as error:  # noqa: BLE001 see `pictures`
            yield {"input": file, "error": " ".join(str(error).split()) or type(error).__name__}
            continue
        said = run({"picture": picture})
        told = zip(said["boxes"].tolist(), said["scores"].tolist(), said["labels"].tolist(), strict=True)
        found = [{"label": about["classes"][label], "score": round(score, 6), "xyxy": [round(edge, 2) for edge in box]}
                 for box, score, label in told]  # fmt: skip
        yield {"input": file, "width": picture.shape[1], "height": picture.shape[0], "boxes": found}


def texts(about: Record, run: Run, inputs: Sequence[str], folder: Path) -> Iterator[Record]:
    """A record for each text: those in the column of a table, the lines of a .txt file, or what is typed."""
    from table_inputs import is_table  # type: ignore[import-not-found] # they lie beside this file
    from text_inputs import TextInputs  # type: ignore[import-not-found]

    read = TextInputs(about, lambda name: (folder / name).read_bytes())
    for one in inputs:
        yield from each(about, run, read, table_texts(about, one) if is_table(one) else lines_of(one))


def table_texts(about: Record, file: str) -> Iterator[tuple[str, str, str]]:
    """(name of the row, its text, why there is none) of a table's column: that of the model, the only one, or ``text``.
    Raises ``ValueError`` where there is none of these.
    """
    from table_inputs import read_table, readable  # type: ignore[import-not-found]

    table = read_table(file)
    only = next(iter(table.columns)) if len(table.columns) == 1 else "text"
    if not about["item"] and only not in table.columns:
        raise ValueError(f"{file} has the columns {', '.join(table.columns)}: --text names that of the texts")
    yield from readable(table, table.column(about["item"] or only))


def lines_of(one: str) -> list[tuple[str, str, str]]:
    """(what it is called, a text, why there is none) of each line of a .txt file, or of what was typed."""
    try:
        is_file, is_folder = Path(one).is_file(), Path(one).is_dir()
    except (OSError, ValueError):  # too long for a name
        is_file = is_folder = False
    if is_file and one.lower().endswith(".txt"):
        try:
            lines = Path(one).read_text(encoding="utf-8-sig").split("\n")
        except UnicodeDecodeError as error:
            return [(one, "", f"it is no text in UTF-8: {error.reason}")]
        lines = lines if lines[-1].strip() else lines[:-1]
        return [(f"{Path(one).name}:{i}", line.strip(), "") for i, line in enumerate(lines, 1)]
    if is_file or is_folder:
        return [(one, "", f"it is a {'folder' if is_folder else 'file'}; .txt files and tables are read")]
    return [(one, one, "there is nothing at this path" if PATH.fullmatch(one) else "")]


def table(about: Record, run: Run, files: Sequence[str], folder: Path) -> Iterator[Record]:
    """A record for each row of tables."""
    from table_inputs import TableInputs, read_table, readable  # type: ignore[import-not-found]

    read = TableInputs(about)
    for file in files:
        found = read_table(file)
        yield from each(about, run, read, readable(found, read.rows(found)))


def each(about: Record, run: Run, read: Callable[[Any], Arrays], items: Any) -> Iterator[Record]:
    """A record for each of items: (what it is called, the item, why there is none)."""
    for name, item, why in items:
        try:
            given = {} if why else read(item)
        except ValueError as error:
            why = str(error)
        if why:
            yield {"input": name, "error": why}
        else:
            yield {"input": name, **answer(about, {k: v[0] for k, v in run(given).items()})}


KINDS: dict[str, Callable[[Record, Run, Sequence[str], Path], Iterator[Record]]] = {
    "pictures": pictures, "boxes": boxes, "texts": texts, "table": table}  # fmt: skip
"""How what is named on the command line becomes records, by the kind of the model; the folder is where it lies."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Answers by an exported model, a line of JSON each.")
    parser.add_argument("inputs", nargs="+", metavar="FILE")
    parser.add_argument("--model", default=str(Path(__file__).parent), help="the model or its folder [default: here]")
    parser.add_argument("--text", metavar="COLUMN", help="the column of the texts of a table, where it has several")
    asked = parser.parse_args()
    try:
        about, run = session(asked.model)
    except (ValueError, ImportError) as error:
        sys.exit(f"predict.py: {error}")
    if asked.text is not None:
        about["item"] = asked.text
    folder = Path(asked.model) if Path(asked.model).is_dir() else Path(asked.model).parent
    try:
        for record in KINDS[about["kind"]](about, run, asked.inputs, folder):
            print(json.dumps(record, ensure_ascii=False), flush=True)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"predict.py: {error}")


if __name__ == "__main__":
    main()
