"""What learns: a body, a head and what a method adds to them."""

from __future__ import annotations

from torch import Tensor, nn

from regraft.backbones.base import Body


class Learner(nn.Module):
    """The blocks of a body from ``first_trained_block`` on, its pooling, and a head: activations before it -> logits.

    ``extra`` is what a method needs only while it trains: a discriminator, a teacher.
    """

    def __init__(
        self, body: Body, head: nn.Module, first_trained_block: int = 0, extra: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.body, self.head, self.first_trained_block = body, head, first_trained_block
        self.extra = nn.Module() if extra is None else extra

    def features(self, x: Tensor) -> Tensor:
        """What the head takes (N, D)."""
        for _, block in self.body.blocks[self.first_trained_block :]:
            x = block(x)
        if self.first_trained_block == len(self.body.blocks) and x.ndim == 2:  # stored features are pooled already
            return x
        pooled: Tensor = self.body.pool(x)
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
