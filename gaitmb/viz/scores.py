"""Figures of an evaluation: confusion matrix, scores per class, metrics with intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gaitmb.data.evaluation import METRICS, Evaluation, Interval, LevelMetrics
from gaitmb.viz.theme import (
    BASELINE_LABELS,
    BLUE,
    GREEN,
    GREY,
    INK,
    LEVEL_LABELS,
    METRIC_LABELS,
    TEMPLATE,
    labelled,
    new_figure,
)

__all__ = ["class_scores", "confusion_matrix", "method_labels", "metric_intervals"]


def confusion_matrix(level: LevelMetrics, unit: str = "walks") -> go.Figure:
    """Rated against predicted classes: counts, and the share of each rated class in per cent.

    Parameters
    ----------
    level
        Holds the counts; rows are rated, columns predicted.
    unit
        What was counted, for the title.

    Examples
    --------
    >>> level = LevelMetrics({}, {}, ("0", "1"), ((3, 1), (0, 0)), 4, 2)
    >>> [list(row) for row in confusion_matrix(level).data[0].text]
    [['<b>3</b><br>75 %', '<b>1</b><br>25 %'], ['<b>0</b><br>–', '<b>0</b><br>–']]
    """
    counts = np.array(level.confusion, dtype=float).reshape(len(level.classes), len(level.classes))
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(100 * counts, totals, out=np.zeros_like(counts), where=totals > 0)
    text = [
        [
            f"<b>{int(n)}</b><br>{f'{percent:.0f} %' if total else '–'}"
            for n, percent in zip(row, percents, strict=True)
        ]
        for row, percents, total in zip(counts, share, totals[:, 0], strict=True)
    ]
    names = [labelled(name) for name in level.classes]
    figure = new_figure(f"Confusion matrix, {unit} (n, % of rated)", 160 + 70 * len(names))
    figure.add_heatmap(
        z=share,
        x=names,
        y=names,
        text=text,
        texttemplate="%{text}",
        hovertemplate="rated %{y}, predicted %{x}: %{text}<extra></extra>",
        zmin=0,
        zmax=100,
        colorscale=[[0, "#ffffff"], [0.5, "#86b6d9"], [1, "#08436e"]],
        showscale=False,
        xgap=2,
        ygap=2,
    )
    for number in range(len(names)):
        figure.add_shape(
            type="rect",
            x0=number - 0.5,
            x1=number + 0.5,
            y0=number - 0.5,
            y1=number + 0.5,
            line={"color": INK, "width": 1.5},
        )
    figure.update_xaxes(title_text="Predicted class", type="category", showgrid=False)
    figure.update_yaxes(title_text="Rated class", type="category", autorange="reversed", showgrid=False)
    return figure


def class_scores(level: LevelMetrics, unit: str = "walks") -> go.Figure:
    """Precision, recall and F1 of every class, from 0 to 1.

    Examples
    --------
    >>> from gaitmb.data.evaluation import ClassScore
    >>> level = LevelMetrics({}, {"0": ClassScore(0.5, 1.0, 0.67, 4)}, ("0",), ((4,),), 4, 2)
    >>> [(bar.name, bar.y[0]) for bar in class_scores(level).data]
    [('Precision', 0.5), ('Recall', 1.0), ('F1', 0.67)]
    """
    figure = new_figure(f"Scores per class ({unit}, 0 to 1)", 340)
    names = [f"{labelled(name)} (n = {score.support})" for name, score in level.per_class.items()]
    for field, label, colour, pattern in (
        ("precision", "Precision", GREY, ""),
        ("recall", "Recall", GREEN, "/"),
        ("f1", "F1", BLUE, "x"),
    ):
        figure.add_bar(
            x=names,
            y=[getattr(score, field) for score in level.per_class.values()],
            name=label,
            marker={
                "color": colour,
                "pattern": {
                    "shape": pattern,
                    "fgcolor": "white",
                    "fillmode": "overlay",
                    "solidity": 0.2,
                },
            },
            hovertemplate="%{x}: %{y:.2f}<extra>" + label + "</extra>",
        )
    figure.update_xaxes(title_text=f"Rated class (n: rated {unit})", type="category")
    figure.update_yaxes(title_text="Score", range=[0, 1])
    return figure


def method_labels(evaluation: Evaluation) -> dict[str, str]:
    """Name each set of predictions: ``classifier``, then the baselines by name."""
    trained = "" if evaluation.encoder["trained"] else ", untrained"
    classifier = f"{evaluation.classifier} on {evaluation.encoder['name']}{trained}"
    return {
        "classifier": classifier,
        **{name: BASELINE_LABELS.get(name, name) for name in evaluation.baselines},
    }


def metric_intervals(
    evaluation: Evaluation, level: str = "walk", metrics: Sequence[str] = METRICS
) -> go.Figure:
    """Each metric with its interval, the classifier above the baselines: a forest plot per metric.

    Parameters
    ----------
    evaluation
        Holds both.
    level
        ``walk`` or ``participant_session``.
    metrics
        Which, in order; those that exist for no method are left out.
    """
    methods = {"classifier": evaluation.metrics[level]}
    methods |= {name: levels[level] for name, levels in evaluation.baselines.items() if level in levels}
    shown = [
        name
        for name in metrics
        if any(method.metrics[name].value is not None for method in methods.values())
    ]
    n_columns = min(3, len(shown)) or 1
    n_rows = -(-len(shown) // n_columns) or 1
    panel = 34 * len(methods) + 40
    height = 130 + n_rows * panel + (n_rows - 1) * 60
    figure = make_subplots(
        rows=n_rows,
        cols=n_columns,
        shared_yaxes=True,
        horizontal_spacing=0.05,
        vertical_spacing=min(0.3, 100 / height) if n_rows > 1 else 0,
        subplot_titles=[
            # Short lines, so that titles of neighbours never meet on a printed page.
            "<br>".join(textwrap.wrap(METRIC_LABELS[name], 20))
            + (", less is better" if name == "mae" else "")
            for name in shown
        ],
    )
    labels = [labelled(label) for key, label in method_labels(evaluation).items() if key in methods]
    for number, name in enumerate(shown):
        row, column = divmod(number, n_columns)
        figure.add_trace(
            _forest([method.metrics[name] for method in methods.values()], labels),
            row=row + 1,
            col=column + 1,
        )
        span = {"rangemode": "tozero"} if name == "mae" else {"range": _span(name, methods)}
        figure.update_xaxes(**span, row=row + 1, col=column + 1)
    figure.update_layout(
        template=TEMPLATE,
        title_text=f"Metrics with their 95 % intervals ({LEVEL_LABELS.get(level, level)})",
        height=height,
        margin_t=84,
        showlegend=False,
    )
    figure.update_annotations(font_size=12.5)
    figure.update_yaxes(autorange="reversed", type="category", ticks="")
    return figure


def _span(name: str, methods: Mapping[str, LevelMetrics]) -> list[float]:
    values = [
        value
        for method in methods.values()
        for value in (method.metrics[name].value, method.metrics[name].low)
        if value is not None
    ]
    # Kappa can be negative; everything else is a share.
    return [min(-0.05, *values) - 0.05 if min(values) < 0 else -0.03, 1.03]


def _forest(intervals: Sequence[Interval], labels: Sequence[str]) -> go.Scatter:
    above = [0 if i.value is None or i.high is None else i.high - i.value for i in intervals]
    below = [0 if i.value is None or i.low is None else i.value - i.low for i in intervals]
    first = [True] + [False] * (len(intervals) - 1)
    colours = [BLUE if mine else GREY for mine in first]
    return go.Scatter(
        x=[interval.value for interval in intervals],
        y=list(labels),
        mode="markers",
        marker={
            "symbol": ["diamond" if mine else "circle-open" for mine in first],
            "size": 11,
            "color": colours,
            "line": {"width": 2, "color": colours},
        },
        error_x={"array": above, "arrayminus": below, "color": GREY, "thickness": 2, "width": 5},
        customdata=[str(interval) for interval in intervals],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )
