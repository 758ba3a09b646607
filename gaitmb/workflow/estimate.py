"""Estimate: from a video to the participant's 2D pose, and all that is to be known of its quality.

What the pose model saw is kept in the cache under the content of the video and of the model, so that
another choice of person, or the next run over a cohort, does not look at the video again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.pose import PoseSequence, to_h36m17
from gaitmb.errors import MissingExtraError, QualityError
from gaitmb.workflow.progress import Progress, silent

if TYPE_CHECKING:
    from gaitmb.pose.estimators import VideoDetections
    from gaitmb.pose.following import Followed

__all__ = ["EstimateResult", "estimate", "estimate_walk", "get_pose_model", "see_video"]

#: Part of every cache key: what is seen in the same video by the same model changes with it.
_METHOD = "mediapipe-1"
_LOST = frozenset({"crashed", "memory_limit", "time_limit"})


@dataclass(frozen=True, eq=False)
class EstimateResult:
    """What :func:`estimate` found and where it put it.

    `quality` is the content of the quality file; `pose` is None where the walk is refused.
    """

    folder: Path
    status: str
    quality: dict[str, Any]
    pose: PoseSequence | None

    @property
    def exit_code(self) -> int:
        """0, or 3 where the walk is refused."""
        return QualityError.exit_code if self.status == "refused" else 0


def get_pose_model(
    name: str = "full", *, source: str = "any", progress: Progress = silent
) -> tuple[Path, str]:
    """Fetch a pose model into the cache, unless it is there: its file and its SHA-256."""
    from gaitmb.pose.models import cached_model, fetch_model

    def tell(done: int, total: int) -> None:
        progress(f"pose model {name} (bytes)", done, total)

    path = cached_model(name) or fetch_model(name, source=source, progress=tell)
    return path, _digest(path)


def see_video(
    path: Path,
    *,
    model: str = "full",
    model_file: Path | None = None,
    cache: Path | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> VideoDetections:
    """Everybody in a video, from the cache or looked at now.

    Parameters
    ----------
    path
        The video.
    model, model_file
        Name of the pose model, or a file of one's own.
    cache
        Cache folder; by default :func:`gaitmb.io.store.default_cache_folder`.
    workers
        Processes between which a long video is split.
    progress
        Told about the frames.

    Raises
    ------
    ConfigurationError
        There is no pose model and none can be fetched.
    ReadError
        The file is not a video, or nothing of it is usable.
    """
    from gaitmb.io.store import default_cache_folder, replacing
    from gaitmb.io.video import probe_video
    from gaitmb.pose.estimators import detect_people

    for library in ("av", "mediapipe"):
        if importlib.util.find_spec(library) is None:
            raise MissingExtraError("estimating poses from video", "video")
    from gaitmb.pose.models import find_model

    folder = cache or default_cache_folder()
    info = probe_video(path)
    weights = find_model(
        model,
        path=model_file,
        folder=folder,
        progress=lambda done, total: progress(f"pose model {model} (bytes)", done, total),
    )
    key = hashlib.sha256(f"{_METHOD} {_digest(path)} {_digest(weights)}".encode()).hexdigest()
    place = folder / "detections" / key[:2] / f"{key}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return _unpacked(place.read_bytes())
    seen = detect_people(
        path,
        weights,
        info=info,
        workers=workers,
        progress=lambda done, total: progress("looking at frames", done, total),
    )
    # What a worker lost to a limit or a crash may be found by the next run.
    if not _LOST & {reason.code for reason in seen.reasons}:
        with replacing(place) as file:
            file.write(_packed(seen))
    return seen


def _packed(seen: VideoDetections) -> bytes:
    document = {
        "info": dataclasses.asdict(seen.info),
        "counts": dataclasses.asdict(seen.counts),
        "reasons": [dataclasses.asdict(reason) for reason in seen.reasons],
        "network": seen.network,
        "seconds": dict(seen.seconds),
    }
    buffer = io.BytesIO()
    arrays: dict[str, Any] = seen.detections.to_arrays()
    np.savez(buffer, **arrays, document=np.array(json.dumps(document)))
    return hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue()


def _unpacked(content: bytes) -> VideoDetections:
    from gaitmb.io.video import DecodeCounts, Reason, VideoInfo
    from gaitmb.pose.detections import Detections
    from gaitmb.pose.estimators import VideoDetections

    digest, content = content[:32], content[32:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("damaged")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    document = json.loads(str(arrays["document"]))
    return VideoDetections(
        detections=Detections.from_arrays(arrays),
        info=VideoInfo.from_dict(document["info"]),
        counts=DecodeCounts(**document["counts"]),
        reasons=tuple(Reason(**reason) for reason in document["reasons"]),
        network=document["network"],
        seconds=document["seconds"],
    )


def estimate(
    path: Path,
    *,
    out: Path,
    model: str = "full",
    model_file: Path | None = None,
    cache: Path | None = None,
    workers: int = 1,
    person: int | None = None,
    box: str | None = None,
    progress: Progress = silent,
) -> EstimateResult:
    """Write the participant's pose, its quality and a contact sheet of the people found.

    ``<walk>_pose2d.npz``, ``<walk>_quality.json`` and ``<walk>_people.jpg`` are written whole or not at
    all. A refused walk has no pose file; one that an earlier run left is removed.

    Parameters
    ----------
    path
        The video.
    out
        Folder for the files.
    model, model_file, cache, workers, progress
        As for :func:`see_video`.
    person, box
        The participant by number of the contact sheet, or by a box ``x,y,w,h@t`` around them at one
        moment; by default whoever walks.

    Raises
    ------
    ReadError
        The file is not a video, or nothing of it is usable; the quality file says so too.
    ConfigurationError
        There is no pose model, or no such person.
    """
    from gaitmb.errors import ReadError
    from gaitmb.io.store import replacing, write_json
    from gaitmb.pose.following import follow
    from gaitmb.pose.people import Box
    from gaitmb.pose.sheet import contact_sheet

    around = Box.parse(box) if box is not None else None
    stem = path.stem
    pose_file, sheet_file = out / f"{stem}_pose2d.npz", out / f"{stem}_people.jpg"
    try:
        seen = see_video(
            path, model=model, model_file=model_file, cache=cache, workers=workers, progress=progress
        )
        followed = follow(seen.detections, person=person, box=around)
        sheet = contact_sheet(path, followed.tracks, followed.labels, followed.chosen)
    except ReadError as error:
        pose_file.unlink(missing_ok=True)
        sheet_file.unlink(missing_ok=True)
        reason = {"code": "unreadable", "text": error.reason}
        write_json(out / f"{stem}_quality.json", {"status": "refused", "reasons": [reason]})
        raise
    quality = _quality(seen, followed)
    if followed.pose is not None and followed.landmarks is not None:
        content = _pose_file(followed.pose, followed.landmarks)
        with replacing(pose_file) as file:
            file.write(content)
    else:
        pose_file.unlink(missing_ok=True)
    if sheet:
        with replacing(sheet_file) as file:
            file.write(sheet)
    else:
        sheet_file.unlink(missing_ok=True)
    # Last, so that a quality file never speaks of files that are not there.
    write_json(out / f"{stem}_quality.json", quality)
    return EstimateResult(out, quality["status"], quality, followed.pose)


def estimate_walk(path: Path, *, cache: Path | None = None) -> PoseSequence:
    """The participant's pose in a video of a cohort.

    Raises
    ------
    ReadError
        The file is not a video, or nothing of it is usable.
    QualityError
        Nobody, somebody who does not walk, or several who might be meant; the text says which.
    """
    from gaitmb.pose.following import follow

    seen = see_video(path, cache=cache)
    followed = follow(seen.detections)
    if followed.pose is None:
        raise QualityError(
            "; ".join(reason.text for reason in followed.reasons) or "the video was refused",
            remedy="Run gaitmb estimate on it and look at the contact sheet",
        )
    return followed.pose


def _quality(seen: VideoDetections, followed: Followed) -> dict[str, Any]:
    from gaitmb.io.video import Reason

    reasons = [*seen.reasons, *followed.reasons]
    if seen.info.mirrored or seen.counts.mirrored:
        text = "the file asks for a mirror image, as of a selfie; left and right may be exchanged"
        reasons.append(Reason("mirrored", text))
    status = followed.status
    if status == "ok" and reasons:
        status = "partial"
    return {
        "status": status,
        "reasons": [dataclasses.asdict(reason) for reason in reasons],
        "frames_decoded": seen.counts.decoded,
        "frames_expected": seen.info.frames_expected,
        "frames_damaged": seen.counts.damaged + seen.counts.failed,
        "fps": seen.info.fps,
        "rotation": seen.info.rotation,
        "size_px": list(seen.info.size_px),
        "codec": seen.info.codec,
        **followed.quality,
        "network": seen.network,
    }


def _pose_file(pose: PoseSequence, landmarks: PoseSequence) -> bytes:
    """A pose file of gaitmb with the original landmarks and their times beside it."""
    from gaitmb.io.keypoints import write_pose

    buffer = io.BytesIO()
    write_pose(buffer, to_h36m17(pose))
    extra: dict[str, NDArray[Any]] = {
        "landmarks": landmarks.positions,
        "landmarks_confidence": landmarks.confidence,
        "landmarks_time_s": landmarks.time_s,
    }
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name, array in extra.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            # The date NumPy gives its own members: equal poses give equal files.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), member.getvalue())
    return buffer.getvalue()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
