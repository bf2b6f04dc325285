"""How the command line shows what a command returned."""

from __future__ import annotations

from regraft.cli.printing.audit import print_audit
from regraft.cli.printing.basics import box_figures, figures, print_json, table
from regraft.cli.printing.learning import (
    print_conversion,
    print_demo,
    print_detection,
    print_fit,
    print_fits,
    print_inspection,
    print_ranking,
    print_search,
    print_shift,
)
from regraft.cli.printing.listing import print_backbones, print_cache, print_comparison, print_runs, print_weights
from regraft.cli.printing.using import (
    print_boxes,
    print_evaluation,
    print_explanation,
    print_export,
    print_insights,
    print_picture_explanations,
    print_predictions,
    print_tasks,
)

__all__ = [
    "box_figures", "figures", "print_audit", "print_backbones", "print_boxes", "print_cache", "print_comparison",
    "print_conversion", "print_demo", "print_detection", "print_evaluation", "print_explanation",
    "print_export", "print_fit",
    "print_fits", "print_insights", "print_inspection", "print_json", "print_picture_explanations",
    "print_predictions", "print_ranking", "print_runs", "print_search", "print_shift", "print_tasks", "print_weights",
    "table",
]  # fmt: skip
