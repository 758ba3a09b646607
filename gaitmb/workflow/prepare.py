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
from gaitmb.errors import GaitmbError, QualityError
from gaitmb.workflow.progress import Progress

if TYPE_CHECKING:
    from gaitmb.motion.encoder import Encoder

__all__ = ["DEFAULT_VIEW", "PreparedClip", "PreparedWalk", "named_encoder", "prepare_walks"]

#: Share of joints and frames that a walk needs to be judged.
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
    empty where there is none.
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

    arguments = (config.encoder, config.seed, cache_folder, results)
    # Workers of one thread each: two such embed a cohort faster than one with two threads.
    pool = joblib.Parallel(
        n_jobs=min(workers, max(len(walks), 1)),
        return_as="generator",
        pre_dispatch="2*n_jobs",
        batch_size=1,
    )
    outcomes = pool(joblib.delayed(_prepare)(walk, *arguments) for walk in walks)
    progress("embedding walks", 0, len(walks))
    for done, outcome in enumerate(outcomes, start=1):
        progress("embedding walks", done, len(walks))
        yield outcome


def _prepare(
    walk: Walk, config: EncoderConfig, seed: int, cache_folder: Path, results: Path
) -> PreparedWalk | Failure:
    from gaitmb.data.camera import project
    from gaitmb.gait.measures import measure_gait
    from gaitmb.io.store import EmbeddingCache, store_pose
    from gaitmb.motion.clips import MIN_FRAMES, clip_windows, screen_clip
    from gaitmb.motion.encoder import one_thread

    encoder = named_encoder(config.name, config.checkpoint, seed)
    cache = EmbeddingCache(cache_folder)
    stage = "read"
    try:
        recorded = _recorded(walk, cache_folder)
        stage = "quality"
        pose = resample(to_h36m17(recorded), config.rate_hz)
        pose = dataclasses.replace(pose, view=pose.view or walk.id.view or None)
        _require_enough(pose, MIN_FRAMES)
        stage = "measure"
        measures = measure_gait(pose, leg_length_m=walk.leg_length_m, height_m=walk.height_m)
        stage = "embed"
        flat, pose_3d = pose, ""
        if pose.coordinates is CoordinateSystem.WORLD_MM:
            flat = project(
                pose, config.view or pose.view or DEFAULT_VIEW, follow=config.camera == "follow"
            )
            pose_3d = store_pose(results, pose)
        clips = []
        with one_thread():
            for start, end in clip_windows(pose.n_frames, config.max_frames):
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
        )
    except GaitmbError as error:
        return _failure(walk, stage, error.reason, error.remedy)
    except OSError as error:
        if stage != "read":  # the disk of the results or the cache, which no other walk could use either
            raise
        return _failure(walk, stage, f"its file cannot be opened ({error.strerror})", "Check the file")
    except (ArithmeticError, IndexError, KeyError, MemoryError, TypeError, ValueError) as error:
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


def _failure(walk: Walk, stage: str, reason: str, remedy: str) -> Failure:
    return Failure(*walk.id.key, stage=stage, reason=reason, what_to_do=remedy, row=walk.row)


def _require_enough(pose: PoseSequence, min_frames: int) -> None:
    if pose.n_frames < min_frames:
        raise QualityError(
            f"{pose.n_frames} frames at the encoder's rate",
            expected=f"at least {min_frames}",
            remedy="Record a longer walk",
        )
    if pose.coverage < MIN_COVERAGE:
        raise QualityError(
            f"{pose.coverage:.0%} of joints and frames were seen",
            expected=f"at least {MIN_COVERAGE:.0%}",
            remedy="Record the whole body, or check the keypoints",
        )
