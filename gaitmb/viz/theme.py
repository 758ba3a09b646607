"""Colours, fonts, axes and words that all figures share.

What is told apart by colour is told apart by symbol, line or hatching too. The colours stay distinct
under the common colour blindnesses (Okabe and Ito, 2008, with a darker purple).
"""

from __future__ import annotations

import html

import plotly.graph_objects as go

__all__ = [
    "LEVEL_LABELS",
    "MEDICATION_LABELS",
    "METRIC_LABELS",
    "TEMPLATE",
    "labelled",
    "new_figure",
]

INK, GREY, GRID = "#1f2933", "#6b7785", "#e3e8ee"
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#7B3294"
FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"


METRIC_LABELS = {
    "weighted_f1": "Weighted F1",
    "macro_f1": "Macro F1",
    "balanced_accuracy": "Balanced accuracy",
    "qwk": "Quadratic weighted kappa",
    "mae": "Mean absolute error (points)",
    "within_one": "Within one point (share)",
}
LEVEL_LABELS = {"walk": "walks", "participant_session": "participant-sessions"}
MEDICATION_LABELS = {"on": "ON medication", "off": "OFF medication", "na": "medication not stated"}
BASELINE_LABELS = {
    "majority": "Majority class",
    "prior": "Class frequencies",
    "gait_features": "Gait features",
}
_MEDICATION_MARKS = {"on": ("circle", GREEN), "off": ("square", PURPLE), "na": ("diamond", GREY)}


_AXIS = {
    "gridcolor": GRID,
    "linecolor": GREY,
    "zeroline": False,
    "ticks": "outside",
    "tickcolor": GREY,
    "automargin": True,
    "title": {"standoff": 10},
}


#: Fonts, colours and axes of every figure.
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "title": {
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 8, "t": 12},
            "font": {"size": 15},
        },
        "colorway": [BLUE, ORANGE, GREEN, PURPLE, GREY],
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom"},
        "margin": {"l": 20, "r": 20, "t": 64, "b": 50},
        "hoverlabel": {"font": {"family": FONT}},
    }
)


def labelled(text: object) -> str:
    """Text from data as plotly shows it literally: what looks like markup stays text.

    Examples
    --------
    >>> labelled("<b>P1</b>")
    '&lt;b&gt;P1&lt;/b&gt;'
    """
    return html.escape(str(text), quote=False)


def new_figure(title: str, height: int) -> go.Figure:
    """Start an empty figure with a title, `height` in pixels."""
    figure = go.Figure()
    figure.update_layout(template=TEMPLATE, title_text=title, height=height)
    return figure
