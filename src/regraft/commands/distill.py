"""``regraft distill``: a slow model taught to a small network."""

from __future__ import annotations

from os import PathLike
from typing import Any

from regraft.commands.fit import fit
from regraft.core.errors import InputError
from regraft.data.open import same_data
from regraft.pipelines.result import FitResult

METHOD = "lp-ft"


def distill(
    run: str | PathLike[str],
    *,
    into: Any,
    unlabelled: Any = None,
    data: Any = None,
    judge: Any = None,
    method: str = METHOD,
    controls: str = "none",
    **options: Any,
) -> FitResult:
    """Teaches the network ``into`` what the model of ``run`` (a run, an artefact or one task of it) says of the items
    of ``unlabelled``, whose labels are not looked at: `regraft.fit` with a teacher, and its run folder (Hinton,
    Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531).

    ``data`` are labelled items to learn from too, or alone, each by the answer and by its label (``label_weight``).
    Judged are teacher, student, and with ``data`` the same student on the labels alone, on the items of ``judge``, else
    on the part val of ``data`` or a fifth held out of it; never on items that the teacher has learned from. With
    neither there are no labels, and only how often both agree, and their speed, is told. ``method`` is one that trains
    a network, or linear-probe; ``temperature`` softens the answers; ``options`` are those of `regraft.fit`.

    What it cost and brought is in ``metrics["distillation"]``: see `regraft.pipelines.stages.distilled.compared`.
    Raises ``InputError`` and its kinds, see `regraft.core.errors`.
    """
    if into is None or (unlabelled is None and data is None):
        raise InputError("distill wants the network to teach (into) and items for the teacher to answer (unlabelled, "
                         "or labelled ones, data).")  # fmt: skip
    whole = unlabelled if data is None else data
    if data is not None and same_data(data, unlabelled):
        unlabelled = None
    found = fit(whole, backbone=into, teacher=str(run), unlabelled=unlabelled, val=judge, method=method,
                controls=controls, **options)  # fmt: skip
    assert isinstance(found, FitResult)
    return found
