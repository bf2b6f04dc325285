"""What runs a frozen network over items; one file an engine."""

from regraft.features.engines.torch import ENGINES, TorchEngine

__all__ = ["ENGINES", "TorchEngine"]
