"""What is learned of items that a teacher has answered, some of which have labels too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Lesson:
    """Of m items: ``soft`` (m, k) are the probabilities that the teacher gives, ``hot`` (m, k) a 1 for the label, all 0
    where an item has none, and ``label_weight`` in 0..1 how much the label counts beside the answer.
    """

    soft: NDArray[np.float64]
    hot: NDArray[np.float64]
    label_weight: float

    @property
    def targets(self) -> NDArray[np.float64]:
        """(m, k) probabilities: the answer, of an item with a label drawn to it. What closed forms learn, and what
        trained networks are judged by inside the training part.
        """
        share = self.label_weight * self.hot.sum(1, keepdims=True)
        found: NDArray[np.float64] = (1 - share) * self.soft + self.label_weight * self.hot
        return found

    @property
    def answers_and_labels(self) -> NDArray[np.float64]:
        """(m, 2k): both side by side, as `regraft.methods.distillation` takes them."""
        return np.hstack([self.soft, self.hot])

    def at(self, some: NDArray[np.integer]) -> Lesson:
        """The lesson of the items at the positions ``some`` (n,)."""
        return Lesson(self.soft[some], self.hot[some], self.label_weight)
