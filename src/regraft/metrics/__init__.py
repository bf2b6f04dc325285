"""Pure figures on arrays: of classes, numbers and boxes, with intervals that hold what they say."""

from regraft.metrics.classes import (
    abstention_curve,
    abstention_threshold,
    accuracy_at_least,
    answers_needed,
    average_precisions,
    best_thresholds,
    calibration_bins,
    classification,
    confusion_matrix,
    entropy_bits,
    expected_calibration_error,
    log_loss,
    multilabel,
    paired_map_gain,
)
from regraft.metrics.intervals import bootstrap_interval, paired_gain, proportion, share_change, wilson
from regraft.metrics.numbers import (
    conformal_radius,
    coverage,
    paired_rmse_gain,
    quantile_figures,
    regression,
)

__all__ = [
    "abstention_curve",
    "abstention_threshold",
    "accuracy_at_least",
    "answers_needed",
    "average_precisions",
    "best_thresholds",
    "bootstrap_interval",
    "calibration_bins",
    "classification",
    "conformal_radius",
    "confusion_matrix",
    "coverage",
    "entropy_bits",
    "expected_calibration_error",
    "log_loss",
    "multilabel",
    "paired_gain",
    "paired_map_gain",
    "paired_rmse_gain",
    "proportion",
    "quantile_figures",
    "regression",
    "share_change",
    "wilson",
]
