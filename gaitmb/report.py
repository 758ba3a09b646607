"""The report: an evaluation as one HTML page that needs nothing else, now or in ten years.

The page loads nothing: scripts and styles lie in it, and its content security policy forbids the rest.
The same input gives the same bytes: no time of day, no random identities, no duration.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
import plotly.offline
from markupsafe import Markup

from gaitmb import viz
from gaitmb.data.evaluation import LEVELS, METRICS, Evaluation, Interval, LevelMetrics

__all__ = ["render_report"]

_LEVEL_TITLES = {"walk": "Walks", "participant_session": "Participant-sessions"}
_METRIC_MEANINGS = {
    "weighted_f1": "F1 (harmonic mean of precision and recall) of each class, weighted by how often it "
    "was rated; 1 is best",
    "macro_f1": "the same with every class counting equally; 1 is best",
    "balanced_accuracy": "mean share of each rated class that was found; 1 is best",
    "qwk": "agreement beyond chance, large errors weighing more; 1 is best, 0 is chance",
    "mae": "mean distance of predicted from rated class, in points of the scale; 0 is best",
    "within_one": "share predicted at most one point off; 1 is best",
}
_BASELINE_MEANINGS = {
    "majority": "always names the class that is most frequent among the training walks; what can be "
    "reached without looking at the walk",
    "prior": "draws a class by the class frequencies of the training walks; what chance gives",
    "gait_features": "a random forest on measures of gait (cadence, step length, arm swing, "
    "asymmetries …) instead of embeddings",
}
_FIGURE_CONFIG = {"displaylogo": False, "responsive": True, "displayModeBar": False}


def render_report(evaluation: Evaluation, predictions: pd.DataFrame, failures: pd.DataFrame) -> str:
    """Write an evaluation as a self-contained HTML page.

    Parameters
    ----------
    evaluation
        Metrics with intervals, baselines and provenance. A metric that does not exist is shown as "–"
        with its reason.
    predictions
        One row per walk, as in ``predictions.csv``: `participant_id`, `session_id`, `medication`,
        `walk_id`, `rating` (empty where not rated), `predicted`, ``p<class>`` …
    failures
        One row per reason to leave a walk out, as in ``failures.csv``: a walk may have several. May be
        empty.

    Returns
    -------
    The page. All text from data is escaped; the duration of the run is left out, so that equal input
    gives equal bytes.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scale = evaluation.cohort["scale"]
    classes = list(viz.probability_columns(predictions, scale["classes"]))
    return environment.get_template("report.html").render(
        evaluation=evaluation,
        cohort=evaluation.cohort,
        protocol=evaluation.protocol,
        encoder=evaluation.encoder,
        scale_label=_scale_label(scale),
        interval_percent=_percent(evaluation.protocol.get("interval_level", 0.95)),
        headline=evaluation.metrics["walk"].metrics["weighted_f1"],
        majority=_majority(evaluation),
        levels=[level for level in LEVELS if level in evaluation.metrics],
        level_titles=_LEVEL_TITLES,
        level_labels=viz.LEVEL_LABELS,
        metric_labels=viz.METRIC_LABELS,
        metric_meanings=_METRIC_MEANINGS,
        metrics=METRICS,
        methods=viz.method_labels(evaluation),
        scores=_scores(evaluation),
        baseline_meanings=_BASELINE_MEANINGS,
        comparisons=_comparisons(evaluation),
        reasons=_reasons(evaluation),
        figures=_figures(evaluation, predictions, classes, ordinal=bool(scale["ordinal"])),
        failures=_rows(failures),
        provenance=_provenance(evaluation),
        plotly_js=_plotly_js(),
    )


def _template(name: str) -> str | None:
    return (importlib.resources.files("gaitmb") / "templates" / name).read_text("utf-8")


@functools.cache
def _plotly_js() -> Markup:
    # The library's own bundle, not data: it is the one text that is not escaped.
    return Markup(plotly.offline.get_plotlyjs())  # noqa: S704


def _percent(level: float) -> str:
    return f"{100 * level if level <= 1 else level:g} %"


def _scale_label(scale: Mapping[str, Any]) -> str:
    if scale["name"] == "updrs_gait":
        return "MDS-UPDRS part III item 3.10 (gait), 0 to 4 points"
    return f"{scale['name']}: {', '.join(scale['classes'])}"


def _majority(evaluation: Evaluation) -> Interval | None:
    level = evaluation.baselines.get("majority", {}).get("walk")
    return level.metrics["weighted_f1"] if level else None


def _scores(evaluation: Evaluation) -> dict[str, dict[str, LevelMetrics]]:
    """Level to method to its metrics, the classifier first."""
    scores: dict[str, dict[str, LevelMetrics]] = {}
    for level, metrics in evaluation.metrics.items():
        scores[level] = {"classifier": metrics}
        scores[level] |= {
            name: levels[level] for name, levels in evaluation.baselines.items() if level in levels
        }
    return scores


def _comparisons(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Rows of the table of paired differences, each with what it means in words."""
    rows = []
    for name, levels in evaluation.comparisons.items():
        for level in LEVELS:
            if level not in levels:
                continue
            interval = levels[level]
            rows.append(
                {
                    "baseline": viz.BASELINE_LABELS.get(name, name),
                    "level": _LEVEL_TITLES[level],
                    "difference": _signed(interval),
                    "verdict": _verdict(interval),
                }
            )
    return rows


def _signed(interval: Interval) -> str:
    if interval.value is None:
        return "–"
    if interval.low is None or interval.high is None:
        return f"{interval.value:+.2f}"
    return f"{interval.value:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"


def _verdict(interval: Interval) -> str:
    if interval.value is None or interval.low is None or interval.high is None:
        return interval.reason or "no interval exists"
    if interval.low > 0:
        return "better than this baseline: the interval lies above 0"
    if interval.high < 0:
        return "worse than this baseline: the interval lies below 0"
    return "not told apart from this baseline: the interval holds 0"


def _reasons(evaluation: Evaluation) -> dict[tuple[str, str], list[str]]:
    """Level and reason to the metrics that do not exist, or have no interval, because of it."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for level, metrics in evaluation.metrics.items():
        for name, interval in metrics.metrics.items():
            if interval.reason:
                key = (_LEVEL_TITLES[level], interval.reason)
                reasons.setdefault(key, []).append(viz.METRIC_LABELS[name])
    return reasons


def _figures(
    evaluation: Evaluation, predictions: pd.DataFrame, classes: Sequence[str], *, ordinal: bool
) -> dict[str, Markup]:
    drawn: dict[str, Callable[[], go.Figure]] = {
        "against": lambda: viz.predicted_against_rated(predictions, classes, ordinal=ordinal),
        "distribution": lambda: viz.class_distribution(
            predictions, evaluation.cohort["scale"]["classes"]
        ),
    }
    for level, metrics in evaluation.metrics.items():
        unit = viz.LEVEL_LABELS[level]
        drawn[f"metrics_{level}"] = functools.partial(viz.metric_intervals, evaluation, level)
        if metrics.n_scored:
            drawn[f"confusion_{level}"] = functools.partial(viz.confusion_matrix, metrics, unit)
    figures = {}
    for name, draw in drawn.items():
        div = draw().to_html(
            full_html=False,
            include_plotlyjs=False,
            div_id=f"figure-{name.replace('_', '-')}",
            config=_FIGURE_CONFIG,
        )
        # plotly writes its JSON with <, > and / as escapes, so that no text can end the script.
        figures[name] = Markup(div)  # noqa: S704
    return figures


def _rows(failures: pd.DataFrame) -> list[dict[str, str]]:
    rows = failures.astype(object).where(failures.notna(), "").to_dict("records")
    return [
        # Row 0 means that there is no manifest, and so no row.
        {str(key): "" if key == "row" and value == 0 else str(value) for key, value in row.items()}
        for row in rows
    ]


def _provenance(evaluation: Evaluation) -> str:
    document = evaluation.to_dict()
    document["provenance"] = {
        key: value for key, value in evaluation.provenance.items() if key != "duration_s"
    }
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, default=str)
