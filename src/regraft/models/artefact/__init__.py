"""A saved model as a folder: `manifest.json` says what it is, safetensors hold its numbers; nothing is executed."""

from regraft.models.artefact.manifest import LEARNED, MANIFEST, damage, find, read_manifest, split_task, summary
from regraft.models.artefact.read import Loaded, Saved, learned_by, load, load_any, parameters, unnamed
from regraft.models.artefact.write import save, save_tasks, side_by_side

__all__ = [
    "LEARNED", "MANIFEST", "Loaded", "Saved", "damage", "find", "learned_by", "load", "load_any", "parameters",
    "read_manifest", "save", "save_tasks", "side_by_side", "split_task", "summary", "unnamed",
]  # fmt: skip
