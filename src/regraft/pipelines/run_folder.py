"""A run folder: everything about one training, written so that a half-done run is never taken for a whole one.

While it runs it is called ``NAME.partial``; it is renamed to ``NAME`` at the very end.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regraft.core.border import written_by_regraft
from regraft.core.errors import ArtefactError, DiskError, InputError
from regraft.core.files import disk_errors, dump_json, output, replace_folder, write_json
from regraft.core.runtime import runs_still, say, this_process
from regraft.data.names import short

SETTINGS, LOG = "run.json", "log.jsonl"


class RunFolder:
    """The folder of a run in the making. ``path`` is where it will be, ``work`` where it is until then."""

    def __init__(self, path: Path, settings: dict[str, Any], *, overwrite: bool = False, resume: bool = False) -> None:
        self.path = path
        self.work = path.with_name(path.name + ".partial") if path.name else path
        self.settings = settings
        if not path.name:
            raise InputError(f"--out {path} is no name for a run folder; try --out runs/mine.")
        for folder in (path, self.work):
            if folder.exists() and not (folder.is_dir() and is_run(folder)):
                raise ArtefactError(f"{folder} exists and is no run folder: choose another --out; nothing was touched.")
        if path.exists() and not overwrite:
            raise ArtefactError(f"{path} exists: choose another --out, or --overwrite it.")
        if self.work.exists() and not (overwrite or resume):
            raise ArtefactError(f"{self.work} is left of an interrupted run: --resume ends it, --overwrite drops it.")
        if self.work.exists():
            _check_left_alone(self.work)
        if self.work.exists() and resume:
            _same_settings(read_settings(self.work), settings, self.work)
        with disk_errors(self.work):
            if overwrite:
                shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir(parents=True, exist_ok=True)
            self._is("running", process=this_process())

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """A run that failed for its input leaves nothing, unless it has trained; a stopped one stays to be resumed."""
        trained = (self.work / "checkpoints").exists()
        if kind is not None and issubclass(kind, InputError) and not trained:
            shutil.rmtree(self.work, ignore_errors=True)
        elif kind is not None:
            with suppress(DiskError):
                self._is("interrupted")
            if issubclass(kind, KeyboardInterrupt):
                say(f"{self.work} is kept: the same command with --resume goes on")

    def settled(self, settings: dict[str, Any]) -> RunFolder:
        """The same with the settings as they have become."""
        if settings != self.settings:
            self.settings = settings
            self._is("running", process=this_process())
        return self

    def _is(self, status: str, **more: Any) -> None:
        write_json(self.work / SETTINGS, {"status": status, "settings": self.settings, **more})

    def log(self, event: str, **more: Any) -> None:
        """One line in ``log.jsonl``: the time, the event, what belongs to it."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **more}
        with disk_errors(self.work), open(self.work / LOG, "a", encoding="utf-8", errors="backslashreplace") as f:
            f.write(dump_json(line, indent=None) + "\n")

    def kept(self, name: str, record: dict[str, Any] | None) -> dict[str, Any] | None:
        """``record``, written to ``NAME.json``; where it is None, what was written there before an interruption."""
        path = self.work / f"{name}.json"
        if record is not None:
            write_json(path, record)
        elif path.is_file():
            with written_by_regraft(path):
                record = json.loads(path.read_text(encoding="utf-8"))
        return record

    def finish(self, result: dict[str, Any]) -> Path:
        """Writes the result and gives the folder its name; then what only an interrupted run needs goes."""
        self._is("done", result=result)
        with disk_errors(self.path):
            replace_folder(self.work, self.path)
        for folder in [*self.path.rglob("checkpoints")]:
            if "tasks" not in folder.relative_to(self.path).parts:  # below it folders are called as labels are
                shutil.rmtree(folder, ignore_errors=True)
        return self.path


def record_seconds(run: str | Path, seconds: dict[str, float]) -> None:
    """Puts the seconds of a run that is done into its record, those that came after it among them."""
    record = read_settings(Path(run))
    record["result"]["seconds"] = seconds
    write_json(Path(run) / SETTINGS, record)


def is_run(folder: Path) -> bool:
    """Whether a folder was made by a run, or is empty: only such a one is ever replaced."""
    return (folder / SETTINGS).is_file() or not any(folder.iterdir())


def interrupted(data: str, method: str, root: Path = Path("runs")) -> Path | None:
    """The name of the latest interrupted run that `next_out` had named, or None."""
    stem = next_out(data, method, root).name.rpartition("-")[0]
    left = sorted(root.glob(f"{stem}-*.partial"), key=lambda p: p.stat().st_mtime)
    return left[-1].with_name(left[-1].name.removesuffix(".partial")) if left else None


def folder_for(out: str | None, data: str, method: str, resume: bool) -> Path:
    """``out``, else the interrupted run to resume, else the next free name; raises ``InputError`` where none is."""
    if out is not None:
        return output(out)
    if not resume:
        return next_out(data, method)
    left = interrupted(data, method)
    if left is None:
        raise InputError(f"There is no interrupted run of {data} by {method} to resume below runs/.")
    return left


def status_of(record: dict[str, Any]) -> str:
    """What ``run.json`` and its process tell: ``done``, ``running``, ``running on HOST`` (another), ``interrupted``."""
    if record["status"] != "running":
        return str(record["status"])
    still = runs_still(record.get("process"))
    return f"running on {record['process']['host']}" if still is None else "running" if still else "interrupted"


def read_settings(folder: Path) -> dict[str, Any]:
    """The contents of ``run.json``; raises ``ArtefactError`` where it is missing or damaged."""
    try:
        record: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{folder} is no run folder: {SETTINGS} cannot be read ({error}).") from error
    if not isinstance(record, dict) or not isinstance(record.get("settings", {}), dict):
        raise ArtefactError(f"{folder} is no run folder: {SETTINGS} is not of a run.")
    return record


def finished(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a run that is already whole, if it was made with the same settings; else raises."""
    if not path.exists():
        return None
    record = read_settings(path)
    # what the user left open was resolved in the run
    resolved = record.get("settings", {}) | {k: v for k, v in settings.items() if v is not None}
    _same_settings(record, resolved, path)
    result: dict[str, Any] | None = record.get("result")
    return result


def _check_left_alone(work: Path) -> None:
    """Raises ``ArtefactError`` where another process of this machine is still at the run in ``work``."""
    try:
        process: Any = read_settings(work).get("process")
    except ArtefactError:  # what was never begun, or is damaged, nobody is at
        return
    if runs_still(process) and process["pid"] != os.getpid():
        raise ArtefactError(f"{work} is a run that process {process['pid']} is still at: wait for it or stop it, or "
                            "choose another --out.")  # fmt: skip


def _same_settings(record: dict[str, Any], settings: dict[str, Any], folder: Path) -> None:
    before = record.get("settings", {})
    plain = json.loads(dump_json(settings))
    differ = sorted(k for k in {*before, *plain} if before.get(k) != plain.get(k) and k != "out")
    if differ:
        changes = ", ".join(f"{k} was {before.get(k)!r} and is {plain.get(k)!r}" for k in differ)
        raise ArtefactError(f"{folder} was made with other settings ({changes}); repeat them, or --overwrite it.")


def next_out(data: str, method: str, root: Path = Path("runs")) -> Path:
    """``runs/<data>-<method>-<n>`` with the first n that is free."""
    stem, n = short(data), 1
    while any((root / f"{stem}-{method}-{n}{end}").exists() for end in ("", ".partial")):
        n += 1
    return root / f"{stem}-{method}-{n}"


def remembered(path: Path) -> dict[str, Any]:
    """What a run in ``path`` that was begun before has settled in place of ``auto``; nothing where there is none."""
    for folder in (path, path.with_name(path.name + ".partial")):
        try:
            before = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["settings"]
            return {k: before[k] for k in ("backbone", "budget")}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return {}
