"""Networks converted to another library's graph, and how such graphs are remembered.

What is remembered lies below ``engines/`` in the cache, a folder a network: its graphs, one a library and version, and
the choices of `auto.py`. It is no stored row: deleting rows keeps it.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from regraft.core.errors import DiskError
from regraft.core.files import digest, new_folder, sha256, write_json
from regraft.core.runtime import cache_dir, say
from regraft.features.engines.base import FrozenNetwork, Unconvertible

FORMAT, RECORD = 1, "graph.json"
MOST_BYTES = 4e9
"""Beyond so much the networks used longest ago are forgotten."""

Run = Callable[[NDArray[Any]], list[NDArray[Any]]]
"""A batch -> each output of the network, in their order."""
Shapes = list[tuple[int, ...]]
"""What one item gives of each output."""
Way = Callable[[], tuple[Any, Shapes]]
"""Makes the graph, and says what it should give."""


def remembered() -> Path:
    """The folder of all that is remembered of engines."""
    return cache_dir() / "engines"


def version(package: str) -> str:
    """The version of an installed package, empty where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


class Prepared(nn.Module):
    """A network that takes pictures as they are decoded: the normalisation is part of it."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: FrozenNetwork) -> None:
        super().__init__()
        self.body = copy.deepcopy(network.body).to("cpu").eval()
        self.body = self.body.to(memory_format=torch.contiguous_format)
        self.scales = bool(network.spec.std)
        mean, std = torch.tensor(network.spec.mean).double(), torch.tensor(network.spec.std).double()
        self.register_buffer("scale", (1 / (255 * std)).float().reshape(1, len(std), 1, 1))
        self.register_buffer("shift", (-mean / std).float().reshape(1, len(std), 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Uint8 (B, height, width, channels) -> (B, ...) of each output."""
        x = x.permute(0, 3, 1, 2).float()
        found = self.body.features(x * self.scale + self.shift if self.scales else x)
        return (found,) if isinstance(found, Tensor) else tuple(found)


def shape_of(network: FrozenNetwork, batch: int) -> list[int]:
    """The shape of a batch of pictures as the network is fed them."""
    spec = network.spec
    return [batch, spec.height, spec.width, 1 if spec.colour == "grey" else 3]


def exported(network: FrozenNetwork) -> Any:
    """The prepared network as a program of `torch.export` whose batch may have any size."""
    example = torch.zeros(shape_of(network, 2), dtype=torch.uint8)
    with torch.no_grad():
        return torch.export.export(Prepared(network), (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))


def traced(network: FrozenNetwork) -> tuple[Any, Shapes]:
    """The prepared network as TorchScript recorded one pass of it, in a tenth of the time that `exported` takes, and
    what one item gives of each output.

    Raises ``TracerWarning`` where the pass could have gone another way for other pictures.
    """
    example = torch.zeros(shape_of(network, 2), dtype=torch.uint8)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error", TracerWarning)
        program = torch.jit.trace(Prepared(network), (example,), check_trace=False)
        return program, [(1, *one.shape[1:]) for one in program(example)]


def shapes_of(program: Any) -> Shapes:
    """What one item gives of each output, by an exported program."""
    outputs = next(node for node in program.graph.nodes if node.op == "output").args[0]
    return [(1, *(int(n) for n in one.meta["val"].shape[1:])) for one in outputs]


class KeptGraph:
    """Where the graph of one network lies, made by a library of some versions: files and their digests."""

    def __init__(self, network: FrozenNetwork, library: str, versions: dict[str, str]) -> None:
        self.network = network.name
        key = digest({"format": FORMAT, **versions}).hex()[:12]
        self.folder = remembered() / network.digest() / f"{library}-{key}"

    def _record(self) -> dict[str, str]:
        try:
            found = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))["sha256"]
            return found if isinstance(found, dict) else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def is_there(self) -> bool:
        """Whether there is a graph, as far as can be told without reading it."""
        record = self._record()
        return bool(record) and all((self.folder / name).is_file() for name in record)

    def checked(self) -> Path | None:
        """The folder of the graph if its files are what was written; a damaged one is told of."""
        record = self._record()
        try:
            if record and all(sha256(self.folder / name) == known for name, known in record.items()):
                os.utime(self.folder.parent)
                return self.folder
        except OSError:
            pass
        say(f"the remembered graph of {self.network} in {self.folder} is damaged; the network is converted again")
        return None

    def keep(self, write: Callable[[Path], None]) -> None:
        """Remembers what ``write`` puts into a folder; where that cannot be written, it says so and goes on."""
        try:
            with new_folder(self.folder) as folder:
                write(folder)
                files = {f.name: sha256(f) for f in sorted(folder.iterdir())}
                write_json(folder / RECORD, {"network": self.network, "sha256": files})
        except (DiskError, OSError) as error:
            say(f"the converted graph of {self.network} is not remembered: {error}")
            return
        forget(self.folder.parent)


def forget(keep: Path) -> None:
    """Deletes what is remembered of the networks used longest ago, until the rest is small enough."""
    found = []
    for folder in remembered().iterdir():
        try:
            size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
            found.append((folder.stat().st_mtime, size, folder))
        except OSError:  # another process is at work there
            continue
    total = sum(size for _, size, _ in found)
    for _, size, folder in sorted(found):
        if total > MOST_BYTES and folder != keep:
            shutil.rmtree(folder, ignore_errors=True)
            total -= size


class ConvertedEngine(ABC):
    """An engine of another library: the network is converted once, and the graph remembered."""

    LIBRARY: ClassVar[str]
    NAME: ClassVar[str]
    PRECISION: ClassVar[str] = "float32"
    NEEDS: ClassVar[tuple[str, ...]]
    INSTALL: ClassVar[str]
    BF16: ClassVar[bool] = False
    CPU: ClassVar[bool] = True

    def __init__(self, network: FrozenNetwork, device: str = "cpu") -> None:
        self.network = network
        self.batch = network.batch
        self.versions = {"torch": torch.__version__, **{n: version(n) for n in self.NEEDS}}
        self.kept = KeptGraph(network, self.LIBRARY, self.versions)
        self._graph: Any = None
        self._runs: dict[int, Run] = {}
        if not self.kept.is_there():
            self._convert()

    def ways(self) -> tuple[Way, ...]:
        """How the graph can be made, the quickest first; each is tried where those before it failed."""
        return (self.by_export,)

    def by_export(self) -> tuple[Any, Shapes]:
        """By a program of `torch.export`."""
        program = self.program()
        return self.convert(program), shapes_of(program)

    def program(self) -> Any:
        """The network as a program of `torch.export`."""
        return exported(self.network)

    def trial(self) -> NDArray[Any]:
        """What a converted network is tried on: one item."""
        return np.zeros(shape_of(self.network, 1), np.uint8)

    @abstractmethod
    def convert(self, program: Any) -> Any:
        """The graph of an exported program."""

    @abstractmethod
    def write(self, graph: Any, folder: Path) -> None:
        """Writes a graph to files in an empty folder."""

    @abstractmethod
    def read(self, folder: Path) -> Any:
        """The graph that `write` wrote."""

    @abstractmethod
    def ready(self, graph: Any, batch: int) -> Run:
        """What runs the graph on batches of that size."""

    def describe(self) -> dict[str, Any]:
        return {"engine": self.NAME, "version": self.versions, "precision": self.PRECISION,
                "on": torch.backends.cpu.get_cpu_capability(), "batch": self.batch}  # fmt: skip

    def run(self, data: NDArray[Any]) -> dict[str, NDArray[np.floating[Any]]]:
        if len(data) not in self._runs:
            self._runs[len(data)] = self.ready(self.graph(), len(data))
        return dict(zip(self.network.outputs, self._runs[len(data)](data), strict=True))

    def graph(self) -> Any:
        """The graph, read or converted where it is not here yet."""
        if self._graph is None:
            folder = self.kept.checked()
            if folder is None:
                self._convert()
            else:
                self._graph = self.read(folder)
        return self._graph

    def _convert(self) -> None:
        """Raises ``Unconvertible`` where the library cannot take the network, or gives no rows of it."""
        *quick, last = self.ways()
        if not any(map(self._works, quick)):
            self._tried(last)
        self.kept.keep(lambda folder: self.write(self._graph, folder))

    def _works(self, way: Way) -> bool:
        try:
            self._tried(way)
        except Unconvertible:
            return False
        return True

    def _tried(self, way: Way) -> None:
        """Makes a graph and runs it; raises ``Unconvertible`` with what went wrong."""
        self._runs.clear()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._graph, wanted = way()
            rows = self.run(self.trial())
        except Exception as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise Unconvertible(said if len(said) <= 200 else f"{said[:200]} ...") from error
        shapes = [one.shape for one in rows.values()]
        if shapes != wanted:
            raise Unconvertible(f"what it gives has the shapes {shapes} and not {wanted}")
