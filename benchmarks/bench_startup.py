"""What a command costs before and beside its work: start-up, refusals, and a second fit with everything stored.

``python benchmarks/bench_startup.py [ROUNDS [OLDER]]``, where OLDER is the ``src`` of an older version, measured in
turns with this one. Each command is a process of its own, on a warm disk and with compiled bytecode (a first round is
left out); seconds by the clock and of the processor, medians. The second fit needs shared/data/hymenoptera.zip and the
weights of mobilenet_v2.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import need, write

ROUNDS = 5
HERE = Path(__file__).parents[1] / "src"
TABLE = "\n".join(["a,label", *(f"{i},{'yes' if i % 3 else 'no'}" for i in range(60))])


def timed(command: list[str], source: Path, work: Path, status: int = 0) -> tuple[dict[str, float], str]:
    """Seconds of one command, and what it said on stderr; leaves where it ends otherwise than it should."""
    own = work / ("now" if source == HERE else "before")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
        "PYTHONPATH": str(source), "PYTHONPYCACHEPREFIX": str(own / "bytecode"), "REGRAFT_CACHE": str(own / "cache"),
    }  # fmt: skip
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([sys.executable, *command], env=env, cwd=own, stdout=subprocess.DEVNULL, stderr=said)
        _, code, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(code)
        seconds = {"clock": time.perf_counter() - begun, "processor": used.ru_utime + used.ru_stime}
        said.seek(0)
        text = said.read()
    if process.returncode != status:
        sys.exit(f"{' '.join(command)}: {process.returncode}: {text}")
    return seconds, text


def imports(log: str) -> dict[str, float]:
    """From the log of ``-X importtime``: the seconds of importing torch, and of all else."""
    every, torch = 0, 0
    for line in log.splitlines():
        if line.startswith("import time:") and "cumulative" not in line:
            own, whole, name = line.removeprefix("import time:").split("|")
            every += int(own)
            torch = int(whole) if name.strip() == "torch" else torch
    return {"torch": torch / 1e6, "beyond torch": (every - torch) / 1e6}


def commands(work: Path) -> dict[str, tuple[list[str], int]]:
    """By name: the command, and the status it ends with."""
    data, weights = need("data/hymenoptera.zip", "weights/mobilenet_v2_imagenet.safetensors")
    (work / "t.csv").write_text(TABLE)
    fit = ["-m", "regraft", "-q", "fit"]
    second = [*fit, str(data), "--weights", str(weights), "--out", "r", "--overwrite"]
    return {
        "import torch": (["-c", "import torch"], 0),
        "import regraft": (["-c", "import regraft"], 0),
        "regraft --help": (["-m", "regraft", "--help"], 0),
        "fit: a wrong path": ([*fit, "nowhere"], 2),
        "fit: a wrong option": ([*fit, str(work / "t.csv"), "--method", "nonsense"], 2),
        "inspect a table": (["-m", "regraft", "inspect", str(work / "t.csv")], 0),
        "second fit of hymenoptera": (second, 0),
        "imports of that fit": (["-X", "importtime", *second], 0),
    }


def main(rounds: int = ROUNDS, older: str | None = None) -> None:
    versions = {"now": HERE} | ({"before": Path(older).resolve()} if older else {})
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for version in versions:
            (work / version).mkdir()
        for turn in range(rounds + 1):
            for name, (command, status) in commands(work).items():
                for version, source in versions.items():
                    seconds, said = timed(command, source, work, status)
                    if turn:
                        figures = seconds | (imports(said) if "importtime" in command else {})
                        found.setdefault(name, {}).setdefault(version, []).append(figures)
            print(f"round {turn} of {rounds}", file=sys.stderr, flush=True)

    def middle(runs: list[dict[str, float]]) -> dict[str, float]:
        return {k: round(statistics.median(r[k] for r in runs), 3) for k in runs[0]}

    figures: dict[str, Any] = {n: {v: middle(runs) for v, runs in of.items()} for n, of in found.items()}
    load = [round(x, 1) for x in os.getloadavg()]
    write("startup", {"seeds": "0", "rounds": rounds, "load_average": load, "threads": os.environ.get(
        "OMP_NUM_THREADS", "all"), "seconds": figures})  # fmt: skip


if __name__ == "__main__":
    main(*(int(a) if a.isdigit() else a for a in sys.argv[1:]))  # type: ignore[arg-type]
