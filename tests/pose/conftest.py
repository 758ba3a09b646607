"""Scenes with simulated people before one camera, as a pose model would have seen them."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from gaitmb.data.skeleton import BLAZEPOSE33, H36M17
from gaitmb.pose.detections import Detections
from gaitmb.simulate import WalkerParameters, simulate_walk

RATE_HZ = 30.0
SIZE_PX = (1280, 720)


def _landmarks(walk) -> np.ndarray:
    """BlazePose-33 in world mm from H36M-17 and the feet, shape (T, 33, 3)."""
    joints = walk.pose.positions
    at = {name: joints[:, H36M17.index(name)] for name in H36M17.joints}
    across = at["left_shoulder"] - at["right_shoulder"]
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    body = np.zeros((len(joints), 33, 3))
    for number, name in enumerate(BLAZEPOSE33.joints):
        side = "left" if "left" in name else "right"
        sign = 1 if side == "left" else -1
        if name in at:
            body[:, number] = at[name]
        elif "eye" in name:
            body[:, number] = at["nose"] + sign * 32 * across + [0, 0, 35]
        elif "ear" in name:
            body[:, number] = (at["nose"] + 2 * at["thorax"]) / 3 + sign * 75 * across + [0, 0, 130]
        elif "mouth" in name:
            body[:, number] = at["nose"] + sign * 25 * across - [0, 0, 45]
        elif "heel" in name or "foot_index" in name:
            part = 0 if "heel" in name else 1
            body[:, number] = walk.feet_mm[:, 0 if side == "left" else 1, part]
        else:  # fingers
            elbow, wrist = at[f"{side}_elbow"], at[f"{side}_wrist"]
            body[:, number] = wrist + 0.3 * (wrist - elbow)
    return body


@dataclass
class Person:
    """Landmarks in world mm over time, (T, 33, 3): x to the right of the picture, y away, z up."""

    body: np.ndarray

    def at(self, x_m: float, depth_m: float) -> "Person":
        """Where the first frame's hips are."""
        start = self.body[0, 23:25].mean(axis=0)
        return Person(self.body + 1000 * np.array([x_m, depth_m, 0]) - [start[0], start[1], 0])

    def then_stands(self, seconds: float) -> "Person":
        return Person(np.concatenate([self.body, np.repeat(self.body[-1:], seconds * RATE_HZ, 0)]))

    def stands_first(self, seconds: float) -> "Person":
        return Person(np.concatenate([np.repeat(self.body[:1], seconds * RATE_HZ, 0), self.body]))

    def then(self, other: "Person") -> "Person":
        """Goes on as `other` does, from where this ends."""
        last, first = (one[23:25].mean(axis=0) for one in (self.body[-1], other.body[0]))
        return Person(np.concatenate([self.body, other.body + np.append((last - first)[:2], 0)]))

    def then_sits(self, seconds: float) -> "Person":
        """Sits down within a second, thighs level and towards where the feet point."""
        stand = self.body[-1]
        toes = stand[[31, 32]].mean(axis=0) - stand[[29, 30]].mean(axis=0)
        ahead = np.array([*toes[:2], 0]) / np.linalg.norm(toes[:2])
        sit = stand.copy()
        thigh = np.linalg.norm(stand[23] - stand[25])
        for hip, knee, ankle, heel, toe in ((23, 25, 27, 29, 31), (24, 26, 28, 30, 32)):
            sit[[ankle, heel, toe]] = sit[[ankle, heel, toe]]
            shank = np.linalg.norm(stand[knee] - stand[ankle])
            sit[knee] = stand[ankle] + [0, 0, shank]
            sit[hip] = sit[knee] - thigh * ahead
        moved = sit[23:25].mean(axis=0) - stand[23:25].mean(axis=0)
        sit[:23] = stand[:23] + moved
        share = (1 - np.cos(np.linspace(0, np.pi, round(RATE_HZ)))) / 2
        going = stand + share[:, None, None] * (sit - stand)
        return Person(np.concatenate([self.body, going, np.repeat(sit[None], seconds * RATE_HZ, 0)]))


def walker(seconds: float, heading_deg: float = 90.0, seed: int = 0, **parameters) -> Person:
    """Somebody who walks: heading 90 goes to the left of the picture, 180 towards the camera."""
    walk = simulate_walk(
        WalkerParameters(heading_deg=heading_deg, **parameters),
        duration_s=seconds - 1 / RATE_HZ,
        rate_hz=RATE_HZ,
        seed=seed,
    )
    return Person(_landmarks(walk))


@dataclass
class Scene:
    """What the model saw, and where everybody really was (NaN where out of the picture)."""

    seen: Detections
    people_px: list[np.ndarray]

    def is_person(self, number: int, pose) -> np.ndarray:
        """In which frames a pose is nearer than 3% of the picture's height to a person's joints."""
        true = self.people_px[number][: pose.n_frames, 11:33, :2]
        apart = np.linalg.norm(pose.positions[:, 11:33] - true, axis=-1)
        found = np.isfinite(apart)
        mean = np.where(found, apart, 0).sum(axis=1) / np.maximum(found.sum(axis=1), 1)
        return found.any(axis=1) & (mean < 0.03 * SIZE_PX[1])


def film(*people: Person, seed: int = 0, noise: float = 0.006, dropped: float = 0.02) -> Scene:
    """Film people with a camera at breast height; who is hidden behind another is not detected."""
    rng = np.random.default_rng(seed)
    n_frames = max(len(person.body) for person in people)
    pictures = []
    for person in people:
        body = np.full((n_frames, 33, 3), np.nan)
        body[: len(person.body)] = person.body
        depth = body[..., 1:2]
        pixels = 0.9 * SIZE_PX[0] * body[..., [0, 2]] / depth
        pixels = np.stack([SIZE_PX[0] / 2 + pixels[..., 0],
                           SIZE_PX[1] / 2 - pixels[..., 1] + 0.9 * SIZE_PX[0] * 1000 / depth[..., 0]],
                          axis=-1)  # fmt: skip
        pictures.append(np.concatenate([pixels, depth], axis=-1))
    frames = []
    inside = [
        (p[..., 0] >= 0) & (p[..., 0] < SIZE_PX[0]) & (p[..., 1] >= 0) & (p[..., 1] < SIZE_PX[1])
        for p in pictures
    ]
    for frame in range(n_frames):
        found = []
        for number, picture in enumerate(pictures):
            now = picture[frame]
            if inside[number][frame].mean() < 0.6 or rng.uniform() < dropped:
                continue
            middle = now[11:25, 0].mean()
            height = np.ptp(now[:, 1])
            hidden = any(
                other[frame, 11, 2] < now[11, 2] and abs(other[frame, 11:25, 0].mean() - middle)
                < 0.12 * height
                for index, other in enumerate(pictures) if index != number
            )  # fmt: skip
            if hidden:
                continue
            person = np.zeros((33, 4), np.float32)
            person[:, :2] = now[:, :2] + noise * height * rng.standard_normal((33, 2))
            person[:, 3] = np.where(inside[number][frame], rng.uniform(0.7, 1.0, 33), 0.2)
            found.append(person)
        rng.shuffle(found)
        frames.append(np.array(found, np.float32).reshape(-1, 33, 4))
    truth = []
    for picture, within in zip(pictures, inside, strict=True):
        picture = picture.copy()
        picture[within.mean(axis=1) < 0.6] = np.nan
        truth.append(picture)
    return Scene(Detections(np.arange(n_frames) / RATE_HZ, SIZE_PX, tuple(frames)), truth)


@dataclass
class Stage:
    """The makers of scenes, for tests."""

    walker: Callable
    film: Callable
    rate_hz: float = RATE_HZ


@pytest.fixture(scope="session")
def stage() -> Stage:
    """Makes people (`walker`) and films them (`film`)."""
    return Stage(walker, film)


@pytest.fixture(scope="session")
def replaced():
    """``dataclasses.replace``, for poses."""
    return dataclasses.replace
