"""Which label file belongs to which picture, where each picture has a file of its own (YOLO's .txt, VOC's .xml).

Both have the same path but for their endings and for the folders that say what they are: ``labels/train/7.txt`` and
``images/train/7.jpg``. A folder of labels none of which has such a picture may stand beside one folder of pictures of
another name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from regraft.core.types import Problem
from regraft.data.formats.pairing import PICTURE_FOLDERS, PictureIndex, folder_of, nfc

LABEL_FOLDERS = frozenset(("labels", "label", "annotations", "annotation", "anns", "xml", "xmls"))
_KINDS = LABEL_FOLDERS | PICTURE_FOLDERS


@dataclass
class Partners:
    """``of`` maps label file -> picture; ``missing`` maps each other label file to the problem that says why it has
    none; ``doubtful`` pictures are those that cannot be told from others, with the problem of each.
    """

    of: dict[str, str] = field(default_factory=dict)
    missing: dict[str, Problem] = field(default_factory=dict)
    doubtful: dict[str, Problem] = field(default_factory=dict)


def partners(index: PictureIndex, files: Sequence[str], names: Mapping[str, str] = {}) -> Partners:
    """Pairs the label ``files`` with the pictures of ``index``; ``names`` maps a file to the picture's name that stands
    in it, which counts where no picture is called as the file.
    """
    found = Partners()
    names = {file: name.replace("\\", "/").rpartition("/")[2] for file, name in names.items()}
    by_key: dict[str, list[str]] = defaultdict(list)
    for picture in index.paths:
        by_key[key_of(picture)].append(picture)
        by_key[_bare(picture)].append(picture)  # 7.jpg.txt is of 7.jpg
    claims: dict[str, list[str]] = defaultdict(list)
    for file in files:
        _claim(file, by_key.get(key_of(file), []), claims, found)
    _settle(claims, found)
    settled = {*found.of, *found.missing}
    for file in (f for f in files if f not in settled and names.get(f)):
        written = folder_of(file) + names[file]
        same = by_key.get(_bare(written), [])
        free = [p for p in same if p not in claims]
        if len(free) == 1:
            found.of[file] = free[0]
            claims[free[0]].append(file)
    settled |= set(found.of)
    _by_folder(index, [f for f in files if f not in settled], names, found)
    return found


def key_of(path: str) -> str:
    """A path without its ending and without the folders that say whether it is of pictures or of labels."""
    return _bare(path).rpartition(".")[0]


def _bare(path: str) -> str:
    *folders, name = nfc(path).split("/")
    return "/".join([*(f for f in folders if f.lower() not in _KINDS), name])


def _nearness(label: str, picture: str) -> int:
    """2 where a folder of pictures stands in the place of one of labels, 1 beside each other, else 0."""
    a, b = folder_of(label).lower().split("/"), folder_of(picture).lower().split("/")
    if a == b:
        return 1
    differ = [(x, y) for x, y in zip(a, b, strict=False) if x != y]
    mirrored = len(a) == len(b) and all(x in LABEL_FOLDERS and y in PICTURE_FOLDERS for x, y in differ)
    return 2 if mirrored else 0


def _claim(file: str, pictures: list[str], claims: dict[str, list[str]], found: Partners) -> None:
    """Notes ``file`` at the picture that it is nearest to."""
    best = max((_nearness(file, p) for p in pictures), default=0)
    nearest = sorted({p for p in pictures if _nearness(file, p) == best})
    if len(nearest) == 1:
        claims[nearest[0]].append(file)
    elif nearest:
        text = f"is the label file of {' or of '.join(nearest[:3])}: no telling which; left out"
        found.missing[file] = Problem("ambiguous-file", file, text)
        for picture in nearest:
            text = f"{file} may be of {' or of '.join(nearest[:3])}: no telling which; left out"
            found.doubtful[picture] = Problem("ambiguous-file", picture, text)


def _settle(claims: Mapping[str, list[str]], found: Partners) -> None:
    """Gives each picture the nearest of the label files that are called as it."""
    for picture, files in claims.items():
        best = max(_nearness(f, picture) for f in files)
        nearest = [f for f in files if _nearness(f, picture) == best]
        if len(nearest) == 1:
            found.of[nearest[0]] = picture
            found.doubtful.pop(picture, None)
        else:
            text = f"has the label files {' and '.join(nearest[:3])}: no telling which; left out"
            found.doubtful[picture] = Problem("ambiguous-file", picture, text)
        for file in files:
            if file not in found.of:
                text = f"is not read: the labels of {picture} are in {' or '.join(nearest[:3])}"
                found.missing[file] = Problem("second-label-file", file, text)


def _by_folder(index: PictureIndex, left: list[str], names: Mapping[str, str], found: Partners) -> None:
    """Pairs folders of labels none of which has a picture with one folder of pictures none of which has labels."""
    used = {_group(f) for f in found.of} | {_group(f) for f, p in found.missing.items() if p.kind == "ambiguous-file"}
    taken = {folder_of(p) for p in (*found.of.values(), *found.doubtful)}
    free = PictureIndex(index.tree, [p for p in index.paths if folder_of(p) not in taken])
    groups: dict[str, list[str]] = defaultdict(list)
    for file in left:
        groups[_group(file)].append(file)
    for group, files in groups.items():
        near = f"{group}x"
        answers: Mapping[str, str | Problem] = {}
        if group not in used:
            for called in ({f: f.removeprefix(group).rpartition(".")[0] for f in files}, names):
                paths = free.resolve((called[f] for f in files if f in called), near).paths
                answers = answers or {f: paths[called[f]] for f in files if f in called}
                if any(isinstance(a, str) for a in paths.values()):
                    answers = {f: paths[called[f]] for f in files if f in called}
                    break
        meant = Counter(a for a in answers.values() if isinstance(a, str))
        for file in files:
            answer = answers.get(file)
            if isinstance(answer, str) and meant[answer] == 1:
                found.of[file] = answer
            elif isinstance(answer, Problem) and answer.kind == "ambiguous-file":
                found.missing[file] = Problem(answer.kind, file, answer.message)
            else:
                found.missing[file] = Problem("missing-file", file, "there is no picture of this name; left out")


def _group(file: str) -> str:
    """The folder of labels that a file lies below, down to the last one called so, else its own; with a slash."""
    steps = file.split("/")[:-1]
    last = max((i for i, step in enumerate(steps) if step.lower() in LABEL_FOLDERS), default=len(steps) - 1)
    return "".join(f"{step}/" for step in steps[: last + 1])
