"""``regraft fit``: from labelled data to a judged, saved model."""

from __future__ import annotations

import inspect
from typing import Any

from regraft.options import reference
from regraft.pipelines.fit import fit as fit_one
from regraft.pipelines.result import FitResult, Shared


def fit(data: Any, **options: Any) -> FitResult | Shared:
    """Learns from labelled data, judges honestly beside controls, saves a model, its figures and ``report.html``.

    ``data`` is a path, ``embedded:NAME``, a DataFrame or a `Dataset`; several of them in a list are domains of one task
    for the method ``joint``, else tasks that ``share`` a network. See `regraft.pipelines.fit.fit`. Raises
    ``InputError`` naming every option that cannot be meant, and its kinds, see `regraft.core.errors`. The options:

    """
    result: FitResult | Shared = fit_one(data, **options)
    from regraft.reports.page import write_report  # it draws: no fit that is refused needs that

    for one in result.tasks.values() if isinstance(result, Shared) else [result]:
        write_report(one.run)
    return result


fit.__doc__ = f"{inspect.cleandoc(fit.__doc__ or '')}\n\n{reference.parameters()}"
fit.__signature__ = reference.signature()  # type: ignore[attr-defined]
