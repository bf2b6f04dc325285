"""``regraft weights``: which weights are on this machine, and what would bring the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def weights(only_here: bool = False) -> list[dict[str, Any]]:
    """The catalog's sets of weights, those on this machine first; with ``only_here`` no others, save those whose
    package is installed and cannot be read.

    ``source`` is where it is (folder, regraft, package, cache), ``path`` its file, ``bytes`` that file's size, and
    ``bring`` by source what would bring one that is not here, with ``command`` where one command does. ``licence`` and
    ``origin`` are those of the weights as their publisher states them, None for a file of which only the user knows.
    ``sha256`` is what the file must have where that is known (of a file named after its digest its first eight digits).
    ``problem`` is why an installed package cannot be read, ``default_for`` what a network is taken for on this machine
    where none is named. Nothing is fetched, unpacked or imported.
    """
    from regraft.backbones import catalog
    from regraft.features.default import defaults

    taken, rows = defaults(), [row for name in catalog.names()[1:] for row in catalog.rows(name)[:1] if row.pretrained]
    found = [_facts(row) | {"default_for": taken.get(row.name)} for row in rows]
    shown = [f for f in found if f["source"] or f["problem"] or not only_here]
    return sorted(shown, key=lambda f: (f["source"] is None, _order(f)))


def _order(facts: dict[str, Any]) -> tuple[bool, str]:
    return facts["command"] is None, facts["name"]


def _facts(row: Any) -> dict[str, Any]:
    from regraft.backbones import catalog
    from regraft.backbones.sources.base import SOURCES, here, offers
    from regraft.backbones.sources.package import problem
    from regraft.backbones.weights import promised_sha256

    source, chosen, path = next(here(catalog.rows(row.name)), (None, row, None))
    bring = {} if source else offers(row)
    own = row.package if source in (None, "package") else None
    fault = problem(row.package) if row.package else None
    return {
        "name": row.name, "weights": chosen.tag, "source": source, "path": None if path is None else str(path),
        "bytes": path.stat().st_size if path else own and own.size,
        "sha256": own.sha256 if own else promised_sha256(Path(path or chosen.files[0]).name),
        "licence": None if source == "folder" else own.licence if own else chosen.licence,
        "origin": SOURCES.get(source).origin(chosen) if source else _published(row),
        "pretrained_on": chosen.pretrained_on, "bring": bring,
        "command": None if source or not row.package else row.package.exactly if fault else row.package.command,
        "problem": fault,
    }  # fmt: skip


def _published(row: Any) -> str | None:
    origin: str | None = row.package.origin if row.package else row.url
    return origin
