"""Boxes as YOLO's tools write them: a text file a picture, each line a class number and the box's middle and sides.

``labels/train/7.txt`` belongs to ``images/train/7.jpg``, or lies beside its picture; ``class cx cy w h`` are in shares
of the picture's sides (Redmon et al. 2016, https://arxiv.org/abs/1506.02640, darknet). ``data.yaml`` names the classes
and parts. A picture without a text file has no boxes, where it lies among others that have.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from regraft.core.errors import UnreadableItem
from regraft.core.types import Evidence, Hints, Problem
from regraft.data.dataset import Dataset
from regraft.data.formats.pairing import (  # fmt: skip
    CLASS_LISTS,
    PICTURE_FOLDERS,
    PictureIndex,
    folder_of,
    head_of,
    part_of_path,
    pictures_of,
    some_of,
)
from regraft.data.formats.partners import LABEL_FOLDERS, Partners, partners
from regraft.data.formats.yolo_lines import Line, Reading, lines_of, reading_of, reading_problem, text_of
from regraft.data.formats.yolo_settings import (  # fmt: skip
    LIMIT,
    NAMES,
    class_names,
    part_lists,
    parts_of,
    point_shape,
    read_settings,
    settings_file,
)
from regraft.data.image.boxes import Annotated, detection_dataset
from regraft.data.trees import Directory, Tree, open_tree

LOOKED_AT = 20


def sniff(path: Path) -> Evidence | None:
    """Label files with pictures, and lines in them; where settings with names of classes lie there, files in a folder
    called labels are enough.
    """
    own = ""
    if path.is_file() and path.suffix.lower() in (".yaml", ".yml", ".data"):
        tree: Tree | None = Directory(path.resolve().parent)
        own = path.name
        if not _is_settings(Directory(path.resolve().parent), own):
            return None
    else:
        tree = open_tree(path)
    if tree is None:
        return None
    files = tree.files()
    texts = _texts(files)
    index = PictureIndex(tree, pictures_of(files) if texts else [])
    settings = own or settings_file(tree, files)[0]
    pairs = partners(index, texts) if index.paths else Partners()
    marked = [f for f in pairs.missing if _is_marked(f)]
    candidates = [*pairs.of, *(marked if settings else [])]
    if not candidates and not own:
        return None
    holding = [_holds_lines(tree, f) for f in some_of(candidates, LOOKED_AT)]
    good = sum(h for h in holding if h) / max(1, sum(h is not None for h in holding))
    structure = bool(settings) and any(map(_is_marked, candidates))
    if not own and not structure and good < 0.5:
        return None
    text = f"YOLO's text files{f', {settings}' if settings else ''}"
    return Evidence(text, len(pairs.of) if structure else round(good * len(pairs.of)))


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    """Classes as data.yaml or classes.txt orders them, else by their numbers."""
    tree = open_tree(path) or Directory(path.resolve().parent)
    files = tree.files()
    problems: list[Problem] = []
    index = PictureIndex(tree, pictures_of(files))
    given = path.is_file() and path.suffix.lower() != ".zip"
    name, others = (path.name, []) if given else settings_file(tree, files)
    settings = read_settings(tree, name) if name else {}
    classes = class_names(settings, tree, files, name or "")
    lists = settings if name else part_lists(tree, files)
    parts, more = parts_of(lists, tree, name or next(iter(lists.values()), ""), index)
    problems += [*others, *more]
    if "nc" in settings and classes and str(settings["nc"]) != str(len(classes)):
        text = f"says nc: {settings['nc']}, and names {len(classes)} classes; the names count"
        problems.append(Problem("wrong-count", name or "", text))
    pairs = partners(index, _texts(files))
    texts = {file: _lines(tree, file, pairs) for file in [*pairs.of, *pairs.missing]}
    problems += _without_picture(pairs, texts)
    reading = reading_of((x for f in pairs.of for x in texts[f][0]), point_shape(settings, name or ""))
    problems += reading_problem((x for f in pairs.of for x in texts[f][0]), reading, name or "labels")
    of = {picture: file for file, picture in pairs.of.items()}
    pictures = []
    for one in _wanted(index, pairs, parts, name or "a list", problems):
        picture = Annotated(one, parts.get(one) or part_of_path(one), shares=True)
        if one in of:
            _add_boxes(picture, of[one], *texts[of[one]], reading, classes, problems)
        pictures.append(picture)
    if not classes:
        classes = tuple(sorted({label for p in pictures for label in p.labels}, key=int))
    called = (path.parent if given else path).resolve().name
    return detection_dataset(
        called.removesuffix(".zip"), tree, pictures, classes, root=index.root, format="yolo",
        evidence=f"YOLO's text files{f', {name}' if name else ''}", problems=problems,
    )  # fmt: skip


def _is_settings(tree: Tree, file: str) -> bool:
    try:
        return bool(NAMES.search(text_of(head_of(tree, file, LIMIT))))
    except UnreadableItem:
        return False


def _texts(files: Sequence[str]) -> list[str]:
    return [f for f in files if f.lower().endswith(".txt") and PurePosixPath(f).name.lower() not in CLASS_LISTS]


def _is_marked(file: str) -> bool:
    """Whether a text file lies in a folder that is called as those of labels are."""
    return any(step.lower() in LABEL_FOLDERS for step in file.split("/")[:-1])


def _holds_lines(tree: Tree, file: str) -> bool | None:
    """Whether most lines at the head of a file are those of boxes; None where it is empty or cannot be read."""
    try:
        data = head_of(tree, file, 4096)
    except UnreadableItem:
        return None
    text = text_of(data)
    good, bad = lines_of(text if len(data) < 4096 else text.rpartition("\n")[0])
    return len(good) >= len(bad) if good or bad else None


def _lines(tree: Tree, file: str, pairs: Partners) -> tuple[list[Line], list[int]]:
    """The lines of a file; the picture of one that cannot be read becomes doubtful."""
    try:
        return lines_of(text_of(tree.read(file)))
    except UnreadableItem as error:
        if picture := pairs.of.pop(file, ""):
            pairs.doubtful[picture] = Problem("unreadable", file, f"{error}; {picture} is left out")
        return [], []


def _without_picture(pairs: Partners, texts: dict[str, tuple[list[Line], list[int]]]) -> list[Problem]:
    """Label files without a picture: those in folders of labels, and those with boxes beside others."""
    beside = {folder_of(f) for f in pairs.of}
    return [p for f, p in pairs.missing.items() if _is_marked(f) or (folder_of(f) in beside and texts[f][0])]


def _wanted(
    index: PictureIndex, pairs: Partners, parts: dict[str, str], name: str, problems: list[Problem]
) -> list[str]:
    """The pictures that the settings name, or else those that lie among labelled ones; the others are listed."""
    labelled = {folder_of(p) for p in pairs.of.values()}
    wanted = []
    for one in index.paths:
        called = one.removeprefix(index.root)
        if parts and one not in parts:
            problems.append(Problem("missing-part", called, f"{name} names it in no part; left out"))
        elif one in pairs.doubtful:
            problems.append(pairs.doubtful[one])
        elif parts or folder_of(one) in labelled or _is_in_pictures(one):
            wanted.append(one)
        else:
            text = "lies in no folder of pictures with labels; left out"
            problems.append(Problem("no-annotation", called, text))
    return wanted


def _is_in_pictures(path: str) -> bool:
    return any(step.lower() in PICTURE_FOLDERS for step in path.split("/")[:-1])


def _add_boxes(
    picture: Annotated, file: str, lines: list[Line], bad: list[int], reading: Reading, classes: Sequence[str],
    found: list[Problem],
) -> None:  # fmt: skip
    for number in bad:
        what = "is no class number with four numbers; set aside"
        found.append(Problem("bad-row", f"{file}:{number}", what))
    for line in lines:
        edges = reading.edges(line.values)
        if edges is None:
            what = f"has {len(line.values)} numbers after its class, and kpt_shape says otherwise; set aside"
            found.append(Problem("bad-row", f"{file}:{line.at}", what))
        elif classes and line.label >= len(classes):
            what = f"has the class {line.label}, and there are {len(classes)} (from 0); set aside"
            found.append(Problem("unknown-class", f"{file}:{line.at}", what))
        else:
            picture.add(edges, classes[line.label] if classes else str(line.label))
