"""BlazePose tables, H36M-17 arrays and gaitmb's own poses are read rightly or refused."""

import hashlib
import io
import json
import pickle
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gaitmb.data.pose import CoordinateSystem, PoseSequence, resample, to_h36m17
from gaitmb.data.skeleton import BLAZEPOSE33, H36M17, SKELETONS
from gaitmb.errors import GaitmbError, ReadError
from gaitmb.io.keypoints import read_blazepose, read_h36m17, read_pose, write_pose
from gaitmb.io.recordings import read_recording

SIZE = (640, 480)


def pose_of(n_frames: int = 5, skeleton: str = "h36m17", seed: int = 0) -> PoseSequence:
    rng = np.random.default_rng(seed)
    n_joints = len(SKELETONS[skeleton])
    positions = rng.uniform(0, 400, (n_frames, n_joints, 2))
    confidence = rng.uniform(0.1, 1, (n_frames, n_joints))
    confidence[rng.random(confidence.shape) < 0.2] = 0
    return PoseSequence(
        positions,
        confidence,
        np.cumsum(rng.uniform(0.01, 0.1, n_frames)),
        SKELETONS[skeleton],
        CoordinateSystem.IMAGE_PX,
        size_px=SIZE,
        view="side_left",
    )


# --- gaitmb's own form --------------------------------------------------------------------------------


def test_a_written_pose_is_read_back_to_the_last_bit(tmp_path):
    for number, skeleton in enumerate(SKELETONS):
        pose = pose_of(skeleton=skeleton, seed=number)
        write_pose(tmp_path / "a.npz", pose)
        back = read_pose(tmp_path / "a.npz")
        for name in ("positions", "confidence", "time_s"):
            assert getattr(back, name).tobytes() == getattr(pose, name).tobytes()
        assert (back.skeleton, back.coordinates) == (pose.skeleton, pose.coordinates)
        assert (back.size_px, back.view) == (SIZE, "side_left")


def test_3d_without_view_or_picture_stays_without(tmp_path):
    pose = PoseSequence(
        np.ones((2, 17, 3)), np.ones((2, 17)), np.arange(2.0), H36M17, CoordinateSystem.WORLD_MM
    )
    write_pose(tmp_path / "a.npz", pose)
    back = read_pose(tmp_path / "a.npz")
    assert (back.size_px, back.view, back.coordinates) == (None, None, CoordinateSystem.WORLD_MM)


def test_equal_poses_give_equal_bytes_at_any_time(monkeypatch):
    def digest() -> str:
        file = io.BytesIO()
        write_pose(file, pose_of())
        return hashlib.sha256(file.getvalue()).hexdigest()

    first = digest()
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2_000_000_000))
    assert digest() == first


class Malicious:
    def __reduce__(self):
        return (Path.touch, (Path("/tmp/gaitmb-was-here"),))  # noqa: S108 - must never be made


def npz(path: Path, **arrays: object) -> Path:
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    return path


def test_pickled_objects_are_refused_and_never_run(tmp_path):
    marker = Path("/tmp/gaitmb-was-here")  # noqa: S108
    marker.unlink(missing_ok=True)
    objects = np.array([Malicious()], dtype=object)
    with (tmp_path / "a.npz").open("wb") as file:
        np.savez(file, allow_pickle=True, position_m=objects, fps=30)
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Malicious()))
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("position_m.npy", pickle.dumps(Malicious()))
    for name in "abc":
        with pytest.raises(ReadError):
            read_h36m17(tmp_path / f"{name}.npz", fps=30)
    assert not marker.exists()


# --- H36M-17 ------------------------------------------------------------------------------------------


def standing(n_frames: int = 4) -> np.ndarray:
    """Metres, y up: the head at 1.7 m, the ankles at 0.1 m, the left side at positive x."""
    heights = [0.95, 0.95, 0.5, 0.1, 0.95, 0.5, 0.1, 1.2, 1.45, 1.6, 1.7, 1.4, 1.1, 0.9, 1.4, 1.1, 0.9]
    joints = np.zeros((n_frames, 17, 3))
    joints[..., 1] = heights
    joints[..., 0] = [
        0.1 * name.startswith("left") - 0.1 * name.startswith("right") for name in H36M17.joints
    ]
    joints[..., 2] = 0.2  # in front of the origin: y up, x to the left, hence z forward
    return joints


def test_metres_with_y_up_become_millimetres_with_z_up_and_stay_right_handed(tmp_path):
    pose = read_h36m17(npz(tmp_path / "a.npz", position_m=standing(), fps=50))
    assert pose.coordinates == "world_mm"
    assert pose.rate_hz == pytest.approx(50)
    np.testing.assert_allclose(pose.joint("head")[0], [0, -200, 1700])
    np.testing.assert_allclose(pose.joint("left_ankle")[0], [100, -200, 100])
    x, y, z = (
        np.array([1.0, 0, 0]),
        np.array([0, 0, 1.0]),
        np.array([0, -1.0, 0]),
    )  # x, y, z of y-up data
    assert np.linalg.det(np.stack([x, y, z])) == pytest.approx(1)


def test_z_up_is_taken_as_it_is_and_the_wrong_axis_or_unit_is_noticed(tmp_path):
    z_up = standing()[..., [0, 2, 1]]
    pose = read_h36m17(npz(tmp_path / "a.npz", position_m=z_up, fps=50, up="z"))
    assert pose.joint("head")[0, 2] == pytest.approx(1700)
    for wrong in (z_up, standing() * 1000, standing() * [1, -1, 1]):
        with pytest.raises(ReadError, match="upright in metres"):
            read_h36m17(npz(tmp_path / "a.npz", position_m=wrong, fps=50))


def test_real_motion_capture_is_upright(shared, tmp_path):
    source = np.load(shared / "data" / "mocap" / "cmu_h36m17_30fps.npz", allow_pickle=False)
    n_frames = int(source["n_frames"][0])
    walk = source["position_m"][:n_frames]
    pose = read_h36m17(npz(tmp_path / "a.npz", position_m=walk, fps=source["fps"]))
    assert (pose.n_frames, round(pose.rate_hz)) == (n_frames, 30)
    assert (pose.joint("head")[:, 2] > pose.joint("pelvis")[:, 2]).all()
    with pytest.raises(ReadError, match="128 walks"):
        read_h36m17(shared / "data" / "mocap" / "cmu_h36m17_30fps.npz")


def test_pixels_come_with_or_without_confidence(tmp_path):
    pose = pose_of()
    filled = np.nan_to_num(pose.positions)
    with_third = np.concatenate([filled, pose.confidence[..., None]], axis=-1)
    for arrays in (
        {"keypoints_px": with_third, "time_s": pose.time_s},
        {"keypoints_px": filled, "confidence": pose.confidence, "time_s": pose.time_s},
        {
            "keypoints_px": pose.positions.astype(np.float64),
            "confidence": pose.confidence,
            "time_s": pose.time_s,
        },
    ):
        back = read_h36m17(npz(tmp_path / "a.npz", size_px=np.array(SIZE), **arrays))
        np.testing.assert_array_equal(back.positions, pose.positions)
        np.testing.assert_array_equal(back.confidence, pose.confidence)
        assert back.size_px == SIZE


def test_gaitmbs_own_poses_are_recordings_too(tmp_path):
    write_pose(tmp_path / "a.npz", pose_of())
    assert read_recording(tmp_path / "a.npz").view == "side_left"
    with pytest.raises(ReadError, match="expected coco17"):
        read_recording(tmp_path / "a.npz", skeleton="coco17")


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({}, "0 of the arrays"),
        ({"position_m": standing(), "keypoints_px": standing()}, "2 of the arrays"),
        ({"position_m": standing()[:, :16]}, "shape"),
        ({"position_m": standing()[..., :2]}, "shape"),
        ({"position_m": standing()[0]}, "shape"),
        ({"position_m": standing()[:0]}, "0 frames"),
        ({"position_m": standing().astype(complex)}, "type complex"),
        ({"position_m": np.full((4, 17, 3), "a")}, "type"),
        ({"position_m": np.where(np.arange(17)[:, None] == 3, np.inf, standing())}, "infinity"),
        ({"keypoints_px": standing() * 100}, "confidence of"),
        ({"position_m": standing(), "up": "x"}, "neither y nor z"),
        ({"position_m": standing(), "time_s": np.array([0.0, 1, 1, 2])}, "do not ascend"),
        ({"position_m": standing(), "time_s": np.arange(3.0)}, "shape"),
        ({"position_m": standing(), "fps": 0}, "frame rate"),
        ({"position_m": standing(), "fps": np.nan}, "frame rate"),
        ({"position_m": standing(), "fps": "fast"}, "type"),
    ],
)
def test_arrays_that_are_no_walk_are_refused(tmp_path, arrays, reason):
    with pytest.raises(ReadError, match=reason):
        read_h36m17(npz(tmp_path / "a.npz", **{"fps": 30, **arrays}))


def test_arrays_without_any_time_are_refused(tmp_path):
    with pytest.raises(ReadError, match="column fps"):
        read_h36m17(npz(tmp_path / "a.npz", position_m=standing()))


# --- BlazePose ----------------------------------------------------------------------------------------


def blazepose(n_frames: int = 6, *, scale: float = 1.0, upper: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    columns = {"time_s": np.arange(n_frames) / 25}
    for landmark in BLAZEPOSE33.joints:
        name = landmark.upper() if upper else landmark
        columns[f"{name}_x"] = rng.uniform(0.1, 0.9, n_frames) * scale
        columns[f"{name}_y"] = rng.uniform(0.1, 0.9, n_frames) * scale
        columns[f"{name}_z"] = rng.normal(size=n_frames)
        columns[f"{name}_visibility"] = rng.uniform(0.5, 1, n_frames)
    return pd.DataFrame(columns)


@pytest.mark.parametrize("kind", ["csv", "semicolon", "parquet"])
@pytest.mark.parametrize("upper", [False, True])
def test_pixels_are_the_same_from_every_kind_of_table(tmp_path, kind, upper):
    frame = blazepose(scale=500, upper=upper)
    if kind == "parquet":
        path = tmp_path / "a.parquet"
        frame.to_parquet(path)
    else:
        path = tmp_path / "a.csv"
        sep, decimal = (";", ",") if kind == "semicolon" else (",", ".")
        frame.to_csv(path, index=False, sep=sep, decimal=decimal)
    pose = read_blazepose(path)
    assert pose.skeleton is BLAZEPOSE33
    assert pose.rate_hz == pytest.approx(25)
    lower = frame.rename(columns=str.lower)
    expected = lower[["left_foot_index_x", "left_foot_index_y"]].to_numpy()
    np.testing.assert_allclose(pose.joint("left_foot_index"), expected, rtol=1e-12)
    np.testing.assert_allclose(pose.confidence[:, 0], lower["nose_visibility"], rtol=1e-12)
    assert to_h36m17(pose).valid.all()


@pytest.mark.parametrize("where", ["columns", "sidecar", "manifest"])
def test_normalised_coordinates_become_pixels_by_the_size_of_the_picture(tmp_path, where):
    frame = blazepose()
    if where == "columns":
        frame["width"], frame["height"] = SIZE
    if where == "sidecar":
        (tmp_path / "a.json").write_text(json.dumps({"width": 640, "height": 480}))
    frame.to_csv(tmp_path / "a.csv", index=False)
    pose = read_blazepose(tmp_path / "a.csv", size_px=SIZE if where == "manifest" else None)
    assert pose.size_px == SIZE
    np.testing.assert_allclose(pose.joint("nose"), frame[["nose_x", "nose_y"]].to_numpy() * SIZE)


def test_normalised_coordinates_without_a_picture_size_are_refused(tmp_path):
    blazepose().to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ReadError, match="unknown size"):
        read_blazepose(tmp_path / "a.csv")


def test_frames_left_out_are_gaps_in_time(tmp_path):
    frame = blazepose(8, scale=500).drop(columns="time_s")
    frame.insert(0, "frame", [10, 11, 12, 13, 60, 61, 62, 63])
    frame.to_csv(tmp_path / "a.csv", index=False)
    pose = read_blazepose(tmp_path / "a.csv", fps=50)
    np.testing.assert_allclose(np.diff(pose.time_s) * 50, [1, 1, 1, 47, 1, 1, 1])
    even = resample(pose, 50)
    assert even.n_frames == 54
    assert not even.valid[5:49].any()
    with pytest.raises(ReadError, match="column fps"):
        read_blazepose(tmp_path / "a.csv")


def test_empty_cells_are_missing_joints(tmp_path):
    frame = blazepose(scale=500)
    frame.loc[2, "nose_x"] = None
    frame.loc[3, "left_hip_visibility"] = None
    frame.to_csv(tmp_path / "a.csv", index=False)
    pose = read_blazepose(tmp_path / "a.csv")
    assert np.argwhere(~pose.valid).tolist() == [[2, 0], [3, BLAZEPOSE33.index("left_hip")]]


def test_landmarks_that_no_joint_needs_may_be_absent(tmp_path):
    names = [name for name in blazepose().columns if "pinky" not in name and "_z" not in name]
    blazepose(scale=500)[names].to_csv(tmp_path / "a.csv", index=False)
    pose = read_blazepose(tmp_path / "a.csv")
    assert not pose.valid[:, BLAZEPOSE33.index("left_pinky")].any()


def edited(frame: pd.DataFrame, **cells: object) -> pd.DataFrame:
    frame = frame.astype(object)
    for name, cell in cells.items():
        frame.loc[1, name] = cell
    return frame


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (blazepose(scale=500).drop(columns="time_s"), "neither a column"),
        (blazepose(scale=500).rename(columns={"time_s": "timestamp"}), "Is it 'timestamp'"),
        (blazepose(scale=500).rename(columns={"left_knee_x": "left_kne_x"}), "Is it 'left_kne_x'"),
        (blazepose(scale=500).drop(columns="left_pinky_y"), "left_pinky_y"),
        (edited(blazepose(scale=500), nose_x="there"), "row 3, column 'nose_x'"),
        (edited(blazepose(scale=500), nose_x=1e300), "row 3, column 'nose_x'"),
        (edited(blazepose(scale=500), nose_x="inf"), "row 3, column 'nose_x'"),
        (edited(blazepose(scale=500), time_s=""), "row 3, column 'time_s'"),
        (edited(blazepose(scale=500), time_s=0.0), "do not ascend"),
        (edited(blazepose(scale=500), time_s=9.0), "do not ascend"),
        (edited(blazepose(scale=500), nose_visibility=97), "visibility outside"),
        (blazepose(scale=500).assign(width=range(100, 106), height=100), "6 picture sizes"),
        (blazepose(scale=500).assign(width=1.5, height=100), "picture size"),
        (blazepose(scale=500).head(0), "0 frames"),
        (blazepose(scale=500).assign(NOSE_X=1.0), "upper and in lower"),
        (
            pd.concat([blazepose(), blazepose(scale=500).assign(time_s=lambda d: d.time_s + 9)]),
            "rest like pixels",
        ),
    ],
)
def test_tables_that_are_no_walk_are_refused_by_row_and_column(tmp_path, frame, reason):
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ReadError, match=reason):
        read_blazepose(tmp_path / "a.csv")


def test_a_walk_of_days_is_refused_before_it_is_resampled(tmp_path):
    frame = edited(blazepose(scale=500), time_s=0.04)
    frame.loc[5, "time_s"] = 1e8
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ReadError, match="at most 7200"):
        read_recording(tmp_path / "a.csv")


def test_a_row_cut_short_is_refused(tmp_path):
    blazepose(scale=500).to_csv(tmp_path / "a.csv", index=False)
    text = (tmp_path / "a.csv").read_text()
    (tmp_path / "a.csv").write_text(text[:-600])
    with pytest.raises(ReadError, match="row 7 has"):
        read_blazepose(tmp_path / "a.csv")


# --- Damage -------------------------------------------------------------------------------------------


def _valid_files() -> dict[str, bytes]:
    table, arrays = io.BytesIO(), io.BytesIO()
    blazepose(3, scale=500).to_parquet(table)
    write_pose(arrays, pose_of(3))
    metres = io.BytesIO()
    np.savez_compressed(metres, position_m=standing(3), fps=30)
    keypoints = [{"image_id": f"{n}.jpg", "keypoints": list(range(0, 510, 10))} for n in range(3)]
    for entry in keypoints:
        entry["keypoints"][2::3] = [0.9] * 17
    return {
        "own.npz": arrays.getvalue(),
        "metres.npz": metres.getvalue(),
        "a.csv": blazepose(3, scale=500).to_csv(index=False).encode(),
        "a.parquet": table.getvalue(),
        "a.json": json.dumps(keypoints).encode(),
    }


VALID = _valid_files()


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), name=st.sampled_from(sorted(VALID)))
def test_a_damaged_file_is_read_or_refused_but_never_a_traceback(tmp_path, data, name):
    content = bytearray(VALID[name])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = min(len(content), start + data.draw(st.integers(0, 40)))
        content[start:end] = data.draw(
            st.binary(max_size=12) | st.sampled_from([b"", b"[", b'"', b"-", b"e9"])
        )
    (tmp_path / name).write_bytes(content)
    told = ""
    try:
        assert read_recording(tmp_path / name, fps=30, size_px=SIZE).n_frames >= 1
    except GaitmbError as error:
        told = str(error)
    assert str(tmp_path) not in told


@pytest.mark.parametrize("name", sorted(VALID))
def test_the_undamaged_files_are_read(tmp_path, name):
    (tmp_path / name).write_bytes(VALID[name])
    assert read_recording(tmp_path / name, fps=30).n_frames == 3
