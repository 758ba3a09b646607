"""Follow the participant through what was seen of a video, or say why not.

So far one person is followed: a video in which several people are seen is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.pose import CoordinateSystem, PoseSequence, to_h36m17
from gaitmb.data.skeleton import BLAZEPOSE33
from gaitmb.io.video import Reason
from gaitmb.pose.detections import N_KEYPOINTS, Detections

__all__ = ["Followed", "follow"]

#: A second person in more than this share of the frames makes a video ambiguous.
_MAX_SHARED = 0.05


@dataclass(frozen=True, eq=False)
class Followed:
    """The participant among the people of a video, or why there is none.

    Parameters
    ----------
    status
        ``ok`` or ``refused``.
    reasons
        Why it is refused, or what is to be known; possibly empty.
    landmarks
        The participant's BlazePose-33 as seen, in ``image_px``; None where nobody could be chosen.
    pose
        The same as H36M-17; None where refused.
    quality
        Further entries of the quality file.
    sheet
        JPEG of the contact sheet; empty where there is none.
    """

    status: str
    reasons: tuple[Reason, ...]
    landmarks: PoseSequence | None
    pose: PoseSequence | None
    quality: dict[str, Any]
    sheet: bytes = b""


def follow(detections: Detections) -> Followed:
    """Follow the only person of a video.

    Parameters
    ----------
    detections
        Everybody seen.

    Returns
    -------
    The participant, or a refusal with code ``nobody`` or ``several_people``.

    Examples
    --------
    >>> person = np.random.default_rng(0).uniform(50, 400, (1, 33, 4)).astype(np.float32)
    >>> person[..., 3] = 0.9
    >>> alone = Detections(np.arange(3) / 30, (640, 480), (person,) * 3)
    >>> follow(alone).status
    'ok'
    >>> both = Detections(alone.time_s, (640, 480), (np.concatenate([person, person + 200]),) * 3)
    >>> follow(both).reasons[0].code
    'several_people'
    """
    n_people = detections.n_people
    if not len(n_people) or n_people.max() == 0:
        return _refused("nobody", "nobody is seen in the video")
    shared = float((n_people > 1).mean())
    if shared > _MAX_SHARED:
        text = f"several people are seen in {shared:.0%} of the frames"
        return _refused("several_people", text)
    keypoints = _nearest(detections)
    inside = (
        (keypoints[..., 0] >= 0)
        & (keypoints[..., 0] < detections.size_px[0])
        & (keypoints[..., 1] >= 0)
        & (keypoints[..., 1] < detections.size_px[1])
    )
    # A landmark outside the picture is the model's guess; it was not seen.
    confidence = np.where(inside, np.clip(keypoints[..., 3], 0, 1), 0)
    landmarks = PoseSequence(
        keypoints[..., :2].astype(np.float64),
        np.nan_to_num(confidence),
        detections.time_s,
        BLAZEPOSE33,
        CoordinateSystem.IMAGE_PX,
        size_px=detections.size_px,
    )
    person = {"track": 1, "why": "the only person in the video"}
    return Followed("ok", (), landmarks, to_h36m17(landmarks), {"person": person})


def _refused(code: str, text: str) -> Followed:
    return Followed("refused", (Reason(code, text),), None, None, {"person": None})


def _nearest(detections: Detections) -> NDArray[np.float32]:
    """The person nearest to the one of the frame before, frame by frame; NaN where nobody is."""
    followed = np.full((len(detections), N_KEYPOINTS, 4), np.nan, dtype=np.float32)
    last: NDArray[np.float32] | None = None
    for number, people in enumerate(detections.frames):
        if not len(people):
            continue
        if last is None:
            nearest = int(np.argmax(people[..., 3].mean(axis=1)))
        else:
            apart = np.linalg.norm(people[..., :2] - last[:, :2], axis=-1).mean(axis=1)
            nearest = int(np.argmin(apart))
        last = followed[number] = people[nearest]
    return followed
