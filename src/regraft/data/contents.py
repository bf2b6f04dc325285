"""What a folder or an archive holds, by names that can be written anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from regraft.core.types import Problem
from regraft.data.names import guess_of, odd, order, spelled
from regraft.data.text.charsets import Guess
from regraft.data.tool_output import SIGN, is_below, tool_output


class Contents(NamedTuple):
    """``files`` maps the name of each to its spelling on the disk, both sorted; what tools wrote is left out."""

    files: dict[str, str]
    folders: list[str]
    problems: list[Problem]


def contents(
    files: Iterable[str], folders: Iterable[str], read: Callable[[str], bytes], clean: Callable[[str], str] = str
) -> Contents:
    """The names of ``files`` and ``folders`` as they are spelled, made writable; ``read`` takes a spelling, ``clean``
    is what else is done to names once they are decoded, "" where one is to be left out.
    """
    files, folders = list(files), list(folders)
    problems: list[Problem] = []
    strange = odd([*files, *folders])
    how = guess_of(strange) if strange else None
    if how is not None:
        first = min(spelled(name, how) for name in strange)
        text = (f"is one of {len(strange)} names that are not UTF-8; read as {how.encoding} "
                f"({min(how.confidence, 0.99):.0%} sure)")  # fmt: skip
        problems.append(Problem("name-encoding", first, text))
    called: dict[str, str] = {}
    for file in files:
        name = clean(spelled(file, how))
        if not name:
            continue
        if name in called:
            name, taken = _free(name, called), name
            problems.append(Problem("same-name", name, f"is another spelling of {taken} (Unicode); both are kept"))
        called[name] = file
    places = _folders(folders, how, clean, problems)
    for name in called:
        above = name.rpartition("/")[0]
        while above and above not in places:
            places.add(above)
            above = above.rpartition("/")[0]
    left_out = tool_output(called, places, lambda name: read(called[name]))
    for folder, whose in left_out.items():
        text = f"was written by {whose}, as its files tell; it is no data and left out"
        problems.append(Problem("tool-output", folder, text))
    called = {name: file for name, file in called.items() if name.rpartition("/")[2] != SIGN}
    if left_out:
        called = {name: file for name, file in called.items() if not is_below(name, left_out)}
        places = _without(places, called, left_out)
    return Contents({name: called[name] for name in sorted(called, key=order)}, sorted(places, key=order), problems)


def _folders(folders: list[str], how: Guess | None, clean: Callable[[str], str], problems: list[Problem]) -> set[str]:
    places: dict[str, str] = {}
    for folder in folders:
        name = clean(spelled(folder, how))
        if name and places.setdefault(name, folder) != folder:
            text = "is the name of two folders in different spellings (Unicode); they are read as one"
            problems.append(Problem("same-name", name, text))
    return set(places)


def _free(name: str, taken: Mapping[str, str]) -> str:
    path, number = PurePosixPath(name), 2
    while (other := path.with_name(f"{path.stem} ({number}){path.suffix}").as_posix()) in taken:
        number += 1
    return other


def _without(places: set[str], files: Mapping[str, str], left_out: Mapping[str, str]) -> set[str]:
    """The folders less those of tools, and less those that held nothing else."""
    above = {folder.rsplit("/", n)[0] for folder in left_out for n in range(1, folder.count("/") + 1)}
    emptied = {a for a in above if not any(name.startswith(f"{a}/") for name in files)}
    return {p for p in places if not is_below(p, left_out) and p not in emptied}
