"""What the data is, and what of it is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from regraft.core.types import Hints
from regraft.options.base import option

FORMATS = ("image-folder", "coco", "voc", "yolo", "box-table", "text-folder", "polarity", "table", "npz", "idx",
           "cifar")  # fmt: skip
TASKS = ("classification", "multilabel", "regression", "detection")
HINTS = ("label", "group", "task", "text", "drop", "image", "part", "features", "encoding")
"""What a user says of the data over what is recognised, see `regraft.core.types.Hints`."""
ONE_ANSWER = ("classification", "multilabel", "regression")
"""Tasks whose labels are no boxes."""
DATA = (
    "a folder or zip of class folders with pictures or .txt files, a table (.csv, .tsv, .jsonl, .parquet, also .gz) of "
    "picture paths, texts or numbers and labels, boxes (COCO, Pascal VOC, YOLO, a table), .pos and .neg files, an "
    ".npz, IDX files, CIFAR batches, embedded:digits; PATH#part for one part"
)


@dataclass(frozen=True)
class DataOptions:
    """Which columns are what, what to judge on, what is recognised otherwise."""

    PANEL: ClassVar[str] = "Data"

    val: Any = option(None, "data to judge on; of several domains one for each, with commas [default: part val, or a "
                            "held-out fifth]", typed=str)  # fmt: skip
    corrections: Any = option(None, "labels or boxes to correct and items to take out, as 'regraft audit' lists "
                                    "them; of several data one file for each, with commas, none where there is none",
                              typed=str, metavar="FILE")  # fmt: skip
    label: str | None = option(None, "the label's column of a table", tasks=ONE_ANSWER)
    text: str | None = option(None, "the text's column of a table", tasks=ONE_ANSWER)
    image: str | None = option(None, "the picture's column of a table", tasks=ONE_ANSWER)
    features: str | None = option(None, "columns of a table to learn from, with commas [default: all but ids and "
                                        "indices]", tasks=ONE_ANSWER)  # fmt: skip
    drop: str | None = option(None, "columns of a table that are not looked at, with commas", tasks=ONE_ANSWER)
    group: str | None = option(None, "what no split may tear: a table's column, or a regular expression on file names")
    part: str | None = option(None, "the column of a table that names each row's part; none: it has none",
                              tasks=ONE_ANSWER)  # fmt: skip
    encoding: str | None = option(None, "of tables and text files, such as big5 or cp1251 [default: recognised]")
    task: str | None = option(None, f"overrule the recognised task: {', '.join(TASKS)}")
    format: str | None = option(None, f"overrule the format: {', '.join(FORMATS)}")

    def hints(self, **more: Any) -> Hints:
        """What is said of the data, for the formats; ``more`` goes before it."""
        return Hints(**{**{name: getattr(self, name) for name in HINTS}, **more})
