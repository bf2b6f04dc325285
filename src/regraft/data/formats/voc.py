"""Boxes as Pascal VOC writes them: an XML file a picture; parts from ``ImageSets/Main/train.txt`` and its like.

Everingham et al. 2010 (https://doi.org/10.1007/s11263-009-0275-4). Coordinates are taken as they stand, as edges in
pixels counted from 0. An object marked difficult counts neither for nor against a detector, as in VOC's own figures.
An XML file with a document type is refused: its entities may expand without end.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from regraft.core.errors import UnreadableItem
from regraft.core.types import Evidence, Hints, Problem
from regraft.data.dataset import Dataset
from regraft.data.formats.pairing import (  # fmt: skip
    PictureIndex,
    among,
    folder_of,
    head_of,
    in_order,
    lines_of,
    listed_classes,
    part_of_path,
    pictures_of,
    some_of,
)
from regraft.data.formats.partners import Partners, key_of, partners
from regraft.data.image.boxes import Annotated, detection_dataset
from regraft.data.parts import part_of
from regraft.data.text.encoding import decode_text
from regraft.data.trees import Tree, open_tree

_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ROOT = re.compile(r"<annotation[\s>]")
# what a declared encoding is in fact, where tools that write it mean more
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "latin-1": "cp1252", "iso8859-1": "cp1252"}
LOOKED_AT = 20


def sniff(path: Path) -> Evidence | None:
    """XML files with ``<annotation>``; counted are those with a picture."""
    tree = open_tree(path)
    names = tree.files() if tree else []
    files = [f for f in names if f.lower().endswith(".xml")]
    if tree is None or not files:
        return None
    some = some_of(files, LOOKED_AT)
    heads = {file: _head(tree, file) for file in some}
    good = [file for file, head in heads.items() if _ROOT.search(head)]
    if not good:
        return None
    index = PictureIndex(tree, pictures_of(names))
    count = len(partners(index, files).of)
    if not count:
        written = {f: m[1].strip() for f in good if (m := re.search(r"<filename>([^<]*)", heads[f]))}
        count = round(len(partners(index, some, written).of) / len(some) * len(files))
    lists = ", parts from ImageSets" if any(_part_list(f) for f in names) else ""
    return Evidence(f"Pascal VOC, {len(files)} XML files{lists}", round(count * len(good) / len(some)))


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    """Classes as ``classes.txt`` orders them, else in alphabetical order.

    Pictures without an XML file are listed and left out.
    """
    tree = open_tree(path)
    assert tree is not None
    files = tree.files()
    problems: list[Problem] = []
    index = PictureIndex(tree, pictures_of(files))
    roots, broken = _annotations(tree, files, index.root, problems)
    written = {f: (root.findtext("filename") or "").strip() for f, root in roots.items()}
    pairs = partners(index, [*roots, *broken], written)
    parts = _parts(tree, files, [*roots, *broken], problems)
    listed = listed_classes(tree, files)
    pictures = []
    for file, root in roots.items():
        if parts and file not in parts:
            text = "stands in no list of ImageSets; left out"
            problems.append(Problem("missing-part", file.removeprefix(index.root), text))
            continue
        if file in pairs.of:
            pictures.append(_picture(root, file, pairs.of[file], index.root, listed, problems))
            _check_name(file, written[file], pairs, index, problems)
        else:
            pictures.append(Annotated(file, gone=pairs.missing[file]))
        pictures[-1].part = parts.get(file) or part_of_path(pictures[-1].path)
    for name in sorted(set(index.paths) - set(pairs.of.values())):
        problem = Problem("no-annotation", name.removeprefix(index.root), "has no XML file; left out")
        problems.append(pairs.doubtful.get(name, problem))
    lists = ", parts from ImageSets" if any(_part_list(f) for f in files) else ""
    return detection_dataset(
        path.resolve().name.removesuffix(".zip"), tree, pictures,
        in_order(listed, (label for p in pictures for label in p.labels)), root=index.root, format="voc",
        evidence=f"Pascal VOC, {len(roots) + len(broken)} XML files{lists}", problems=problems,
    )  # fmt: skip


def _head(tree: Tree, file: str) -> str:
    try:
        return decode_text(head_of(tree, file, 4096)).text
    except UnreadableItem:
        return ""


def _annotations(
    tree: Tree, files: Sequence[str], top: str, problems: list[Problem]
) -> tuple[dict[str, Element], list[str]]:
    """The roots of the XML files that hold an annotation, and the files that cannot be read."""
    roots, broken = {}, []
    for file in (f for f in files if f.lower().endswith(".xml")):
        called = file.removeprefix(top)
        try:
            root, told = parse_xml(tree.read(file))
        except UnreadableItem as error:
            problems.append(Problem("unreadable", called, f"{error}; it is set aside"))
            broken.append(file)
            continue
        if root.tag != "annotation":
            problems.append(Problem("no-annotation", called, f"holds <{root.tag}> and no <annotation>; left out"))
            continue
        if told:
            problems.append(Problem("encoding", called, told))
        roots[file] = root
    return roots, broken


def parse_xml(data: bytes) -> tuple[Element, str]:
    """The root of an XML document in whatever encoding it declares, and what a person should know of that encoding.

    Raises ``UnreadableItem``, also where the document declares a document type.
    """
    text, told = _decoded(data)
    builder = TreeBuilder()
    # it stands above what the document declares
    parser = expat.ParserCreate("utf-8")

    def refuse(*_: object) -> None:
        raise UnreadableItem("the XML declares a document type (<!DOCTYPE>), whose entities may expand without end")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text.lstrip("\ufeff").encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        raise UnreadableItem(f"it is no whole XML file: {error}") from error
    return builder.close(), told


def _decoded(data: bytes) -> tuple[str, str]:
    declared = _DECLARED.match(data)
    name = declared[1].decode("ascii") if declared else ""
    if not declared or data.startswith(codecs.BOM_UTF8):
        found = decode_text(data)
        return found.text, "" if found.encoding.startswith("utf") else f"is read as {found.encoding}"
    try:
        known = codecs.lookup(name).name
        # who could read the declaration byte by byte has no UTF-16 before him
        known = "utf-8" if known.startswith(("utf-16", "utf-32")) else known
        return data.decode(_WIDER.get(known, known)), ""
    except LookupError as error:
        raise UnreadableItem(f"it declares the encoding {name}, which is not known") from error
    except (UnicodeError, ValueError):
        found = decode_text(data)
        return found.text, f"declares the encoding {name} and is not in it; read as {found.encoding}"


def _picture(
    root: Element, file: str, path: str, top: str, listed: Sequence[str], problems: list[Problem]
) -> Annotated:
    called = file.removeprefix(top)
    sides = [_number(root.findtext(f"size/{side}")) for side in ("width", "height")]
    picture = Annotated(path, size=(sides[0], sides[1]) if all(v > 0 for v in sides) else None)
    for number, thing in enumerate(root.iter("object"), 1):
        label = among(thing.findtext("name") or "", listed)
        edges = [_number(thing.findtext(f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax")]
        if not label.strip():
            problems.append(Problem("unknown-class", called, f"its object {number} has no name; set aside"))
        elif thing.find("bndbox") is None:
            problems.append(Problem("no-box", called, f"its object {number} ({label}) has no bndbox; set aside"))
        else:
            picture.add(edges, label, _number(thing.findtext("difficult")) == 1)
    return picture


def _check_name(file: str, written: str, pairs: Partners, index: PictureIndex, problems: list[Problem]) -> None:
    """Tells of a ``<filename>`` that is that of another picture."""
    picture = pairs.of.get(file)
    other = folder_of(picture) + written if picture and written else ""
    if other and other != picture and other in index.ends(True).of:
        text = f"names {written} inside, and is called as {picture}; its boxes are taken for {picture}"
        problems.append(Problem("wrong-name", file.removeprefix(index.root), text))


def _number(text: str | None) -> float:
    try:
        return float((text or "nan").replace("_", "x"))
    except ValueError:
        return math.nan


def _part_list(file: str) -> str | None:
    """The part that a list of names is for: ``ImageSets/Main/val.txt`` -> val."""
    steps = PurePosixPath(file).parts
    if not file.lower().endswith(".txt") or "imagesets" not in (s.lower() for s in steps[:-1]):
        return None
    stem = PurePosixPath(file).stem
    return "train" if stem == "trainval" else part_of(stem)


def _parts(tree: Tree, files: Sequence[str], annotations: Sequence[str], problems: list[Problem]) -> dict[str, str]:
    """XML file -> part; who stands in trainval and in val belongs to val."""
    lists = [f for f in files if _part_list(f)]
    lists = [f for f in lists if "/main/" in f.lower()] or lists
    by_key: dict[str, list[str]] = {}
    for file in annotations:
        by_key.setdefault(key_of(file), []).append(file)
    lists.sort(key=lambda f: (PurePosixPath(f).stem != "trainval", _part_list(f) != "train", f))
    lines = {f: lines_of(tree, f) for f in lists}
    named = {f: {line: _named(line, _above(f), by_key) for line in some} for f, some in lines.items()}
    if not any(there for one in named.values() for there in one.values()):
        # the lists lie apart from the XML files
        index = PictureIndex(tree, annotations)
        for file, one in named.items():
            answers = index.resolve(map(str.strip, one), near=f"{_above(file)}x").paths
            named[file] = {line: [a] if isinstance(a := answers[line.strip()], str) else [] for line in one}
    found: dict[str, str] = {}
    for file, one in named.items():
        part = _part_list(file) or ""
        for line, there in one.items():
            if not there:
                problems.append(Problem("missing-file", line.strip(), f"{file} names it, and it has no XML file"))
            for xml in there:
                if found.get(xml, "train") not in ("train", part):
                    text = f"stands in the lists of {found[xml]} and of {part}; it counts to {part}"
                    problems.append(Problem("same-part", xml, text))
                found[xml] = part
    return found


def _above(file: str) -> str:
    """The folder that holds ImageSets."""
    return file[: file.lower().index("imagesets/")]


def _named(line: str, root: str, by_key: Mapping[str, list[str]]) -> list[str]:
    """The XML files that a line of a list names: all of it, or all but the ``-1``, ``0`` or ``1`` at its end."""
    flagged = re.fullmatch(r"(.*\S)\s+(-1|0|1)\s*", line)
    for name in (line, line.strip(), flagged[1] if flagged else line):
        plain = name.replace("\\", "/")
        for called in (f"{plain}.xml", plain):
            if there := by_key.get(key_of(root + called)):
                return there
    return []
