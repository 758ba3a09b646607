"""Figures: a noun goes in, a plotly figure comes out; shared by reports, the app and the studies.

Titles state units. Every figure can be read without colour. Identities are escaped, because plotly reads
markup in text.
"""

from gaitmb.viz.poses import animate_2d, animate_3d, frame_2d
from gaitmb.viz.predictions import (
    average_sessions,
    class_distribution,
    expected_severity,
    medication_change,
    predicted_against_rated,
    probability_bars,
    probability_columns,
)
from gaitmb.viz.scores import class_scores, confusion_matrix, method_labels, metric_intervals
from gaitmb.viz.theme import (
    BASELINE_LABELS,
    LEVEL_LABELS,
    MEDICATION_LABELS,
    METRIC_LABELS,
    TEMPLATE,
    labelled,
    new_figure,
)

__all__ = [
    "BASELINE_LABELS",
    "LEVEL_LABELS",
    "MEDICATION_LABELS",
    "METRIC_LABELS",
    "TEMPLATE",
    "animate_2d",
    "animate_3d",
    "average_sessions",
    "class_distribution",
    "class_scores",
    "confusion_matrix",
    "expected_severity",
    "frame_2d",
    "labelled",
    "medication_change",
    "method_labels",
    "metric_intervals",
    "new_figure",
    "predicted_against_rated",
    "probability_bars",
    "probability_columns",
]
