"""What the benchmark scripts share: where the data is, and how a result is written."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regraft.core.files import write_json
from regraft.core.runtime import versions

SHARED = Path(os.environ.get("REGRAFT_SHARED", Path(__file__).parents[2] / "shared"))
RESULTS = Path(__file__).parent / "results"


def need(*names: str) -> list[Path]:
    """Paths below the shared folder; leaves with a clear word where one is missing."""
    paths = [SHARED / n for n in names]
    for path in paths:
        if not path.exists():
            sys.exit(f"{path} is missing: this benchmark needs it (REGRAFT_SHARED names the folder).")
    return paths


def unzipped(archive: Path) -> Path:
    """The archive's contents in a temporary folder that lives as long as the process."""
    folder = Path(tempfile.mkdtemp(prefix="regraft-bench-"))
    with zipfile.ZipFile(archive) as z:
        z.extractall(folder)
    return folder


def regraft_fit(work: Path, out: str, *words: str) -> tuple[dict[str, Any], float]:
    """What one ``regraft fit --json`` as a command of its own prints, and its seconds, start-up included."""
    command = [sys.executable, "-m", "regraft", "-q", "fit", *words, "--out", str(work / out), "--json"]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = round(time.perf_counter() - begun, 1)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout), seconds


def written(name: str) -> dict[str, Any]:
    """``results/NAME.json`` as it is, {} where there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def keep(name: str, parts: Iterable[str], part: str, figures: dict[str, Any], **head: str) -> None:
    """Writes the figures of one part beside those of the others of ``parts``, below ``head``."""
    found = written(name) | {part: figures}
    write(name, {**({"seeds": "0"} | head), **{p: found[p] for p in parts if p in found}})


def run_parts(name: str, parts: dict[str, Callable[[Path], dict[str, Any]]]) -> None:
    """Those of ``parts`` that the command names, or all, with the shared weights and, where none is set, a cache of
    their own; each gets a temporary folder, and its figures are kept in ``results/NAME.json``.
    """
    os.environ["REGRAFT_WEIGHTS"] = str(need("weights")[0])
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("REGRAFT_CACHE", str(Path(folder) / "cache"))
        for part in sys.argv[1:] or list(parts):
            keep(name, parts, part, parts[part](Path(folder)))


def save_plot(figure: Any, axes: Any, at: Sequence[int], name: str) -> None:
    """A plot whose horizontal axis is marked ``at`` these numbers, as ``results/NAME.png``."""
    from matplotlib import pyplot

    axes.set_xticks(at, [str(n) for n in at])
    axes.minorticks_off()
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(RESULTS / f"{name}.png")
    pyplot.close(figure)


def write(name: str, figures: dict[str, Any]) -> None:
    """Writes ``results/NAME.json`` with the command, the versions and the machine."""
    record = {
        "command": f"python benchmarks/{Path(sys.argv[0]).name}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": versions(),
        **figures,
    }
    write_json(RESULTS / f"{name}.json", record)
    print(f"wrote {RESULTS / name}.json")
