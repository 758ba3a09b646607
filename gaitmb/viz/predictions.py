"""Figures of predictions: against the ratings, per class, per walk, and between medication states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gaitmb.errors import ConfigurationError
from gaitmb.viz.theme import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MEDICATION_LABELS,
    ORANGE,
    PURPLE,
    labelled,
    new_figure,
)

__all__ = [
    "average_sessions",
    "class_distribution",
    "expected_severity",
    "medication_change",
    "predicted_against_rated",
    "probability_bars",
    "probability_columns",
]

_MEDICATION_MARKS = {"on": ("circle", GREEN), "off": ("square", PURPLE), "na": ("diamond", GREY)}


def probability_columns(predictions: pd.DataFrame, classes: Iterable[str]) -> dict[str, str]:
    """Class to the column of its probability, in the order of `classes`, as far as there is one.

    Examples
    --------
    >>> probability_columns(pd.DataFrame(columns=["participant_id", "p0", "p2"]), "01234")
    {'0': 'p0', '2': 'p2'}
    """
    return {name: f"p{name}" for name in classes if f"p{name}" in predictions.columns}


def expected_severity(predictions: pd.DataFrame, classes: Iterable[str]) -> pd.Series:
    """Return the mean rating that the predicted probabilities stand for, in points of the scale.

    Parameters
    ----------
    predictions
        With one column ``p<class>`` per class.
    classes
        Classes of the scale; whole numbers.

    Returns
    -------
    Sum of class times probability, one value per row; NaN where a probability is missing.

    Raises
    ------
    ConfigurationError
        The classes are names, so that a mean of them does not exist.

    Examples
    --------
    >>> expected_severity(pd.DataFrame({"p0": [0.5], "p1": [0.25], "p2": [0.25]}), "01234").tolist()
    [0.75]
    """
    columns = probability_columns(predictions, classes)
    if not all(name.isdecimal() for name in columns):
        raise ConfigurationError("the mean of classes that are names", expected="numbered classes")
    points = np.array([float(name) for name in columns])
    values = predictions[list(columns.values())].astype(float).to_numpy() @ points
    return pd.Series(values, index=predictions.index, name="expected_severity")


def average_sessions(predictions: pd.DataFrame, classes: Iterable[str]) -> pd.DataFrame:
    """Average the walks of each session that have the same rating.

    Parameters
    ----------
    predictions
        One row per walk, as in ``predictions.csv``.
    classes
        Classes of the scale, in order.

    Returns
    -------
    Sorted by participant: `participant_id`, `session_id`, `medication`, `rating` (empty where not
    rated), `n_walks`, the averaged ``p<class>`` and `predicted`, the most probable class (the first of
    equals).

    Examples
    --------
    >>> walks = pd.DataFrame({"participant_id": ["A", "A"], "session_id": ["on", "on"],
    ...                       "medication": ["on", "on"], "rating": ["1", "1"],
    ...                       "p0": [0.6, 0.2], "p1": [0.4, 0.8]})
    >>> session = average_sessions(walks, ("0", "1")).iloc[0]
    >>> int(session["n_walks"]), session["predicted"], round(float(session["p1"]), 2)
    (2, '1', 0.6)
    """
    columns = probability_columns(predictions, classes)
    names = ["participant_id", "session_id", "medication", "rating"]
    walks = predictions.assign(rating=predictions["rating"].fillna("").astype(str))
    walks = walks.astype(dict.fromkeys(columns.values(), float))
    groups = walks.groupby(names, sort=True)
    sessions = groups[list(columns.values())].mean()
    sessions.insert(0, "n_walks", groups.size())
    best = sessions[list(columns.values())].to_numpy(dtype=float).argmax(axis=1)
    return sessions.assign(predicted=np.array(list(columns), dtype=object)[best]).reset_index()


def predicted_against_rated(
    predictions: pd.DataFrame, classes: Sequence[str], *, ordinal: bool = True
) -> go.Figure:
    """Rated and predicted severity of every participant's sessions, one line per session.

    Parameters
    ----------
    predictions
        One row per walk; walks of a session with the same rating are averaged.
    classes
        Classes of the scale, in order.
    ordinal
        Whether the classes are numbers: then the filled mark is the expected severity (sum of class
        times probability, in points), else the predicted class.
    """
    sessions = average_sessions(predictions, classes)
    classes = list(probability_columns(predictions, classes))
    place = {name: float(name) if ordinal else float(n) for n, name in enumerate(classes)}
    sessions["rated_at"] = sessions["rating"].map(place).astype(float)
    sessions["predicted_at"] = (
        expected_severity(sessions, classes) if ordinal else sessions["predicted"].map(place)
    )
    participants = sorted(sessions["participant_id"].unique())
    line = sessions.groupby("participant_id").cumcount()
    lines = sessions.groupby("participant_id")["rating"].transform("size")
    row = sessions["participant_id"].map({name: n for n, name in enumerate(participants)})
    sessions["at"] = row + ((line + 0.5) / lines - 0.5) * 0.8
    what = "expected severity in points" if ordinal else "predicted class"
    figure = new_figure(f"Rated class and {what}, per participant and session", 230 + 15 * len(sessions))
    rated = sessions[sessions["rated_at"].notna()]
    agrees = rated["rating"] == rated["predicted"]
    for part, name, colour, dash in (
        (rated[agrees], "predicted class as rated", GREY, "solid"),
        (rated[~agrees], "predicted class differs", ORANGE, "dot"),
    ):
        if len(part):
            figure.add_scatter(
                x=part[["rated_at", "predicted_at"]].assign(gap=np.nan).to_numpy().ravel(),
                y=part[["at", "at"]].assign(gap=np.nan).to_numpy().ravel(),
                mode="lines",
                line={"color": colour, "dash": dash, "width": 2},
                name=name,
                hoverinfo="skip",
            )
    for medication, (symbol, colour) in _MEDICATION_MARKS.items():
        part = sessions[sessions["medication"] == medication]
        for column, mark, size in (("rated_at", f"{symbol}-open", 12), ("predicted_at", symbol, 7)):
            if not len(part) or part[column].isna().all():
                continue
            figure.add_scatter(
                x=part[column],
                y=part["at"],
                mode="markers",
                marker={"symbol": mark, "size": size, "color": colour, "line": {"width": 1.8}},
                name=f"{'rated' if column == 'rated_at' else 'predicted'}, "
                f"{MEDICATION_LABELS[medication]}",
                text=[
                    f"{labelled(r.participant_id)}, session {labelled(r.session_id)}: rated "
                    f"{labelled(r.rating or '–')}, predicted {labelled(r.predicted)}, walks {r.n_walks}"
                    for r in part.itertuples()
                ],
                hovertemplate="%{text}<extra></extra>",
            )
    figure.update_layout(margin_t=120)  # the legend may need three lines
    ends = [min(place.values(), default=0) - 0.3, max(place.values(), default=0) + 0.3]
    figure.update_xaxes(
        title_text="Severity (points)" if ordinal else "Class",
        tickvals=list(place.values()),
        ticktext=[labelled(name) for name in place],
        range=ends,
    )
    figure.update_yaxes(
        title_text="Participant",
        tickvals=list(range(len(participants))),
        ticktext=[labelled(name) for name in participants],
        range=[len(participants) - 0.4, -0.6],
    )
    return figure


def class_distribution(predictions: pd.DataFrame, classes: Sequence[str]) -> go.Figure:
    """Count the walks rated with, and predicted as, each class; unrated ones are a bar of their own.

    Examples
    --------
    >>> walks = pd.DataFrame({"rating": ["0", "1", ""], "predicted": ["0", "0", "1"]})
    >>> figure = class_distribution(walks, ("0", "1"))
    >>> [(bar.name, list(bar.y)) for bar in figure.data]
    [('Rated', [1, 1, 1]), ('Predicted', [2, 1, 0])]
    """
    rating = predictions["rating"].fillna("").astype(str)
    present = {*rating, *predictions["predicted"]}
    names = [name for name in classes if name in present] + ([""] if (rating == "").any() else [])
    figure = new_figure("Class distribution (number of walks)", 320)
    for label, column, colour, pattern in (
        ("Rated", rating, GREY, ""),
        ("Predicted", predictions["predicted"].astype(str), BLUE, "/"),
    ):
        counts = [int((column == name).sum()) for name in names]
        figure.add_bar(
            x=[labelled(name) or "not rated" for name in names],
            y=counts,
            name=label,
            text=counts,
            textposition="outside",
            cliponaxis=False,
            marker={
                "color": colour,
                "pattern": {
                    "shape": pattern,
                    "fgcolor": "white",
                    "fillmode": "overlay",
                    "solidity": 0.2,
                },
            },
            hovertemplate="%{x}: %{y} walks<extra>" + label + "</extra>",
        )
    figure.update_xaxes(title_text="Class", type="category")
    figure.update_yaxes(title_text="Walks", rangemode="tozero")
    return figure


def probability_bars(probabilities: Mapping[str, float], rating: str | None = None) -> go.Figure:
    """Draw the predicted probability of each class for one walk; the rated class is framed and named.

    Examples
    --------
    >>> figure = probability_bars({"0": 0.2, "1": 0.8}, rating="1")
    >>> list(figure.data[0].x)
    ['0', '1<br><b>rated</b>']
    """
    names = list(probabilities)
    figure = new_figure("Predicted probability of each class (0 to 1)", 320)
    figure.add_bar(
        x=[labelled(name) + ("<br><b>rated</b>" if name == rating else "") for name in names],
        y=list(probabilities.values()),
        text=[f"{value:.2f}" for value in probabilities.values()],
        textposition="outside",
        cliponaxis=False,
        marker={
            "color": [BLUE if name == rating else "#a9c4d9" for name in names],
            "line": {"color": INK, "width": [3 if name == rating else 0 for name in names]},
        },
        hovertemplate="%{x}: %{y:.2f}<extra></extra>",
    )
    figure.update_xaxes(title_text="Class", type="category")
    figure.update_yaxes(title_text="Probability", range=[0, 1.08])
    return figure


def medication_change(sessions: pd.DataFrame, value: str, label: str) -> go.Figure:
    """One value of every participant OFF and ON medication, joined by a line.

    Parameters
    ----------
    sessions
        Columns `participant_id`, `medication` and `value`; several rows of a participant in the same
        state are averaged, and those with only one state get no line.
    value
        Column to show.
    label
        What it is, with its unit.
    """
    table = sessions.pivot_table(index="participant_id", columns="medication", values=value)
    table = table.reindex(columns=["off", "on"])
    figure = new_figure(f"{label}, OFF and ON medication", 420)
    for participant, row in table.iterrows():
        figure.add_scatter(
            x=["OFF", "ON"],
            y=row.to_numpy(),
            mode="lines+markers",
            line={"color": GREY, "width": 1},
            marker={"symbol": ["square", "circle"], "color": [PURPLE, GREEN], "size": 8},
            showlegend=False,
            hovertemplate=labelled(participant) + ", %{x}: %{y:.2f}<extra></extra>",
        )
    figure.add_scatter(
        x=["OFF", "ON"],
        y=table.mean().to_numpy(),
        mode="lines+markers",
        line={"color": INK, "width": 4},
        marker={"symbol": "diamond", "size": 13},
        name="mean of participants",
    )
    figure.update_xaxes(title_text="Medication", type="category")
    figure.update_yaxes(title_text=label)
    return figure
