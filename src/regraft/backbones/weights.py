"""Finding weights files, reading them without running anything, and filling a network strictly."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from regraft.backbones.sources import cache
from regraft.backbones.sources.base import R, Wanted, here
from regraft.backbones.sources.folder import folders as folders
from regraft.backbones.sources.package import checked, problem
from regraft.core.errors import WeightsError
from regraft.core.files import path_of, sha256
from regraft.core.runtime import say


def local_files(rows: Sequence[R]) -> Iterator[tuple[R, Path]]:
    """The files for ``rows`` that are on this machine, in the order in which they are preferred."""
    for _, row, path in here(rows):
        yield row, path


def find(name: str, rows: Sequence[R], explicit: str | Path | None = None) -> tuple[R, Path]:
    """The row and file to use: ``explicit``, else what is on this machine, else what its publisher has.

    Raises ``WeightsError`` where there is none, or a package's file is damaged.
    """
    if explicit is not None:
        path = path_of(explicit, "--weights")
        if not path.is_file():
            raise WeightsError(f"There is no weights file {path}.")
        return next((r for r in rows if path.name in r.files), rows[-1]), path
    for source, row, path in here(rows):
        return row, checked(row.package, path) if source == "package" and row.package else path
    for row in rows:
        if row.package is not None and (refused := problem(row.package)):
            raise WeightsError(refused)
    return rows[0], _download(name, rows[0])


def _download(name: str, row: Wanted) -> Path:
    folder = cache.folder()
    put = (
        f"put {row.files[0]}, or another file of that network, into a folder named in REGRAFT_WEIGHTS or into {folder}"
    )
    if row.url is None and row.package is not None:
        raise WeightsError(
            f"The weights of {name} come with the package {row.package.name}, which is not installed: "
            f"{row.package.command}; or {put}."
        )
    if row.url is None:
        raise WeightsError(f"The weights of {name} are not on this machine: {put}.")
    say(f"fetching {row.url}")
    path = folder / row.files[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".part")
        prefix = promised_sha256(path.name)
        torch.hub.download_url_to_file(row.url, str(partial), hash_prefix=prefix, progress=False)
        partial.rename(path)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "reason", error)
        raise WeightsError(
            f"The weights of {name} are not on this machine and cannot be fetched from {row.url} ({reason}): {put}."
        ) from error
    return path


def promised_sha256(name: str) -> str | None:
    """The first eight digits of the SHA-256 that a file's name states (``name-1a2b3c4d.pth``)."""
    match = re.search(r"-([0-9a-f]{8})\.", name)
    return match[1] if match else None


def checked_sha256(path: Path) -> str:
    """The file's SHA-256; raises ``WeightsError`` where its name promises another one (``name-1a2b3c4d.pth``)."""
    found = sha256(path)
    promised = promised_sha256(path.name)
    if promised and not found.startswith(promised):
        raise WeightsError(f"{path} is damaged: its name promises the SHA-256 {promised}..., it has {found[:8]}....")
    return found


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` or PyTorch file; nothing in it is run."""
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path} is no whole safetensors file: {error}.") from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is no file of plain tensors, or wants to run code when it is loaded, which regraft never does; "
            "save its state_dict() alone, best as .safetensors."
        ) from error
    except Exception as error:  # the reader follows the file's own instructions, and those may be anything
        raise WeightsError(f"{path} is no whole PyTorch weights file: {error}.") from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path} holds no table of named tensors (a state_dict).")
    return {_today(str(k)): v for k, v in state.items()}


def _today(key: str) -> str:
    """The name a tensor has today: without a wrapper's prefix, and DenseNet's ``norm.1`` as ``norm1``."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key.removeprefix("module."))


def write_state(path: Path, state: dict[str, Tensor]) -> None:
    """Writes tensors as safetensors, through Python's own files so that a full disk is told as one."""
    from safetensors.torch import save

    seen: set[int] = set()
    plain: dict[str, Tensor] = {}
    for key, value in state.items():
        plain[key] = value.detach().cpu().contiguous()
        storage = plain[key].untyped_storage().data_ptr()
        if storage and storage in seen:  # tied weights: each name holds its own
            plain[key] = plain[key].clone()
        seen.add(storage)
    path.write_bytes(save(plain))


def fill(net: nn.Module, state: dict[str, Tensor], path: Path, name: str) -> None:
    """Gives ``net`` (built without storage) the tensors of ``state`` as float32.

    Strict: every tensor of the network must be there with its shape, and no other; only BatchNorm's
    ``num_batches_tracked`` may be absent. Raises ``WeightsError`` naming what differs.
    """
    wanted = net.state_dict()
    tracked = {k for k in wanted if k.endswith("num_batches_tracked")}
    missing = sorted(set(wanted) - set(state) - tracked)
    unknown = sorted(set(state) - set(wanted))
    shapes = [f"{k} {tuple(state[k].shape)} where {tuple(wanted[k].shape)} is wanted"
              for k in wanted if k in state and state[k].shape != wanted[k].shape]  # fmt: skip
    if missing or unknown or shapes:
        kinds = [("lacks", missing), ("has besides", unknown), ("has", shapes)]
        text = "; ".join(f"it {verb} {_some(found)}" for verb, found in kinds if found)
        raise WeightsError(f"{path} does not fit {name}, it is of another architecture: {text}.")
    ready = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    ready.update({k: torch.zeros((), dtype=torch.long) for k in tracked - set(state)})
    net.load_state_dict(ready, strict=True, assign=True)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:2])
    return shown if len(names) <= 2 else f"{shown} and {len(names) - 2} more"
