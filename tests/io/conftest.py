"""A walker with markers whose joints are known, and how such walks are put into C3D files."""

from collections.abc import Callable
from pathlib import Path

import ezc3d
import numpy as np
import pytest

# The 44 markers of Shida 2023 in the order of its files: (to the right, forward, up) in mm on a body
# that faces forward; those of the legs move with them.
SHIDA_MARKERS = {
    "CLAV": (0, 90, 1400), "STRN": (0, 110, 1230), "C7": (0, -70, 1450), "T10": (0, -110, 1250),
    "R.SHO": (180, 0, 1440), "L.SHO": (-180, 0, 1440), "R.UPA": (215, 0, 1300),
    "R.EL": (240, -20, 1130), "R.EM": (180, -20, 1130), "R.FRA": (220, 0, 1000),
    "R.WL": (240, 30, 890), "R.WM": (190, 30, 890), "L.UPA": (-215, 0, 1300),
    "L.EL": (-240, -20, 1130), "L.EM": (-180, -20, 1130), "L.FRA": (-220, 0, 1000),
    "L.WL": (-240, 30, 890), "L.WM": (-190, 30, 890), "R.ASIS": (120, 80, 1000),
    "L.ASIS": (-120, 80, 1000), "R.PSIS": (50, -80, 1020), "L.PSIS": (-50, -80, 1020),
    "R.GTR": (170, 0, 930), "R.KNEE": (150, 10, 500), "R.HF": (150, 0, 450), "R.TT": (100, 50, 440),
    "R.ANKLE": (140, -10, 80), "R.HEEL": (100, -80, 30), "R.MT1": (60, 130, 30),
    "R.MT5": (150, 110, 30), "L.GTR": (-170, 0, 930), "L.KNEE": (-150, 10, 500),
    "L.HF": (-150, 0, 450), "L.TT": (-100, 50, 440), "L.ANKLE": (-140, -10, 80),
    "L.HEEL": (-100, -80, 30), "L.MT1": (-60, 130, 30), "L.MT5": (-150, 110, 30),
    "R.KNEE.MEDIAL": (50, 10, 500), "R.ANKLE.MEDIAL": (60, -10, 80), "R.MT2": (80, 140, 30),
    "L.KNEE.MEDIAL": (-50, 10, 500), "L.ANKLE.MEDIAL": (-60, -10, 80), "L.MT2": (-80, 140, 30),
}  # fmt: skip


@pytest.fixture(scope="session")
def marker_walk() -> Callable[..., dict[str, np.ndarray]]:
    """``marker_walk(n_frames, rate_hz, stoop_deg)``: marker to ``(T, 3)`` in mm, walking along +y, z up.

    ``stoop_deg`` bends everything above the pelvis forward about the hips.
    """

    def build(n_frames=60, rate_hz=150.0, stoop_deg=0.0):
        time_s = np.arange(n_frames) / rate_hz
        angle = np.deg2rad(stoop_deg)
        walk = {}
        for name, place in SHIDA_MARKERS.items():
            right, forward, up = (np.full(n_frames, float(value)) for value in place)
            if place[2] > 1025 or "W" in name or "FRA" in name:
                above = up - 950
                forward, up = (
                    forward * np.cos(angle) + above * np.sin(angle),
                    950 + above * np.cos(angle) - forward * np.sin(angle),
                )
            elif place[2] < 900:
                side = 1 if name.startswith("R.") else -1
                forward = forward + side * (900 - place[2]) * 0.3 * np.sin(2 * np.pi * 0.9 * time_s)
            walk[name] = np.stack([right, forward + 1100 * time_s, up], axis=1)
        return walk

    return build


@pytest.fixture(scope="session")
def write_c3d() -> Callable[..., Path]:
    """``write_c3d(path, markers, rate_hz)`` writes millimetres as C3D; NaN becomes a missing point."""

    def write(path: Path, markers: dict[str, np.ndarray], rate_hz=150.0, unit="mm") -> Path:
        file = ezc3d.c3d()
        file["parameters"]["POINT"]["RATE"]["value"] = [rate_hz]
        file["parameters"]["POINT"]["LABELS"]["value"] = list(markers)
        file["parameters"]["POINT"]["UNITS"]["value"] = [unit]
        points = np.stack(list(markers.values())).transpose(2, 0, 1)
        file["data"]["points"] = np.concatenate([points, np.ones_like(points[:1])])
        path.parent.mkdir(parents=True, exist_ok=True)
        file.write(str(path))
        return path

    return write


# Kinect v2 joints in the order of the Calgary files: (to the right, forward, up) in metres.
KINECT_BODY = (
    (-0.13, 0.1, 0.03), (-0.13, 0, 0.08), (-0.13, 0.02, 0.5), (-0.09, 0, 0.95),
    (0.13, 0.1, 0.03), (0.13, 0, 0.08), (0.13, 0.02, 0.5), (0.09, 0, 0.95),
    (0, 0, 0.96), (0, 0, 1.25), (0, 0, 1.5), (0, 0.05, 1.65),
    (-0.18, 0, 1.42), (0.18, 0, 1.42), (-0.25, 0, 0.85), (0.25, 0, 0.85), (-0.24, 0, 1.12),
    (0.24, 0, 1.12),
)  # fmt: skip

CALGARY_HEADER = (
    "Foot Left X, Y, Z, " + "Joint X, Y, Z," * 17 + "SholdD,LSHD,RSHD,HIPD,LWristSpineD,RWristSpineD,A,B"
)


@pytest.fixture(scope="session")
def kinect_walk() -> Callable[..., np.ndarray]:
    """``kinect_walk(tilt_deg, seed)``: joints ``(120, 18, 3)`` in metres of somebody who walks up to it.

    The sensor is 0.8 m above the floor and looks down by ``tilt_deg``.
    """

    def build(tilt_deg=10.0, seed=0, n_frames=120):
        time_s = np.arange(n_frames) / 30
        body = np.tile(np.array(KINECT_BODY), (n_frames, 1, 1))
        swing = 0.25 * np.sin(2 * np.pi * 0.9 * time_s)
        body[:, :2, 1] += swing[:, None]
        body[:, 4:6, 1] -= swing[:, None]
        body[..., 2] += 0.02 * np.sin(2 * np.pi * 1.8 * time_s)[:, None]
        body += np.random.default_rng(seed).normal(0, 0.004, body.shape)
        x, y = body[..., 0], body[..., 2] - 0.8
        z = 4.3 - 0.7 * time_s[:, None] - body[..., 1]
        angle = np.deg2rad(tilt_deg)
        return np.stack(
            [x, y * np.cos(angle) + z * np.sin(angle), z * np.cos(angle) - y * np.sin(angle)], axis=-1
        )

    return build


@pytest.fixture(scope="session")
def write_calgary() -> Callable[..., Path]:
    """``write_calgary(path, joints)`` writes a walk as the University of Calgary's files are."""

    def write(path: Path, joints: np.ndarray) -> Path:
        table = np.concatenate([joints.reshape(len(joints), -1), np.ones((len(joints), 8))], axis=1)
        rows = "\n".join(",".join(f"{value:g}" for value in row) for row in table)
        path.write_text(f"{CALGARY_HEADER}\n{rows}\n")
        return path

    return write
