"""OpenVINO as an engine on texts: one graph for all lengths. Its rows do not depend on how many are run at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regraft.backbones.base import Body, Pretrained
from regraft.features.engines.base import Unconvertible, multiplies
from regraft.features.engines.graphs import Way
from regraft.features.engines.openvino import OpenVino
from regraft.features.engines.texts import TextEngine


class _Texts(nn.Module):
    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body.features(x)


class OpenVinoText(TextEngine, OpenVino):
    """OpenVINO in float32."""

    FILLED = False

    def __init__(self, network: Pretrained, device: str = "cpu") -> None:
        if not multiplies(network):
            raise Unconvertible("it multiplies nothing, so that there is nothing to gain")
        TextEngine.__init__(self, network, device)
        self._run: Any = None
        self._requests: list[Any] = []
        self.example = network.example
        OpenVino.__init__(self, network, device)

    def ways(self) -> tuple[Way, ...]:
        return (self.by_export,)

    def program(self) -> Any:
        """The network as a program of `torch.export` for texts of any number and length."""
        body = self.network.body.to("cpu").eval()
        free = torch.export.Dim.DYNAMIC
        with torch.no_grad():
            return torch.export.export(_Texts(body), (self.example(2),), dynamic_shapes=({0: free, 2: free},))

    def trial(self) -> NDArray[Any]:
        return np.array(["a"], object)

    def describe(self) -> dict[str, Any]:
        return {**OpenVino.describe(self), **self.made_by()}

    def forwards(self, batches: list[Tensor]) -> Iterator[NDArray[np.float32]]:
        """Several at once, each on a core of its own, since what is shared by all cores waits for the slowest."""
        cores = min(torch.get_num_threads(), len(batches))
        if cores < 2:
            yield from super().forwards(batches)
            return
        if len(self._requests) < cores:
            self._requests = self.requests(self.graph(), torch.get_num_threads())
        requests = self._requests[:cores]
        for i in range(len(batches) + cores):
            request = requests[i % cores]
            if i >= cores:
                request.wait()
                yield np.array(request.get_output_tensor(0).data, np.float32)
            if i < len(batches):
                request.start_async({0: batches[i].numpy()}, share_inputs=True)

    def forward(self, x: Tensor) -> NDArray[np.float32]:
        if self._run is None:
            self._run = self.compiled(self.graph())
        found: NDArray[np.float32] = self._run(x.numpy())[0]
        return found


class OpenVinoTextBf16(OpenVinoText):
    """The same with what multiplies in bfloat16; rows are float32."""

    NAME, HINT, PRECISION, BF16 = "openvino-bf16", "bf16", "bfloat16", True
