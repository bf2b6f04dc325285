"""What Prometheus is told: how long, how many at once, which classes, how much that is unlike the training data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from regraft.serve.lanes import Record

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64)
OUTCOMES = {200: "answered", 422: "unusable", 413: "too_large", 503: "refused"}
TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The figures of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        kept = {"registry": self.registry}
        self.seconds = Histogram("regraft_request_seconds", "Seconds from a request for answers to its end",
                                 ("model", "outcome"), buckets=SECONDS, **kept)  # fmt: skip
        self.sizes = Histogram("regraft_batch_size", "Items that were run together", ("model",), buckets=SIZES, **kept)
        self.queue = Gauge("regraft_queue_items", "Items that wait or are being answered", ("model",), **kept)
        self.classes = Counter("regraft_answers", "Items by the class that was answered", ("model", "label"), **kept)
        self.unlike = Counter("regraft_unlike", "Items unlike the training data", ("model",), **kept)
        self.items = Counter("regraft_items", "Items that were run", ("model",), **kept)
        self.failed = Counter("regraft_failed_items", "Items that could not be answered to", ("model",), **kept)

    def watch_queue(self, model: str, length: Callable[[], int]) -> None:
        """Asks ``length`` whenever the figures are read."""
        self.queue.labels(model).set_function(length)

    def request(self, model: str, status: int, seconds: float) -> None:
        """One request for answers that has ended with an HTTP ``status``."""
        self.seconds.labels(model, OUTCOMES.get(status, "other")).observe(seconds)

    def batch(self, model: str, records: Sequence[Record]) -> None:
        """The records of one batch."""
        self.sizes.labels(model).observe(len(records))
        self.items.labels(model).inc(len(records))
        for record in records:
            if "error" in record:
                self.failed.labels(model).inc()
            for label in labels_of(record):
                self.classes.labels(model, label).inc()
            if record.get("unlike"):
                self.unlike.labels(model).inc()

    def text(self) -> bytes:
        """All figures in Prometheus' own format."""
        return generate_latest(self.registry)


def labels_of(record: Record) -> list[str]:
    """The classes that a record answers, each as often as it is there; none where it tells numbers."""
    if "tasks" in record:
        return [f"{task}: {label}" for task, one in record["tasks"].items() for label in labels_of(one)]
    if "boxes" in record:
        return [box["label"] for box in record["boxes"]]
    if "labels" in record:
        return list(record["labels"])
    return [record["label"]] if "label" in record else []
