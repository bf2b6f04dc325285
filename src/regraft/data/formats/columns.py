"""What the columns of a table are: pictures, texts, parts, labels. Found by looking at their values."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from regraft.core.errors import DataError, UnknownName
from regraft.core.types import Problem
from regraft.data.archives import Archive
from regraft.data.formats.pairing import PictureIndex, pictures_of, spelled
from regraft.data.formats.readers import Columns, Table
from regraft.data.image.decoding import SUFFIXES, looks_like_picture
from regraft.data.memory import Memory
from regraft.data.parts import part_of
from regraft.data.trees import Tree
from regraft.text.numbers import has_unit, kind_of, number

LABEL_NAMES = ("label", "labels", "class", "classes", "category", "target", "y", "label_name", "class_name", "label_id",
               "class_id", "category_id", "target_id")  # fmt: skip
TEXT_LABEL_NAMES = (*LABEL_NAMES, "sentiment", "polarity", "stars", "rating", "标签", "情感", "类别", "评分")
TEXT_NAMES = ("text", "texts", "review", "reviews", "sentence", "sentences", "content", "comment", "comments", "body",
              "message", "tweet", "document", "description", "文本", "内容", "评论", "正文")  # fmt: skip
IMAGE_NAMES = ("image", "images", "img", "picture", "photo", "path", "file", "filename", "file_name", "filepath")
YES_MEANS = {"isvalid": "val", "isval": "val", "isvalidation": "val", "istest": "test", "istrain": "train",
             "holdout": "val"}  # fmt: skip
_TRUTH = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False, "1.0": True, "0.0": False,
          "t": True, "f": False, "y": True, "n": False}  # fmt: skip
_STEM_NAME = re.compile(r"(^|[\W_])(id|name|image|img)$|[a-z]id$")
MOST_PARTS, MOST_FILES = 10, 50_000
LOOKED_AT = 1000
FEW_LABELS = 20
LONG_NAME = 25

_NO_PROSE = re.compile(
    r"[\W\d_]+|[+-]?[\d.,]+(e[+-]?\d+)?%?|nan|true|false"  # numbers, dates of digits, punctuation
    r"|\d{4}-\d\d-\d\d[ T][\d:.+Z-]+|\w+://\S+|\S+@\S+\.\w+"  # times, addresses
    r"|(?=[\x21-\x7e]*\d)[\x21-\x7e]+"  # identifiers: no space, a digit
    r"|[\w./\\-]+\.\w{2,4}",  # names of files
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[\d\s.,:;/+-]+")


def cell_text(value: Any) -> str:
    """A cell as text without white space around it, "" where it is missing."""
    if is_bytes(value):
        return ""
    missing = value is None or (isinstance(value, float) and math.isnan(value)) or str(value) in ("<NA>", "NaT")
    return "" if missing else str(value).strip()


def image_column(table: Table, taken: Collection[str | None]) -> str | None:
    """The column with the largest share of pictures (paths, or the bytes of their files), at least half; else one whose
    cells are names of pictures without their endings; None where there is none.
    """
    shares = {name: _share(_is_picture(v) for v in values[:500])
              for name, values in table.columns.items() if name not in taken}  # fmt: skip
    best = max(shares, key=lambda n: (shares[n], n.lower() in IMAGE_NAMES), default="")
    if best and shares[best] >= 0.5:
        return best
    named = [n for n in table.columns if n not in taken and (n.lower() in IMAGE_NAMES or _STEM_NAME.search(n.lower()))]
    named = [n for n in named if _may_be_stem(table.columns[n])]
    stems = pictures_by_stem(table) if named else {}
    return next((n for n in named if _share(cell_text(v) in stems for v in table.columns[n][:500]) >= 0.5), None)


def pictures_by_stem(table: Table) -> dict[str, list[str]]:
    """Pictures of the folder of the table, by their names without ending, relative to it and in any folder below."""
    found: dict[str, list[str]] = {}
    for file in islice(table.tree.below(table.folder), MOST_FILES):
        path = PurePosixPath(file)
        if path.suffix.lower() in SUFFIXES:
            for stem in {path.stem, path.with_suffix("").as_posix()}:
                found.setdefault(stem, []).append(file)
    return found


def picture_paths(table: Table, column: str) -> tuple[Tree, list[str], list[Problem]]:
    """Where the pictures of a column lie, and each one's path there; ids without an ending get that of the one picture
    of their name. Cells that hold the files themselves give a tree in memory.
    """
    values = table.columns[column]
    if any(is_bytes(v) for v in values):
        names = [f"row {row}" for row in table.rows]
        held = {n: bytes(v) if is_bytes(v) else b"" for n, v in zip(names, values, strict=True)}
        return Memory(held), names, []
    cells = [cell_text(v) for v in values]
    paths = [_in_tree(table, c) for c in cells]
    missing = [i for i, c in enumerate(cells) if c and not _is_path(c) and not table.tree.exists(paths[i])]
    said: list[Problem] = []
    if any(map(_is_path, cells)) and not any(p and table.tree.exists(p) for p in paths):
        paths, said = _below_one_folder(table, cells, paths)
    if missing:
        stems = pictures_by_stem(table)
        for i in missing:
            found = stems.get(cells[i], [])
            if len(found) == 1:
                paths[i] = table.folder + found[0]
            elif found:
                text = f"could be {' or '.join(found[:3])}; write its path; left out"
                said.append(Problem("ambiguous-file", cells[i], text))
    return table.tree, paths, said


def _in_tree(table: Table, cell: str) -> str:
    """A cell as a path in the table's tree: as written, else with the slashes of Windows turned."""
    if not cell:
        return ""
    for path in dict.fromkeys((cell, cell.replace("\\", "/"))):
        here = posixpath.normpath(table.folder + path) if isinstance(table.tree, Archive) else table.folder + path
        if table.tree.exists(here):
            return here
    return table.folder + cell.replace("\\", "/")


def _below_one_folder(table: Table, cells: list[str], paths: list[str]) -> tuple[list[str], list[Problem]]:
    """The paths of pictures of which none lies where its cell says: those below the one folder that holds them."""
    files = [table.folder + file for file in islice(table.tree.below(table.folder), MOST_FILES)]
    index = PictureIndex(table.tree, pictures_of(files))
    own = [c for c in cells if _is_path(c) and not spelled(c)[0]]  # a path of another machine could be any picture
    found, said = index.resolve(own, f"{table.folder}{table.name}.csv")
    told = {c: p for c, p in found.items() if isinstance(p, Problem) and p.kind != "missing-file"}
    there = [found.get(c) for c in cells]
    return [p if isinstance(p, str) else was for p, was in zip(there, paths, strict=True)], [*said, *told.values()]


def is_bytes(value: Any) -> bool:
    """Whether a cell holds bytes."""
    return isinstance(value, bytes | bytearray | memoryview)


def _is_picture(value: Any) -> bool:
    return _is_path(value) or (is_bytes(value) and looks_like_picture(bytes(value[:64])))


def _may_be_stem(values: Sequence[Any]) -> bool:
    """Whether the cells could be names: short, without white space, mostly different."""
    cells = [cell_text(v) for v in values[:500] if not is_bytes(v)]
    return len(set(cells)) > max(1, 0.5 * len(cells)) and all(
        0 < len(c) < 200 and not re.search(r"\s", c) for c in cells
    )


def text_column(columns: Columns, taken: Collection[str | None]) -> str | None:
    """The column of texts: one with a name such as text or review, else the longest of those with many values.

    Names of things in a table of numbers are no texts.
    """
    prose: dict[str, float] = {}
    various: set[str] = set()
    called: dict[str, str] = {}
    for name, values in columns.items():
        cells = [c for c in (cell_text(v) for v in _sample(values)) if c]
        if name in taken or not cells:
            continue
        if _share(bool(_NUMBER.fullmatch(c)) or _is_path(c) for c in cells) < 0.5:
            called.setdefault(name.lower(), name)
        if _share(_is_prose(c) for c in cells) >= 0.5 and 2 * len(cells) >= len(_sample(values)):
            prose[name] = sum(map(len, cells)) / len(cells)
            if len(set(cells)) > 0.3 * len(cells):
                various.add(name)
    for known in TEXT_NAMES:
        if known in called:
            return called[known]
    named = [name for name in prose if name in various and set(re.split(r"[\W_]+", name.lower())) & set(TEXT_NAMES)]
    candidates = named or [name for name in prose if name in various and name.lower() not in TEXT_LABEL_NAMES]
    best = max(candidates, key=lambda n: prose[n], default=None)
    if best is not None and not named and prose[best] < LONG_NAME:
        others = [[cell_text(v) for v in _sample(values)] for name, values in columns.items() if name != best]
        numeric = sum(kind_of(cells) == "number" for cells in others)
        if numeric >= 2 and numeric >= len(others) / 2:
            return None
    return best


def part_words(name: str, values: Sequence[Any]) -> dict[str, str] | None:
    """Each word of a column and the part it names, "" where it names none; None where there are too many for parts.

    Yes and no in a column such as ``is_valid`` name parts too.
    """
    words = list(dict.fromkeys(c for c in map(cell_text, values) if c))
    if not words or len(words) > MOST_PARTS:
        return None
    yes = YES_MEANS.get(re.sub(r"[\W_]+", "", name.lower()))
    if yes and all(w.lower() in _TRUTH for w in words):
        return {w: yes if _TRUTH[w.lower()] else "val" if yes == "train" else "train" for w in words}
    return {w: part_of(w) or "" for w in words}


def wanted(name: str, columns: Columns, where: str, option: str) -> str:
    """``name`` if there is such a column; raises ``DataError`` naming the option that asked for it."""
    if name not in columns:
        raise DataError(f"{option} {name}: {UnknownName('column', name, columns)} ({where})")
    return name


def label_columns(columns: Columns, items: str, where: str, unused: Mapping[str, str]) -> list[str]:
    """The columns among ``columns`` that are labels of ``items`` (texts or pictures): the one named so, else all.
    Beside texts, those with few values are taken where any are. Raises ``DataError`` where there is none.
    """
    free, texts = list(columns), items == "texts"
    known = TEXT_LABEL_NAMES if texts else LABEL_NAMES
    named = sorted((n for n in free if n.lower() in known), key=lambda n: known.index(n.lower()))
    if texts:
        free = [name for name in free if _few_values(columns[name])] or free
    chosen = named[:1] or free
    if not chosen:
        left = "".join(f"; {n} is {why}" for n, why in unused.items() if why)
        raise DataError(f"{where} has no column beside the {items} that could be a label{left} (--label names one).")
    return chosen


def white_space_problems(name: str, cells: list[Any]) -> list[Problem]:
    """Labels that were several by the white space around them alone, and are one now."""
    forms: dict[str, set[str]] = {}
    for cell in cells:
        if isinstance(cell, str) and cell.strip():
            forms.setdefault(cell.strip(), set()).add(cell)
    return [
        Problem("label-white-space", label, f"is written in {len(raw)} ways in {name} that differ by white space; "
                "they are one class")
        for label, raw in forms.items() if len(raw) > 1
    ]  # fmt: skip


def header_problems(columns: Columns, labels: list[str]) -> list[Problem]:
    """A first line that looks like a row: the name of a label's column is one of its own labels. Columns that are
    numbered through, as pandas numbers those without names, are no row.
    """
    numerals = [name for name in columns if name.isdecimal()]
    counted = len(numerals) > 1 and any(numerals == [str(i + k) for i in range(len(numerals))] for k in (0, 1))
    return [
        Problem("no-header", name, "is the name of a column and a label in it: the first line looks like a row, and "
                "was read as the names of the columns")
        for name in labels if any(cell_text(v) == name for v in columns[name])
    ] + [
        Problem("no-header", name, "is the name of a column and looks like a value: the first line looks like a row, "
                "and was read as the names of the columns")
        for name in columns
        if name not in labels and not counted and (_is_path(name) or number(name or "x") is not None)
    ]  # fmt: skip


def _is_path(value: Any) -> bool:
    return isinstance(value, str | Path) and PurePosixPath(str(value).strip()).suffix.lower() in SUFFIXES


def _is_prose(cell: str) -> bool:
    if len(cell) > 200:
        return not _NUMBER.fullmatch(cell)
    return not (_NO_PROSE.fullmatch(cell) or part_of(cell) or has_unit(cell))


def _few_values(values: list[Any]) -> bool:
    cells = [str(v) if isinstance(v, list) else cell_text(v) for v in values]
    different = len(set(cells) - {""})
    return 1 < different <= max(FEW_LABELS, 0.05 * len(cells)) and (
        len(cells) < 2 * FEW_LABELS or different < len(cells) / 2
    )


def _sample(values: list[Any]) -> list[Any]:
    return values[:: max(1, len(values) // LOOKED_AT)]


def _share(values: Iterable[bool]) -> float:
    listed = list(values)
    return sum(listed) / max(len(listed), 1)
