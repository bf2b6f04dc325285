"""How listings are shown."""

from __future__ import annotations

from typing import Any

from regraft.cli.printing.basics import table


def print_runs(found: list[dict[str, Any]], folder: str) -> None:
    """A line a run, with the figures that some have."""
    if not found:
        print(f"no runs in {folder}")
        return
    keys = ["run", "status", "data", "backbone", "method", "accuracy", "rmse", "map", "gain"]
    table([*keys, ""], [[*(r[k] for k in keys), _said(r)] for r in found])


def _said(run: dict[str, Any]) -> str:
    """What a run's figures are of, where that is not what is usual, and what the pretraining saw of it."""
    name = {"target": run["target"], "source": run["data"]}.get(run["of"])
    said = [f"on the {run['of']} {name}"] if name else []
    return ", ".join(said + ([f"pretraining saw {100 * run['seen']:.3g} %"] if run["seen"] else []))


def print_backbones(found: list[dict[str, Any]]) -> None:
    """A line a network."""
    columns = ["name", "weights", "here", "million parameters", "giga-ops", "input", "licence"]
    table(columns, [[r["name"], r["weights"], "yes" if r["here"] else "no", round((r["parameters"] or 0) / 1e6, 1),
                     r["gigaops"], r["input"], r["licence"]] for r in found])  # fmt: skip


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
