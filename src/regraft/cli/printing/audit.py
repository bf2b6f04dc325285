"""How is shown what an audit of labels found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from regraft.cli.printing.basics import problems, table

if TYPE_CHECKING:
    from regraft.pipelines.audit.result import Audit

MOST = 10


def print_audit(found: Audit) -> None:
    """How many findings of which kind, the first of them, and what to do next."""
    from regraft.data.corrections import NEW
    from regraft.pipelines.audit.result import BOX_KINDS, KINDS

    boxes = found.threshold is not None
    figure = "".join(f"; {name} {value:.4f} on the labels as they are" for name, value in found.headline.items())
    how = f"confident from {found.threshold:.3f} on" if found.threshold is not None else f"{found.how}{figure}"
    print(f"{found.data}: {found.items} items in the features of {found.backbone}; {how}")
    meaning = BOX_KINDS if boxes else KINDS
    if found.counts:
        table(["found", "items", "what it is"], [[k, n, meaning[k]] for k, n in found.counts.items()])
        print()
        table(*_first(found))
    else:
        print("nothing to look at was found")
    problems([p for p in found.problems if p.kind not in ("duplicate", "near-duplicate")])
    print(f"{found.out}: audit.html to look at, audit.csv ({len(found.findings)} rows); {found.seconds:.1f} s")
    to_fill = "action (accept, add, drop, change)" if boxes else NEW
    print(f"fill in {to_fill}, then: regraft fit {found.data} --corrections {found.out}/audit.csv")


def _first(found: Audit) -> tuple[list[str], list[list[Any]]]:
    """The columns and rows of a table of the worst findings."""
    some = found.findings[:MOST]
    if found.threshold is not None:
        rows = [[f.item, f.kind, f.label, f.suggested, f.score] for f in some]
        return ["item", "kind", "label", "suggested", "score"], rows
    figure = "z" if any(f.z is not None for f in some) else "probability"
    return ["item", "kinds", "label", "suggested", figure], [
        [f.item, ", ".join(f.kinds), f.label, f.suggested, getattr(f, figure)] for f in some
    ]
