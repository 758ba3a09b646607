"""Cleaning: short gaps filled, jitter removed without lag, brought to the encoder's rate.

What a pose says of itself stays true: a position that was filled in is there for those who need numbers,
but its confidence is at most :data:`FILLED_CONFIDENCE`, and what is missing for longer stays missing.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from gaitmb.data.pose import PoseSequence, resample
from gaitmb.errors import ReadError

__all__ = ["CUTOFF_HZ", "FILLED_CONFIDENCE", "MAX_GAP_S", "clean", "fill_gaps", "jitter_px"]

#: Cut-off of the low-pass: what walking feet do lies below it (Winter, Biomechanics and Motor Control of
#: Human Movement, chapter 2.2: 99.7% of the power of the toe's path below 6 Hz).
CUTOFF_HZ = 6.0
#: The longest time between two sightings of a joint that is bridged.
MAX_GAP_S = 0.25
#: A filled position is never surer than this.
FILLED_CONFIDENCE = 0.1
_ORDER = 2  # forwards and backwards: the fourth order in all
#: Two passes move the point of half power; the filter is designed for a cut-off that much higher.
_TWO_PASSES = (2**0.5 - 1) ** 0.25


def clean(
    pose: PoseSequence,
    rate_hz: float,
    *,
    max_gap_s: float = MAX_GAP_S,
    cutoff_hz: float = CUTOFF_HZ,
) -> PoseSequence:
    """Fill short gaps, smooth without lag, and resample.

    Parameters
    ----------
    pose
        Anything over time.
    rate_hz
        Frames per second of the result.
    max_gap_s
        Gaps longer than this stay missing, and nothing is smoothed across them.
    cutoff_hz
        Half power of the zero-lag Butterworth low-pass (fourth order in all).

    Returns
    -------
    Frames at ``time_s[0] + n / rate_hz``. Confidence follows what was seen: interpolated between
    sightings that are neighbours, at most 0.1 where a gap was filled, 0 where the joint is missing.

    Raises
    ------
    ReadError
        A rate, gap or cut-off that is not positive.

    Examples
    --------
    >>> from gaitmb.data.pose import CoordinateSystem
    >>> from gaitmb.data.skeleton import H36M17
    >>> time_s = np.arange(60) / 60
    >>> path = np.repeat(np.stack([100 * time_s, 50 + 0 * time_s], axis=1)[:, None], 17, axis=1)
    >>> seen = np.ones((60, 17)); seen[20:24] = 0
    >>> walk = PoseSequence(path, seen, time_s, H36M17, CoordinateSystem.IMAGE_PX)
    >>> cleaned = clean(walk, 30.0)
    >>> cleaned.n_frames, cleaned.joint("nose")[15].round(1).tolist()
    (30, [50.0, 50.0])
    >>> cleaned.confidence[[9, 11], 0].tolist()
    [1.0, 0.1]
    """
    for name, value in (("rate", rate_hz), ("gap", max_gap_s), ("cut-off", cutoff_hz)):
        if not (np.isfinite(value) and value > 0):
            raise ReadError(f"a {name} of {value:g}", expected="more than 0")
    if pose.n_frames < 2:
        return pose
    # Smoothed on an even grid at least as dense as the frames, so that nothing is aliased.
    dense_hz = max(rate_hz, min(pose.rate_hz, 240.0))
    even = resample(fill_gaps(pose, max_gap_s), dense_hz, max_gap_s=max_gap_s)
    smooth = dataclasses.replace(even, positions=_low_pass(even.positions, dense_hz, cutoff_hz))
    smooth = _certain(smooth, pose)
    return _certain(resample(smooth, rate_hz, max_gap_s=1.5 / dense_hz), pose)


def fill_gaps(pose: PoseSequence, max_gap_s: float = MAX_GAP_S) -> PoseSequence:
    """Bridge gaps between two sightings of a joint with a straight line.

    Parameters
    ----------
    pose
        Anything over time; its frames stay.
    max_gap_s
        Sightings further apart than this are not bridged. Nothing is continued beyond the first and the
        last.

    Returns
    -------
    The same frames; filled positions have a confidence of at most :data:`FILLED_CONFIDENCE`.
    """
    positions, confidence = pose.positions.copy(), pose.confidence.copy()
    for joint in range(len(pose.skeleton)):
        seen = np.flatnonzero(pose.valid[:, joint])
        for before, after in itertools.pairwise(seen):
            if after - before < 2 or pose.time_s[after] - pose.time_s[before] > max_gap_s + 1e-9:
                continue
            inner = slice(before + 1, after)
            share = (pose.time_s[inner] - pose.time_s[before]) / (
                pose.time_s[after] - pose.time_s[before]
            )
            positions[inner, joint] = (1 - share)[:, None] * positions[before, joint] + share[
                :, None
            ] * positions[after, joint]
            ends = min(confidence[before, joint], confidence[after, joint])
            confidence[inner, joint] = min(float(ends), FILLED_CONFIDENCE)
    return dataclasses.replace(pose, positions=positions, confidence=confidence)


def jitter_px(pose: PoseSequence) -> float:
    """What the low-pass takes away: the median over joints of the root mean square, in pixels.

    NaN where nothing is seen for long enough.
    """
    if pose.n_frames < 2:
        return float("nan")
    even = resample(fill_gaps(pose), min(pose.rate_hz, 240.0), max_gap_s=MAX_GAP_S)
    off = ((even.positions - _low_pass(even.positions, even.rate_hz, CUTOFF_HZ)) ** 2).sum(axis=-1)
    off[~np.isfinite(off)] = np.nan
    counts = np.isfinite(off).sum(axis=0)
    if not (counts > 8).any():
        return float("nan")
    return float(np.median(np.sqrt(np.nansum(off, axis=0)[counts > 8] / counts[counts > 8])))


def _low_pass(positions: NDArray[np.float64], rate_hz: float, cutoff_hz: float) -> NDArray[np.float64]:
    """Smooth each stretch without gaps of each joint, (T, J, D); too short ones stay as they are."""
    if cutoff_hz / _TWO_PASSES >= 0.95 * rate_hz / 2:
        return positions
    sections = butter(_ORDER, cutoff_hz / _TWO_PASSES, fs=rate_hz, output="sos")
    smooth = positions.copy()
    padding = round(0.5 * rate_hz)
    for joint in range(positions.shape[1]):
        seen = np.isfinite(positions[:, joint]).all(axis=-1)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], seen.astype(np.int8), [0]])))
        for start, end in edges.reshape(-1, 2):
            if end - start >= 6:
                smooth[start:end, joint] = sosfiltfilt(
                    sections,
                    positions[start:end, joint],
                    axis=0,
                    padtype="odd",
                    padlen=min(padding, end - start - 1),
                )
    return smooth


def _certain(pose: PoseSequence, seen: PoseSequence) -> PoseSequence:
    """Confidence by what was seen: low where the nearest sightings leave a frame out between them."""
    confidence = pose.confidence.copy()
    for joint in range(len(pose.skeleton)):
        sightings = np.flatnonzero(seen.valid[:, joint])
        if not len(sightings):
            continue
        after = np.clip(
            np.searchsorted(seen.time_s[sightings], pose.time_s - 1e-9), 0, len(sightings) - 1
        )
        before = np.clip(
            np.searchsorted(seen.time_s[sightings], pose.time_s + 1e-9, side="right") - 1, 0, None
        )
        neighbours = sightings[after] - sightings[before] <= 1
        values = np.interp(pose.time_s, seen.time_s[sightings], seen.confidence[sightings, joint])
        values = np.where(neighbours, values, np.minimum(values, FILLED_CONFIDENCE))
        confidence[:, joint] = np.where(pose.valid[:, joint], values, 0.0)
    return dataclasses.replace(pose, confidence=confidence)
