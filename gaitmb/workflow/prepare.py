"""One walk at a time, in a worker process: read, judge its quality, measure, project, embed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from gaitmb.config import EncoderConfig, StudyConfig
from gaitmb.data.pose import CoordinateSystem, PoseSequence, resample, to_h36m17
from gaitmb.data.walk import Failure, Walk
from gaitmb.errors import ConfigurationError, GaitmbError, QualityError
from gaitmb.workflow.progress import Progress

if TYPE_CHECKING:
    from gaitmb.motion.encoder import Encoder

__all__ = [
    "DEFAULT_VIEW",
    "PreparedClip",
    "PreparedWalk",
    "named_encoder",
    "prepare_walks",
    "worker_ended",
]

#: Share of joints and frames that a clip needs to be judged.
MIN_COVERAGE = 0.5

#: From where the virtual camera looks at 3D walks whose cohort does not say: the side shows the step.
DEFAULT_VIEW = "side_right"


@dataclass(frozen=True)
class PreparedClip:
    """A clip whose embedding lies in the cache: frames ``[start, end)`` and its key there."""

    start: int
    end: int
    key: str


@dataclass(frozen=True, eq=False)
class PreparedWalk:
    """What a worker hands back of a walk: nothing that grows with its length but its clips' keys.

    `features` holds gait features by name, NaN where one cannot be had; `quality` is the mean confidence
    over joints and frames, 0 for what was not seen; `pose` and `pose_3d` name files in ``poses/``,
    empty where there is none; `n_poor_clips` clips showed too little and are not among `clips`.
    """

    walk: Walk
    clips: tuple[PreparedClip, ...]
    features: dict[str, float]
    view: str
    n_frames: int
    rate_hz: float
    quality: float
    pose: str
    pose_3d: str
    n_poor_clips: int = 0


@lru_cache(maxsize=1)
def named_encoder(name: str, checkpoint: str | None, seed: int) -> Encoder:
    """The encoder of that name, once per process; `checkpoint` overrides the weights the name has.

    Raises
    ------
    UnknownNameError
        Neither an architecture nor added weights have this name.
    CheckpointError
        The weights do not fit or cannot be trusted.
    """
    from gaitmb.motion.encoder import load_encoder
    from gaitmb.workflow.weights import check_unchanged, find_weights

    architecture, card, kept = find_weights(name)
    if checkpoint is not None:
        return load_encoder(architecture, Path(checkpoint), seed)
    encoder = load_encoder(architecture, kept, seed)
    if card is None:
        return encoder
    check_unchanged(card, encoder.checkpoint_sha256)
    return dataclasses.replace(encoder, name=name)


def prepare_walks(
    walks: Sequence[Walk],
    config: StudyConfig,
    *,
    cache_folder: Path,
    results: Path,
    workers: int,
    progress: Progress,
) -> Iterator[PreparedWalk | Failure]:
    """Prepare every walk, in order; those that cannot be used come back as failures.

    Parameters
    ----------
    walks
        The walks of a cohort.
    config
        Settings of the study.
    cache_folder, results
        Embedding cache and results folder.
    workers
        Processes; 1 stays in this one. The outcome does not depend on it.
    progress
        Told about every walk.
    """
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    arguments = (config.encoder, config.seed, cache_folder, results)
    progress("embedding walks", 0, len(walks))
    done = 0
    for is_last_attempt in (False, True):
        # Workers of one thread each: two such embed a cohort faster than one with two threads.
        pool = joblib.Parallel(
            n_jobs=min(workers, max(len(walks) - done, 1)),
            return_as="generator",
            pre_dispatch="2*n_jobs",
            batch_size=1,
        )
        try:
            for outcome in pool(joblib.delayed(_prepare)(walk, *arguments) for walk in walks[done:]):
                done += 1
                progress("embedding walks", done, len(walks))
                yield outcome
        except TerminatedWorkerError as error:
            if is_last_attempt:
                raise worker_ended() from error
        else:
            return


def worker_ended() -> ConfigurationError:
    """The error for a worker process that somebody or something ended, twice."""
    return ConfigurationError(
        "a worker process was ended from outside, often for lack of memory",
        remedy="Run again, with fewer --workers; what was embedded is kept",
    )


def _prepare(
    walk: Walk, config: EncoderConfig, seed: int, cache_folder: Path, results: Path
) -> PreparedWalk | Failure:
    from gaitmb.data.camera import VIEWS, project
    from gaitmb.gait.measures import measure_gait
    from gaitmb.io.store import EmbeddingCache, store_pose
    from gaitmb.motion.clips import clip_windows, screen_clip
    from gaitmb.motion.encoder import one_thread

    encoder = named_encoder(config.name, config.checkpoint, seed)
    cache = EmbeddingCache(cache_folder)
    stage = "read"
    try:
        recorded = _recorded(walk, cache_folder)
        stage = "quality"
        pose = resample(to_h36m17(recorded), config.rate_hz)
        pose = dataclasses.replace(pose, view=pose.view or walk.id.view or None)
        windows = clip_windows(pose.n_frames, config.max_frames)
        seen = _seen_enough(pose, windows)
        stage = "measure"
        measures = measure_gait(pose, leg_length_m=walk.leg_length_m, height_m=walk.height_m)
        stage = "embed"
        flat, pose_3d = pose, ""
        if pose.coordinates is CoordinateSystem.WORLD_MM:
            # A manifest may name its cameras as it likes; only some names are those of virtual ones.
            named = pose.view if pose.view in VIEWS else DEFAULT_VIEW
            flat = project(pose, config.view or named, follow=config.camera == "follow")
            pose_3d = store_pose(results, pose)
        clips = []
        with one_thread():
            for start, end in seen:
                clip = screen_clip(flat.slice(start, end))
                key = cache.key(clip, encoder.weights_digest)
                if cache.read(key) is None:
                    cache.write(key, encoder.embed(clip))
                clips.append(PreparedClip(start, end, key))
        return PreparedWalk(
            walk=walk,
            clips=tuple(clips),
            features=dict(measures.features),
            view=flat.view or "",
            n_frames=pose.n_frames,
            rate_hz=config.rate_hz,
            quality=round(float(pose.confidence.mean()), 4),
            pose=store_pose(results, flat),
            pose_3d=pose_3d,
            n_poor_clips=len(windows) - len(seen),
        )
    except GaitmbError as error:
        return _failure(walk, stage, error.reason, error.remedy)
    except OSError as error:
        if stage != "read":  # the disk of the results or the cache, which no other walk could use either
            raise
        return _failure(walk, stage, f"its file cannot be opened ({error.strerror})", "Check the file")
    except Exception as error:
        # A file that no reader foresaw must not cost the other walks their result. The error's own text
        # may hold a path or an identity, so that only its kind is told.
        reason = f"an unforeseen {type(error).__name__} at this stage"
        return _failure(walk, stage, reason, "Check the file, and report this if it is a good one")


def _recorded(walk: Walk, cache_folder: Path) -> PoseSequence:
    """The walk as it was recorded; a video is looked at for the participant's pose."""
    from gaitmb.io.cohorts import load_walk
    from gaitmb.io.video import VIDEO_SUFFIXES

    if walk.path is None or walk.path.suffix.lower() not in VIDEO_SUFFIXES:
        return load_walk(walk)
    from gaitmb.workflow.estimate import estimate_walk

    return estimate_walk(walk.path, cache=cache_folder)


def _seen_enough(pose: PoseSequence, windows: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The clips in which enough of the body was seen."""
    seen = [window for window in windows if pose.slice(*window).coverage >= MIN_COVERAGE]
    if not seen:
        raise QualityError(
            f"{pose.coverage:.0%} of joints and frames were seen",
            expected=f"at least {MIN_COVERAGE:.0%} in one clip",
            remedy="Record the whole body, or check the keypoints",
        )
    return seen


def _failure(walk: Walk, stage: str, reason: str, remedy: str) -> Failure:
    return Failure(*walk.id.key, stage=stage, reason=reason, what_to_do=remedy, row=walk.row)
