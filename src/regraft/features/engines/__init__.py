"""What runs a frozen network over items; one file an engine, one interface (`base.py`), one choice (`auto.py`)."""

from regraft.features.engines.base import ENGINES, Engine, Unconvertible, make_engine, require

__all__ = ["ENGINES", "Engine", "Unconvertible", "make_engine", "require"]
