"""``regraft fit``: from labelled data to a judged, saved model."""

from __future__ import annotations

import inspect
from typing import Any

from regraft.options import reference
from regraft.pipelines.fit import fit as fit_one
from regraft.pipelines.result import DetectionResult, FitResult
from regraft.pipelines.scenarios.multi_task import Shared, share
from regraft.reports.page import write_report


def fit(data: Any, **options: Any) -> FitResult | DetectionResult | Shared:
    """Learns from labelled data, judges honestly beside controls, saves a model, its figures and ``report.html``.

    ``data`` is a path, ``embedded:NAME``, a DataFrame or a `Dataset`; several of them in a list are domains of one task
    for the method ``joint``, else tasks that ``share`` a network (`regraft.pipelines.scenarios.multi_task.share`).
    Of one target see `regraft.pipelines.fit.fit`. Raises ``InputError`` naming every option that cannot be meant, and
    its kinds, see `regraft.core.errors`. The options:

    """
    several = isinstance(data, list | tuple)
    if options.get("share") is None and not (several and options.get("method") != "joint"):
        result = fit_one(data, **options)
        write_report(result.run)
        return result
    how = options.pop("share", None)
    found = share(data if several else [data], how, **options)
    for task in found.tasks.values():
        write_report(task.run)
    return found


fit.__doc__ = f"{inspect.cleandoc(fit.__doc__ or '')}\n\n{reference.parameters()}"
fit.__signature__ = reference.signature()  # type: ignore[attr-defined]
