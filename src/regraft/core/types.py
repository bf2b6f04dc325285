"""The words that several layers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from regraft.core.errors import InputError

Modality = Literal["image", "text", "table"]
CHARACTERS = 16
"""Of a text that is longer than all windows so many characters a token are looked at; usual are 2 to 5."""


@dataclass(frozen=True)
class LabelSpec:
    """What is to be predicted: the task and, for classes, their names in a fixed order (none for numbers)."""

    task: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are: decided once, told to the user, and stored in the model.

    ``item`` is the column of the texts or pictures, "" where a row is an item; ``labels`` maps each label's column to
    its task, ``separators`` to what stands between several classes in a cell, ``decimals`` a column to the way its
    numbers are written where that is not 1234.5 (see `regraft.text.numbers.STYLES`); ``features`` are the
    columns learned from, ``unused`` maps the others to why they are not.
    """

    modality: Modality
    item: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    part: str = ""
    group: str = ""
    features: tuple[str, ...] = ()
    separators: dict[str, str] = field(default_factory=dict)
    decimals: dict[str, str] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The fields, for a manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any] | None) -> Roles | None:
        """The roles that `to_json` wrote; None where a model has none."""
        return None if record is None else cls(**{**record, "features": tuple(record["features"])})

    def __str__(self) -> str:
        """The columns in one line, as a person is told of them."""
        told = [f"{kind} {name!r}" for kind, name in ((self.modality, self.item),) if name]
        for name, task in self.labels.items():
            how = f", several split at {self.separators[name]!r}" if name in self.separators else ""
            told.append(f"label {name!r} ({task}{how})")
        told += [f"{kind} {name!r}" for kind, name in (("part", self.part), ("group", self.group)) if name]
        if self.features:
            told.append(f"{len(self.features)} learned from ({_some(self.features)})")
        if self.unused:
            unused = [f"{n or repr(n)} ({why})" if why else n for n, why in self.unused.items()]
            told.append("not used: " + _some(unused))
        return "columns: " + ", ".join(told)


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


@dataclass(frozen=True)
class Hints:
    """What the user says of the data, over what is recognised: the label's column (several with commas), what no split
    may tear (a column, or for files a regular expression on their names), the task, the columns of the texts and of
    the pictures, of the parts, those of a table to learn from and those that are not looked at (several with commas),
    and the encoding of text files.

    ``usual`` is the label's column where there is one of that name and the user names none; ``kept`` are the columns
    that a model learned from, which are read again by name; where one is missing the data is refused, unless
    ``lenient``. Of a table's rows those without a label are left out; with ``labels`` "some" they stay, as every row
    does of a table that has none; with "none" no column is looked at for them.
    """

    label: str | None = None
    group: str | None = None
    task: str | None = None
    text: str | None = None
    usual: str | None = None
    drop: str | None = None
    image: str | None = None
    part: str | None = None
    features: str | None = None
    encoding: str | None = None
    kept: Roles | None = None
    lenient: bool = False
    labels: Literal["wanted", "some", "none"] = "wanted"

    def __post_init__(self) -> None:
        """Takes columns as Python holds them too, a number or a list of names; raises ``InputError`` for what is
        neither.
        """
        for name in ("label", "group", "task", "text", "drop", "image", "part", "features", "encoding"):
            given = getattr(self, name)
            if given is None:
                continue
            several = given if isinstance(given, list | tuple) and name in ("label", "drop", "features") else [given]
            if any(not isinstance(one, str | int) or isinstance(one, bool) for one in several):
                raise InputError(f"{name}={given!r}: a name is wanted, or several with commas.")
            object.__setattr__(self, name, ",".join(map(str, several)))


class Evidence(NamedTuple):
    """What speaks for a format: words for a person, and how many labelled items it would give; ``weak`` where that may
    be no more than the way in which files lie about.
    """

    text: str
    items: int
    weak: bool = False


@dataclass(frozen=True)
class Problem:
    """Something about the data that a person should know.

    ``item`` is the file, row or class it concerns; ``kind`` a short fixed word such as ``unreadable``.
    """

    kind: str
    item: str
    message: str


@dataclass(frozen=True)
class PreprocessSpec:
    """How an item becomes the input of a network. It belongs to the weights and travels with them.

    Pictures: decoded to uint8; if ``resize`` is given, the shorter side is brought to that many pixels and the
    middle (``height`` x ``width``) is cut out, else the picture is stretched to ``height`` x ``width``; then
    channels in the order of ``colour``, values in 0..1, less ``mean``, divided by ``std``; without these, as they are,
    in 0..255.
    Numeric rows: ``columns`` values, taken as they are.
    Texts: the steps of ``view`` in their order (see `regraft.text.views`), then the network's own tokeniser; what is
    longer than ``tokens`` tokens is cut into windows of at most that many, of which the first ``windows`` are read, and
    no more than ``characters`` of the text are looked at (all where these are 0).
    """

    modality: Modality = "image"
    height: int = 224
    width: int = 224
    resize: int | None = None
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    colour: Literal["rgb", "bgr", "grey"] = "rgb"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    columns: int = 0
    view: tuple[str, ...] = ()
    tokens: int = 0
    windows: int = field(default=0, repr=False)  # a digest of networks is made of the repr

    @property
    def characters(self) -> int:
        """How much of a text may become tokens at all: a megabyte is not tokenised for what is cut off afterwards."""
        return CHARACTERS * self.tokens * self.windows

    def to_json(self) -> dict[str, Any]:
        """The fields, for a manifest."""
        return {k: v for k, v in asdict(self).items() if k != "windows" or v}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> PreprocessSpec:
        """From what `to_json` wrote."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
        return cls(**fields)
