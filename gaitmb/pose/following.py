"""Follow the participant through what was seen of a video, or say why not."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from gaitmb.data.pose import PoseSequence, to_h36m17
from gaitmb.io.video import Reason
from gaitmb.pose.cleaning import CUTOFF_HZ, MAX_GAP_S, clean, jitter_px
from gaitmb.pose.detections import Detections
from gaitmb.pose.people import Box, Track, choose, track
from gaitmb.pose.walking import WalkingReport

__all__ = ["Followed", "follow"]

#: Of the time that a pose covers, at least this share is walking; or the longest bout stands alone.
_LEAST_WALKING = 0.75


@dataclass(frozen=True, eq=False)
class Followed:
    """The participant among the people of a video, or why there is none.

    Parameters
    ----------
    status
        ``ok``, ``partial`` or ``refused``.
    reasons
        Why it is refused, or what is to be known; possibly empty.
    landmarks
        The participant's BlazePose-33 as seen in each frame of the video, in ``image_px``, with left and
        right legs exchanged back; None where nobody could be chosen.
    pose
        The walking of it: H36M-17, cleaned, at the encoder's rate; missing between bouts. None where
        refused.
    quality
        Further entries of the quality file.
    tracks
        Everybody who was followed, for the contact sheet.
    labels
        A few words on each of them.
    chosen
        Number of the participant's track; None where nobody could be chosen.
    """

    status: str
    reasons: tuple[Reason, ...]
    landmarks: PoseSequence | None
    pose: PoseSequence | None
    quality: dict[str, Any]
    tracks: tuple[Track, ...] = ()
    labels: tuple[str, ...] = ()
    chosen: int | None = None


def follow(
    detections: Detections,
    *,
    person: int | None = None,
    box: Box | None = None,
    rate_hz: float = 30.0,
) -> Followed:
    """Track everybody, choose the participant, and keep the walking.

    Parameters
    ----------
    detections
        Everybody seen.
    person, box
        The participant by number of the contact sheet, or by a box at one moment; by default whoever
        walks.
    rate_hz
        Rate of the cleaned pose.

    Raises
    ------
    ConfigurationError
        There is no such person.

    Examples
    --------
    >>> empty = np.zeros((0, 33, 4), np.float32)
    >>> follow(Detections(np.arange(3) / 30, (640, 480), (empty,) * 3)).reasons[0].code
    'nobody'
    """
    tracks = tuple(track(detections))
    choice = choose(tracks, person=person, box=box)
    people: dict[str, Any] = {
        "tracks": tracks,
        "labels": tuple(_label(report) for report in choice.reports),
    }
    if choice.track is None:
        quality = _quality(None, None, "", choice.reports)
        return Followed(choice.status, choice.reasons, None, None, quality, **people)
    one = choice.track
    report = choice.reports[tracks.index(one)]
    quality = _quality(one, report, choice.why, choice.reports)
    people["chosen"] = one.number
    if report.status == "refused":
        return Followed("refused", report.reasons, None, None, quality, **people)
    walking, span = _walking(report)
    quality["pose_span_s"] = list(span)
    reasons, status = list(report.reasons), report.status
    if len(report.bouts) > 1 and span != (report.bouts[0][0], report.bouts[-1][1]):
        text = (
            f"the pose holds the walking from {span[0]:.1f} to {span[1]:.1f} s; bouts apart are left out"
        )
        reasons.append(Reason("bouts_left_out", text))
    if one.returned_s:
        times = ", ".join(f"{value:.1f}" for value in one.returned_s)
        text = f"the person left the picture and came back at {times} s, if it is the same person"
        reasons.append(Reason("returned", text))
        status = "partial"
    pose = clean(to_h36m17(walking), rate_hz)
    return Followed(status, tuple(reasons), report.pose, pose, quality, **people)


def _walking(report: WalkingReport) -> tuple[PoseSequence, tuple[float, float]]:
    """The pose of those neighbouring bouts that hold most walking and little else, and their span."""
    bouts = report.bouts
    best, most = (0, 0), 0.0
    for first in range(len(bouts)):
        for last in range(first, len(bouts)):
            walked = sum(end - start for start, end in bouts[first : last + 1])
            if walked > most and walked >= _LEAST_WALKING * (bouts[last][1] - bouts[first][0]):
                best, most = (first, last), walked
    kept = bouts[best[0] : best[1] + 1]
    pose = report.pose
    within = np.zeros(pose.n_frames, dtype=bool)
    for start_s, end_s in kept:
        within |= (pose.time_s >= start_s - 1e-6) & (pose.time_s < end_s)
    pose = dataclasses.replace(pose, confidence=np.where(within[:, None], pose.confidence, 0))
    frames = np.flatnonzero(within)
    return pose.slice(int(frames[0]), int(frames[-1]) + 1), (kept[0][0], kept[-1][1])


def _label(report: WalkingReport) -> str:
    if report.status == "refused":
        return report.reasons[0].code.replace("_", " ")
    return f"walks {report.walking_s:.1f} s"


def _quality(
    one: Track | None, report: WalkingReport | None, why: str, reports: tuple[WalkingReport, ...]
) -> dict[str, Any]:
    quality: dict[str, Any] = {
        "person": None,
        "n_people": len(reports),
        "walking_bouts": [],
        "turns": [],
        "coverage": 0.0,
        "jitter_px": None,
        "left_right_swaps": 0,
        "cadence_spm": None,
    }
    if one is None or report is None:
        return quality
    quality["person"] = {
        "track": one.number,
        "why": why,
        "seen_s": [round(value, 3) for value in one.span_s],
        "returned_s": list(one.returned_s),
    }
    quality["left_right_swaps"] = len(report.swaps)
    quality["walking_bouts"] = [list(bout) for bout in report.bouts]
    quality["turns"] = [list(turn) for turn in report.turns]
    within = np.zeros(report.pose.n_frames, dtype=bool)
    for start_s, end_s in report.bouts:
        within |= (report.pose.time_s >= start_s - 1e-6) & (report.pose.time_s < end_s)
    joints = to_h36m17(report.pose)
    quality["coverage"] = round(float(joints.valid[within].mean()), 4) if within.any() else 0.0
    jitter = jitter_px(joints)
    quality["jitter_px"] = round(jitter, 2) if np.isfinite(jitter) else None
    if np.isfinite(report.cadence_spm):
        quality["cadence_spm"] = round(report.cadence_spm, 1)
    quality["cleaning"] = {"cutoff_hz": CUTOFF_HZ, "max_gap_s": MAX_GAP_S}
    return quality
