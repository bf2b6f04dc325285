"""How listings are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from regraft.cli.printing.basics import Written, table

if TYPE_CHECKING:
    from regraft.pipelines.comparison.compare import Comparison


def print_runs(found: list[dict[str, Any]], folder: str, out: str | None = None) -> None:
    """A line a run, with the figures that some have."""
    keys = ["run", "status", "data", "backbone", "method", "accuracy", "rmse", "map", "gain"]
    if found:
        seconds = [None if r["seconds"] is None else Written(f"{r['seconds']:.1f}") for r in found]
        table([*keys, "seconds", ""],
              [[*(r[k] for k in keys), s, _said(r)] for r, s in zip(found, seconds, strict=True)])  # fmt: skip
    else:
        print(f"no runs in {folder}")
    if out:
        print(f"look at {out}")


def print_comparison(found: Comparison) -> None:
    """The runs on what they share, what the test says, and what differs in how they were made."""
    from regraft.core.files import jsonable
    from regraft.reports.comparison import by, ends, shown, verdict

    record = jsonable(found)
    print(f"{found.items} items that all runs were judged on"
          f"{f', of {found.groups} groups' if found.groups else ''}; {found.test}")  # fmt: skip
    table(["run", found.metric, "95 % interval", "judged on", "seconds"],
          [[r["run"], r["value"], "{:.4f} to {:.4f}".format(*r["ci95"]), r["judged"], Written(f"{r['seconds']:.1f}")]
           for r in found.runs])  # fmt: skip
    for row in record["against"]:
        alone = f"; right alone {row['better']}, the other {row['worse']}" if "better" in row else ""
        adjusted = f", {row['p_holm']:.3g} adjusted for {len(found.against)} comparisons" * (len(found.against) > 1)
        differs = f"{by(record, row['difference'])} ({ends(record, row)})"
        print(f"{verdict(record, row)}: {differs}, p {row['p']:.3g}{adjusted}{alone}")
    for title, rows in (("setting", found.settings), ("version", found.versions)):
        if rows:
            table([title, *(r["run"] for r in found.runs)], [[r["name"], *map(shown, r["values"])] for r in rows])
    for text in found.notes:
        print(f"note: {text}")
    if found.out:
        print(f"look at {found.out}")


def _said(run: dict[str, Any]) -> str:
    """What a run's figures are of, where that is not what is usual, and what the pretraining saw of it."""
    name = {"target": run["target"], "source": run["data"]}.get(run["of"])
    said = [f"on the {run['of']} {name}"] if name else []
    return ", ".join(said + ([f"pretraining saw {100 * run['seen']:.3g} %"] if run["seen"] else []))


def print_backbones(found: list[dict[str, Any]]) -> None:
    """A line a network."""
    columns = ["name", "weights", "here", "default for", "million parameters", "giga-ops", "input", "licence"]
    table(columns, [[r["name"], r["weights"], "yes" if r["here"] else "no", r["default_for"] or "",
                     round((r["parameters"] or 0) / 1e6, 1), r["gigaops"], r["input"], r["licence"]]
                    for r in found])  # fmt: skip


def print_weights(found: list[dict[str, Any]]) -> None:
    """What is here, what a package brings, and how many more there are at their publishers."""
    shown = [r for r in found if r["source"] or r["command"]]
    table(["name", "weights", "source", "default for", "brought by", "MB", "licence", "origin"],
          [[r["name"], r["weights"], r["source"] or "not here", r["default_for"] or "", r["command"] or "",
            "" if r["bytes"] is None else f"{r['bytes'] / 1e6:.1f}", r["licence"] or "not known", r["origin"] or ""]
           for r in shown])  # fmt: skip
    for problem in sorted({r["problem"] for r in found if r["problem"]}):
        print(problem)
    if more := len(found) - len(shown):
        print(f"{more} more are fetched from their publisher when a network is named: 'regraft backbones' lists them")


def print_cache(found: dict[str, Any]) -> None:
    """What is stored, by network, and what was done."""
    if found["freed_bytes"]:
        print(f"freed {found['freed_bytes'] / 1e6:.1f} MB")
    if "damaged" in found:
        damaged = [t for t in found["tables"] if t["damaged"]]
        for one in damaged:
            print(f"{one['folder']} ({one['network']}): {one['damaged']} damaged shards, deleted")
        if not damaged:
            print("all that is stored is whole")
    print(f"{found['bytes'] / 1e6:.1f} MB of {found['quota_bytes'] / 1e9:g} GB in {found['folder']}, "
          f"{found['engines_bytes'] / 1e6:.1f} MB that engines remember")  # fmt: skip
    if found["note"]:
        print(found["note"])
    if found["tables"] and "damaged" not in found:
        table(["network", "MB"], [[t["network"], round(t["bytes"] / 1e6, 1)] for t in found["tables"]])
