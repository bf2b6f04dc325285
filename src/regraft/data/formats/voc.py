"""Boxes as Pascal VOC writes them: an XML file a picture; parts from ``ImageSets/Main/train.txt`` and its like.

Everingham et al. 2010 (https://doi.org/10.1007/s11263-009-0275-4). Coordinates are taken as they stand, as edges in
pixels counted from 0. An object marked difficult counts neither for nor against a detector, as in VOC's own figures.
An XML file with a document type is refused: its entities may expand without end.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from regraft.data.dataset import Dataset
from regraft.data.detection import Annotated, detection_dataset, is_picture
from regraft.data.encoding import decode_text
from regraft.data.formats.pairing import PictureIndex, listed_classes, part_of_path
from regraft.data.parts import part_of
from regraft.data.trees import Tree, open_tree
from regraft.errors import DataError, UnreadableItem
from regraft.types import Hints, Problem

_FOLDERS = ("annotations", "labels", "xml", "xmls")


def sniff(path: Path) -> str | None:
    tree = open_tree(path)
    files = [f for f in tree.files() if f.lower().endswith(".xml")] if tree else []
    if tree is None or not any(b"<annotation" in tree.read(f)[:4096] for f in files[:20]):
        return None
    lists = ", parts from ImageSets" if any(_part_list(f) for f in tree.files()) else ""
    return f"Pascal VOC, {len(files)} XML files{lists}"


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    """Classes as ``classes.txt`` orders them, else in alphabetical order.

    Pictures without an XML file are listed and left out.
    """
    tree = open_tree(path)
    assert tree is not None
    files = tree.files()
    index = PictureIndex([f for f in files if is_picture(f)])
    problems: list[Problem] = []
    parts = _parts(tree, files)
    pictures: list[Annotated] = []
    described: set[str] = set()
    for file in (f for f in files if f.lower().endswith(".xml")):
        called = file.removeprefix(index.root)
        try:
            root = parse_xml(tree.read(file))
        except UnreadableItem as error:
            problems.append(Problem("unreadable", called, f"{error}; it is set aside"))
            described.add(index.of_stem(file, _FOLDERS) or "")
            continue
        if root.tag != "annotation":
            problems.append(Problem("no-annotation", called, f"holds <{root.tag}> and no <annotation>; left out"))
            continue
        picture = _picture(root, file, index, problems)
        described.add(picture.path)
        if parts and _key(file) not in parts:
            problems.append(Problem("missing-part", called, "stands in no list of ImageSets; left out"))
            continue
        picture.part = parts.get(_key(file)) or part_of_path(picture.path)
        pictures.append(picture)
    for name in sorted(set(index.paths) - described):
        problems.append(Problem("no-annotation", name.removeprefix(index.root), "has no XML file; left out"))
    labels = {label for p in pictures for label in p.labels}
    classes = list(dict.fromkeys([*listed_classes(tree, files), *sorted(labels)]))
    return detection_dataset(
        path.resolve().name.removesuffix(".zip"), tree, pictures, classes, root=index.root, format="voc",
        evidence=sniff(path) or "", problems=problems,
    )  # fmt: skip


def parse_xml(data: bytes) -> Element:
    """The root of an XML document; raises ``UnreadableItem``, also where it declares a document type."""
    builder = TreeBuilder()
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise UnreadableItem("the XML declares a document type (<!DOCTYPE>), whose entities may expand without end")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise UnreadableItem(f"it is no whole XML file: {error}") from error
    return builder.close()


def _picture(root: Element, file: str, index: PictureIndex, problems: list[Problem]) -> Annotated:
    stem, name = PurePosixPath(file).stem, (root.findtext("filename") or "").strip()
    path = index.of_stem(file, _FOLDERS) or index.find(name or f"{stem}.jpg", near=file)
    size = tuple(_number(root.findtext(f"size/{side}")) for side in ("width", "height"))
    picture = Annotated(path, size=size if all(v > 0 for v in size) else None)  # type: ignore[arg-type]
    for number, thing in enumerate(root.iter("object"), 1):
        label = (thing.findtext("name") or "").strip()
        edges = [_number(thing.findtext(f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax")]
        called = file.removeprefix(index.root)
        if not label:
            problems.append(Problem("unknown-class", called, f"its object {number} has no name; set aside"))
        elif thing.find("bndbox") is None:
            problems.append(Problem("no-box", called, f"its object {number} ({label}) has no bndbox; set aside"))
        else:
            picture.add(edges, label, _number(thing.findtext("difficult")) == 1)
    return picture


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _key(file: str) -> tuple[str, str]:
    """The folder that holds Annotations and ImageSets, and the name without its ending."""
    steps = list(PurePosixPath(file).parts[:-1])
    at = next((i for i, step in enumerate(steps) if step.lower() in _FOLDERS), len(steps))
    return "/".join(steps[:at]), PurePosixPath(file).stem


def _part_list(file: str) -> str | None:
    """The part that a list of names is for: ``ImageSets/Main/val.txt`` -> val."""
    steps = PurePosixPath(file).parts
    if not file.lower().endswith(".txt") or "ImageSets" not in steps[:-1]:
        return None
    stem = PurePosixPath(file).stem
    return "train" if stem == "trainval" else part_of(stem)


def _parts(tree: Tree, files: list[str]) -> dict[tuple[str, str], str]:
    """Key -> part; who stands in trainval and in val belongs to val."""
    found: dict[tuple[str, str], str] = {}
    lists = [(f, _part_list(f) or "") for f in files if _part_list(f)]
    for file, part in sorted(lists, key=lambda one: (PurePosixPath(one[0]).stem != "trainval", one)):
        root = "/".join(file.split("/")[: file.split("/").index("ImageSets")])
        try:
            text = decode_text(tree.read(file)).text
        except UnreadableItem as error:
            raise DataError(f"{file} in {tree.path} cannot be read: {error}.") from error
        for line in text.splitlines():
            if line.split():
                found[root, PurePosixPath(line.split()[0]).stem] = part
    return found
