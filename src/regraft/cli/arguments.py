"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

DATA = (
    "a folder or zip of class folders with pictures or .txt files, a table (.csv, .tsv, .jsonl, .parquet, also .gz) of "
    "picture paths, texts or numbers and labels, boxes (COCO, Pascal VOC, YOLO, a table), .pos and .neg files, an "
    ".npz, IDX files, CIFAR batches, embedded:digits; PATH#part for one part"
)
BACKBONE = (
    "a network of 'regraft backbones', a folder of a transformer, hf/ORG/NAME, timm/NAME, vectors:FILE, tfidf, raw, "
    "random:NAME, NAME@BLOCK, NAME[VIEW] (pinyin, segment, lemma, gloss:FILE, ...), A+B for several side by side, "
    "A+small for one and a small one that learns beside it, auto or auto:A,B to have one chosen [default: regraft_tiny "
    "for pictures up to 64 pixels, else mobilenet_v2; minilm for texts where installed]"
)
DETECTOR = "for pictures with boxes: yolo, yolo-tiny, yolo-s ... yolo-x, fasterrcnn, ssd [default: yolo]"
AUGMENT = "none, light, standard, strong, or a list such as crop,flip,blur [default: light; for boxes standard]"
MIX = "join pictures: none, mixup, cutmix, mosaic; for boxes mosaic, mixup, mosaic+mixup [default: none]"
CONTROLS = "majority,raw,random"
Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA)]
ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help="a run folder or the model folder in it")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object on stdout and nothing else")]
FORMATS = "overrule the format: image-folder, coco, voc, yolo, box-table, text-folder, polarity, table, npz, idx, cifar"
Format = Annotated[str | None, typer.Option(help=FORMATS)]
Text = Annotated[str | None, typer.Option(help="the text's column of a table")]
Image = Annotated[str | None, typer.Option(help="the picture's column of a table")]
Features = Annotated[
    str | None, typer.Option(help="columns of a table to learn from, with commas [default: all but ids and indices]")
]
Drop = Annotated[str | None, typer.Option(help="columns of a table that are not looked at, with commas")]
Part = Annotated[str | None, typer.Option(help="the column of a table that names each row's part; none: it has none")]
Encoding = Annotated[
    str | None, typer.Option(help="of tables and text files, such as big5 or cp1251 [default: recognised]")
]
Label = Annotated[str | None, typer.Option(help="the label's column of a table")]
Group = Annotated[
    str | None, typer.Option(help="what no split may tear: a table's column, or a regular expression on file names")
]
TaskName = Annotated[
    str | None, typer.Option(help="overrule the recognised task: classification, multilabel, regression, detection")
]
Page = Annotated[str | None, typer.Option(metavar="FILE.html", help="write a page that stands alone")]
Adapt = Annotated[str | None, typer.Option(help="tent: adapts batch normalisation to the items before it answers")]
Engine = Annotated[str, typer.Option(help="how frozen networks are run: auto, torch")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, mps")]
Threads = Annotated[int | None, typer.Option(help="threads of the networks [default: all cores]")]
