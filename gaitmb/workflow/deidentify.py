"""Deidentify: a copy of a video for review, in which nobody can be recognised by their face.

Gait, build, clothes and surroundings stay, and people have been recognised by those: the copy is for
colleagues who may see the participant, not for publication. The skeleton-only copy holds no picture.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gaitmb.errors import ConfigurationError, QualityError
from gaitmb.workflow.estimate import see_video
from gaitmb.workflow.progress import Progress, silent

if TYPE_CHECKING:
    from gaitmb.pose.detections import Detections

__all__ = ["ReviewCopy", "deidentify"]


@dataclass(frozen=True)
class ReviewCopy:
    """What was written.

    Parameters
    ----------
    path
        The copy.
    n_frames
        Frames in it.
    n_whole
        Frames hidden as a whole, because nobody was found in them or near them.
    n_missing
        Frames of the video that are damaged and left out.
    """

    path: Path
    n_frames: int
    n_whole: int
    n_missing: int


def deidentify(
    path: Path,
    *,
    out: Path,
    skeleton_only: bool = False,
    person: int | None = None,
    box: str | None = None,
    model: str = "full",
    model_file: Path | None = None,
    cache: Path | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> ReviewCopy:
    """Write ``<walk>_deidentified.mp4``, or ``<walk>_skeleton.mp4``, whole or not at all.

    Everybody's face is hidden, whoever is the participant; where the pose model lost somebody, the place
    where the face must be; where nobody is found within a second, the whole picture. Sound and all
    metadata are left behind.

    Parameters
    ----------
    path
        The video.
    out
        Folder of the copy.
    skeleton_only
        Draw the participant's skeleton on black instead; of everybody, where nobody stands out.
    person, box
        Whose skeleton, as for :func:`~gaitmb.workflow.estimate.estimate`.
    model, model_file, cache, workers, progress
        As for :func:`~gaitmb.workflow.estimate.see_video`.

    Raises
    ------
    ConfigurationError
        There is no pose model, no such person, or the copy would replace the video.
    ReadError
        The file is not a video, or nothing of it is usable.
    QualityError
        A skeleton is wanted and nobody is seen.
    """
    from gaitmb.io.store import replacing
    from gaitmb.pose.hiding import face_circles
    from gaitmb.pose.review import write_hidden

    copy = out / f"{path.stem}_{'skeleton' if skeleton_only else 'deidentified'}.mp4"
    if copy.resolve() == path.resolve():
        raise ConfigurationError("the copy would replace the video", expected="another folder")
    seen = see_video(
        path, model=model, model_file=model_file, cache=cache, workers=workers, progress=progress
    )
    with tempfile.TemporaryDirectory() as scratch, replacing(copy) as file:
        temporary = Path(file.name)
        if skeleton_only:
            counts = _write_skeleton(temporary, seen.detections, person, box, Path(scratch))
        else:
            detections = seen.detections
            counts = write_hidden(
                path,
                temporary,
                face_circles(detections),
                detections.time_s,
                detections.size_px,
                scratch=Path(scratch),
            )
    return ReviewCopy(copy, counts["frames"], counts.get("whole", 0), counts.get("damaged", 0))


def _write_skeleton(
    copy: Path, detections: Detections, person: int | None, box: str | None, scratch: Path
) -> dict[str, int]:
    from gaitmb.data.skeleton import BLAZEPOSE33
    from gaitmb.pose.people import Box, choose, track
    from gaitmb.pose.review import write_skeleton

    tracks = track(detections)
    choice = choose(tracks, person=person, box=Box.parse(box) if box else None)
    shown = [choice.track] if choice.track is not None else tracks
    if not shown:
        raise QualityError(
            "nobody is seen in the video", expected="somebody whose skeleton can be drawn"
        )
    joints = np.stack([one.pose.positions for one in shown], axis=1)
    return write_skeleton(
        copy,
        joints,
        detections.time_s,
        detections.size_px,
        BLAZEPOSE33.edge_indices,
        scratch=scratch,
    )
