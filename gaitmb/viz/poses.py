"""Figures of a moving skeleton: in the picture's plane, or in space and rotatable.

The right side is a blue solid line with round joints, the left side an orange dotted line with diamonds,
the trunk and head grey: sides can be told apart in black and white too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import Skeleton
from gaitmb.viz.theme import BLUE, GREY, GRID, ORANGE, TEMPLATE

__all__ = ["SIDES", "animate_2d", "animate_3d", "frame_2d"]

#: Name of a side, its colour, line and joint symbol.
SIDES = (
    ("trunk and head", GREY, "solid", "circle"),
    ("right", BLUE, "solid", "circle"),
    ("left", ORANGE, "dot", "diamond"),
)

Array = NDArray[np.float64]


def _edges(skeleton: Skeleton, side: str) -> list[tuple[int, int]]:
    chosen = []
    for edge, indices in zip(skeleton.edges, skeleton.edge_indices, strict=True):
        sides = {joint.split("_")[0] for joint in edge} & {"left", "right"}
        if (sides == {side}) if side in ("left", "right") else len(sides) != 1:
            chosen.append(indices)
    return chosen


def _strokes(frame: Array, skeleton: Skeleton, side: str) -> Array:
    """Bones of one side of a frame `(J, D)` as one line with gaps, `(3 * n_bones, D)`."""
    edges = np.array(_edges(skeleton, side), dtype=int).reshape(-1, 2)
    gap = np.full((len(edges), 1, frame.shape[-1]), np.nan)
    return np.concatenate([frame[edges], gap], axis=1).reshape(-1, frame.shape[-1])


def _coordinates(frame: Array, skeleton: Skeleton, decimals: int) -> list[Any]:
    """One trace per side that holds coordinates and nothing else: all that changes between frames."""
    kind = go.Scatter if frame.shape[-1] == 2 else go.Scatter3d
    return [
        kind(
            dict(
                zip("xyz", np.round(_strokes(frame, skeleton, name), decimals).T, strict=False),
            )
        )
        for name, *_ in SIDES
    ]


def _traces(frame: Array, skeleton: Skeleton, decimals: int) -> list[Any]:
    traces = _coordinates(frame, skeleton, decimals)
    flat = frame.shape[-1] == 2
    for trace, (name, colour, dash, symbol) in zip(traces, SIDES, strict=True):
        # Dots of a line in space are drawn sparsely: the joint's symbol tells the side there.
        trace.update(
            mode="lines+markers",
            name=name,
            connectgaps=False,
            hoverinfo="skip",
            line={"color": colour, "width": 4, "dash": dash} if flat else {"color": colour, "width": 7},
            marker={"color": colour, "symbol": symbol, "size": 8 if flat else 4},
        )
    return traces


def _bounds(positions: Array, margin: float) -> Array:
    """Lowest and highest finite value per axis with a margin, shape `(2, D)`; ±1 where there is none."""
    flat = positions.reshape(-1, positions.shape[-1])
    flat = flat[np.isfinite(flat).all(axis=1)]
    if not len(flat):
        return np.array([[-1.0], [1.0]]) * np.ones(positions.shape[-1])
    low, high = flat.min(axis=0), flat.max(axis=0)
    pad = margin * max(float((high - low).max()), 1e-6)
    return np.stack([low - pad, high + pad])


def _layout_2d(figure: go.Figure, pose: PoseSequence, title: str) -> None:
    unit = "px" if pose.coordinates is CoordinateSystem.IMAGE_PX else "screen units"
    (x0, y0), (x1, y1) = _bounds(pose.positions, 0.08)
    figure.update_layout(template=TEMPLATE, title_text=f"{title} ({unit})", height=560)
    figure.update_xaxes(title_text=f"x ({unit})", range=[x0, x1], constrain="domain")
    # y points down, as in the picture the joints were found in.
    figure.update_yaxes(
        title_text=f"y, down ({unit})",
        range=[y1, y0],
        scaleanchor="x",
        scaleratio=1,
        constrain="domain",
    )


def frame_2d(pose: PoseSequence, frame: int = 0) -> go.Figure:
    """One frame of a walk as the camera sees it: y down, equal aspect.

    Parameters
    ----------
    pose
        In ``image_px`` or ``screen``; missing joints are not drawn.
    frame
        Which, from 0.

    Raises
    ------
    CoordinateError
        The pose is not two-dimensional.

    Examples
    --------
    >>> from gaitmb.data.skeleton import H36M17
    >>> pose = PoseSequence(np.ones((2, 17, 2)), np.ones((2, 17)), np.arange(2.0), H36M17,
    ...                     CoordinateSystem.IMAGE_PX)
    >>> [trace.name for trace in frame_2d(pose).data]
    ['trunk and head', 'right', 'left']
    """
    pose.require(CoordinateSystem.IMAGE_PX, CoordinateSystem.SCREEN)
    figure = go.Figure(_traces(pose.positions[frame], pose.skeleton, 2))
    _layout_2d(figure, pose, f"Joints at {pose.time_s[frame]:.2f} s")
    return figure


def animate_2d(pose: PoseSequence, max_frames: int = 120) -> go.Figure:
    """Animate a walk as the camera sees it, with a slider over time: y down, equal aspect.

    Parameters
    ----------
    pose
        In ``image_px`` or ``screen``; missing joints are not drawn.
    max_frames
        Most frames to draw; of longer walks every second, third … frame is shown.

    Raises
    ------
    CoordinateError
        The pose is not two-dimensional.
    """
    pose.require(CoordinateSystem.IMAGE_PX, CoordinateSystem.SCREEN)
    figure = _animation(pose, pose.positions, max_frames, decimals=2)
    _layout_2d(figure, pose, "Joints in the picture")
    figure.update_layout(height=660, margin_b=200)
    return figure


def animate_3d(pose: PoseSequence, max_frames: int = 120) -> go.Figure:
    """Animate a walk in space, rotatable, centred on the walker, with a slider over time: up is up.

    Parameters
    ----------
    pose
        In ``world_mm`` (z up) or ``camera_mm`` (y down, turned here so that the body stands).
    max_frames
        Most frames to draw; of longer walks every second, third … frame is shown.

    Raises
    ------
    CoordinateError
        The pose is not three-dimensional.
    """
    positions = _centred(_upright(pose))
    figure = _animation(pose, positions, max_frames, decimals=1)
    low, high = _bounds(positions, 0.05)
    # Some floor around the walker, so that the eye has something to hold on to when it is turned.
    reach = np.maximum(high - low, 0.7 * (high - low).max())
    low[:2], high[:2] = ((high + low)[:2] - reach[:2]) / 2, ((high + low)[:2] + reach[:2]) / 2
    ends = [[float(a), float(b)] for a, b in zip(low, high, strict=True)]
    longest = float((high - low).max())
    aspect = {
        axis: float(high[n] - low[n]) / longest if longest else 1.0 for n, axis in enumerate("xyz")
    }
    axes = {
        f"{axis}axis": {
            "title": {"text": title},
            "range": ends[number],
            "gridcolor": GRID,
            "backgroundcolor": "#f7f9fb",
            "showbackground": axis == "z",
            "nticks": 5,
        }
        for number, (axis, title) in enumerate(
            zip("xyz", ("sideways (mm)", "depth (mm)", "up (mm)"), strict=True)
        )
    }
    if pose.coordinates is CoordinateSystem.WORLD_MM:
        axes["xaxis"]["title"] = {"text": "x (mm)"}
        axes["yaxis"]["title"] = {"text": "y (mm)"}
    eye = {"x": 1.3, "y": -1.45, "z": 0.4}
    figure.update_layout(
        template=TEMPLATE,
        title_text="Joints in space (mm); drag to turn",
        height=660,
        margin_b=150,
        scene={
            **axes,
            "aspectmode": "manual",
            "aspectratio": aspect,
            "camera": {"eye": eye},
            "uirevision": "walk",
        },
    )
    return figure


def _upright(pose: PoseSequence) -> Array:
    pose.require(CoordinateSystem.WORLD_MM, CoordinateSystem.CAMERA_MM)
    if pose.coordinates is CoordinateSystem.WORLD_MM:
        return np.array(pose.positions)
    x, y, z = np.moveaxis(pose.positions, -1, 0)
    return np.stack([x, z, -y], axis=-1)


def _centred(positions: Array) -> Array:
    """Take the walker's way across the floor out of positions with z up."""
    centred = positions.copy()
    seen: NDArray[np.bool_] = np.asarray(np.isfinite(positions).all(axis=-1))
    total = np.where(np.expand_dims(seen, -1), positions, 0.0).sum(axis=1)
    count = seen.sum(axis=1)[:, None]
    middle = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    centred[..., :2] -= middle[:, None, :2]
    return centred


def _animation(pose: PoseSequence, positions: Array, max_frames: int, decimals: int) -> go.Figure:
    step = max(1, -(-pose.n_frames // max_frames))
    shown = range(0, pose.n_frames, step)
    frames = [
        go.Frame(
            data=_coordinates(positions[number], pose.skeleton, decimals),
            name=str(number),
            traces=list(range(len(SIDES))),
        )
        for number in shown
    ]
    first = positions[0] if len(positions) else np.full(positions.shape[1:], np.nan)
    figure = go.Figure(data=_traces(first, pose.skeleton, decimals), frames=frames)
    if len(frames) < 2:
        return figure
    # A picture has its axis and its title below it, a space has not.
    below_px = 70 if positions.shape[-1] == 2 else 20
    period_ms = 1000 * float(pose.time_s[shown[-1]] - pose.time_s[0]) / (len(frames) - 1)
    play = {
        "frame": {"duration": round(period_ms), "redraw": True},
        "transition": {"duration": 0},
        "fromcurrent": True,
    }
    still = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate"}
    figure.update_layout(
        updatemenus=[
            {
                "type": "buttons",
                "direction": "right",
                "x": 0,
                "y": 0,
                "pad": {"t": below_px},
                "xanchor": "left",
                "yanchor": "top",
                "showactive": False,
                "buttons": [
                    {"label": "Play", "method": "animate", "args": [None, play]},
                    {"label": "Pause", "method": "animate", "args": [[None], still]},
                ],
            }
        ],
        sliders=[
            {
                "x": 0,
                "len": 1,
                "y": 0,
                "pad": {"t": below_px + 30, "b": 10},
                "yanchor": "top",
                "currentvalue": {"prefix": "time ", "suffix": " s", "xanchor": "right"},
                "steps": [
                    {
                        "label": f"{pose.time_s[number] - pose.time_s[0]:.2f}",
                        "method": "animate",
                        "args": [[str(number)], still],
                    }
                    for number in shown
                ],
            }
        ],
    )
    return figure
