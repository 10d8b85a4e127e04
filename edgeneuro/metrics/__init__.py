"""Metrics and their 95 % intervals, resampled by group because frames of one patient are not independent.

confusion: accuracy, balanced accuracy and macro-F1, functions of the confusion matrix. curves: area under the ROC curve,
sensitivity at a fixed specificity, calibration error. masks: Dice and intersection over union. resample: bootstrap
intervals of one graph's metric. paired: what one graph loses against another. exams: frames put together.
"""

from edgeneuro.metrics.confusion import (
    METRICS,
    Metric,
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    macro_f1,
    metric_named,
    per_class_recall,
)
from edgeneuro.metrics.curves import (
    CALIBRATION_BINS,
    SPECIFICITY,
    calibration_error,
    curves_of,
    roc_auc,
    sensitivity_at_specificity,
)
from edgeneuro.metrics.exams import Exams, aggregate, mean_of_units
from edgeneuro.metrics.masks import MASK_METRICS, MaskScores, mask_scores, mean_of_classes
from edgeneuro.metrics.paired import (
    CORRELATION,
    Drop,
    agreement_interval,
    drop_interval,
    drop_of,
    recall_drops,
    score_drop,
)
from edgeneuro.metrics.resample import LEVEL, RESAMPLES, bootstrap_interval, mean_interval, recall_intervals

__all__ = [
    "CALIBRATION_BINS",
    "CORRELATION",
    "LEVEL",
    "MASK_METRICS",
    "METRICS",
    "RESAMPLES",
    "SPECIFICITY",
    "Drop",
    "Exams",
    "MaskScores",
    "Metric",
    "accuracy",
    "aggregate",
    "agreement_interval",
    "balanced_accuracy",
    "bootstrap_interval",
    "calibration_error",
    "confusion_matrix",
    "curves_of",
    "drop_interval",
    "drop_of",
    "macro_f1",
    "mask_scores",
    "mean_interval",
    "mean_of_classes",
    "mean_of_units",
    "metric_named",
    "per_class_recall",
    "recall_drops",
    "recall_intervals",
    "roc_auc",
    "score_drop",
    "sensitivity_at_specificity",
]
