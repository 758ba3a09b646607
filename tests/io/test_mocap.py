"""Motion capture: the joints of a body whose markers are known, and files that are damaged."""

import ezc3d
import numpy as np
import pytest

from gaitmb.data.camera import heading, project
from gaitmb.data.skeleton import H36M17
from gaitmb.errors import ReadError
from gaitmb.io.c3d import parse_c3d
from gaitmb.io.mocap import parse_trc, read_c3d, read_trc

PLUG_IN_GAIT = {
    "CLAV": "CLAV", "C7": "C7", "RSHO": "R.SHO", "LSHO": "L.SHO", "RELB": "R.EL", "LELB": "L.EL",
    "RWRA": "R.WM", "RWRB": "R.WL", "LWRA": "L.WM", "LWRB": "L.WL", "RASI": "R.ASIS",
    "LASI": "L.ASIS", "RPSI": "R.PSIS", "LPSI": "L.PSIS", "RKNE": "R.KNEE", "LKNE": "L.KNEE",
    "RANK": "R.ANKLE", "LANK": "L.ANKLE",
}  # fmt: skip


def as_plug_in_gait(markers):
    return {name: markers[other] for name, other in PLUG_IN_GAIT.items()}


def trc(markers, rate_hz=100.0, unit="mm", turn=lambda xyz: xyz):
    """A TRC file as programs write it: tabs, blanks for missing points, an empty line before data."""
    n_frames = len(next(iter(markers.values())))
    lines = [
        "PathFileType\t4\t(X/Y/Z)\twalk.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate",
        f"{rate_hz}\t{rate_hz}\t{n_frames}\t{len(markers)}\t{unit}\t{rate_hz}",
        "Frame#\tTime\t" + "\t\t\t".join(markers) + "\t\t",
        "\t\t" + "\t".join(f"X{n}\tY{n}\tZ{n}" for n in range(1, len(markers) + 1)),
        "",
    ]
    for frame in range(n_frames):
        cells = [str(frame + 1), f"{frame / rate_hz:.5f}"]
        for track in markers.values():
            point = turn(track[frame])
            cells += ["" if np.isnan(value) else f"{value:.5f}" for value in point]
        lines.append("\t".join(cells))
    return "\n".join(lines).encode()


@pytest.fixture
def shida(tmp_path, marker_walk, write_c3d):
    return read_c3d(write_c3d(tmp_path / "walk.c3d", marker_walk()))


def test_joints_lie_where_their_markers_say(shida, marker_walk):
    markers = marker_walk()
    start = markers["R.ASIS"][:, 1:2] * [0, 1, 0]
    assert (shida.coordinates, shida.n_frames, shida.coverage) == ("world_mm", 60, 1.0)
    assert shida.rate_hz == pytest.approx(150)
    for joint, group in {
        "right_knee": ("R.KNEE", "R.KNEE.MEDIAL"),
        "left_ankle": ("L.ANKLE", "L.ANKLE.MEDIAL"),
        "right_elbow": ("R.EL", "R.EM"),
        "left_wrist": ("L.WL", "L.WM"),
        "left_shoulder": ("L.SHO",),
        "thorax": ("R.SHO", "L.SHO"),
    }.items():
        expected = np.mean([markers[name] for name in group], axis=0)
        np.testing.assert_allclose(shida.joint(joint), expected, atol=1e-3)
    # Harrington's means for a pelvis 240 mm wide: 86.5 mm aside, some 80 mm below the front of it.
    np.testing.assert_allclose((shida.joint("right_hip") - start)[:, 0], 0.33 * 240 + 7.3, atol=0.01)
    below = shida.joint("left_hip")[:, 2] - 1000
    assert (below < -60).all()
    assert (below > -100).all()


def test_right_is_right_of_the_way_the_walker_goes_and_up_is_up(shida):
    forward = heading(shida)
    np.testing.assert_allclose(forward, [0, 1, 0], atol=1e-6)
    right = np.cross(forward, [0, 0, 1])
    for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"):
        assert ((shida.joint(f"right_{joint}") - shida.joint(f"left_{joint}")) @ right > 0).all()
    heights = [shida.joint(j)[:, 2].mean() for j in ("right_ankle", "pelvis", "spine", "thorax", "nose")]
    assert heights == sorted(heights)
    assert ((shida.joint("nose") - shida.joint("head")) @ forward > 0).all()
    picture = project(shida, "front")
    assert (picture.joint("right_hip")[:, 0] < picture.joint("left_hip")[:, 0]).all()


def test_a_stoop_moves_the_head_although_no_marker_is_on_it(tmp_path, marker_walk, write_c3d, shida):
    bent = read_c3d(write_c3d(tmp_path / "bent.c3d", marker_walk(stoop_deg=30)))
    for joint in ("head", "nose", "thorax"):
        forward = (bent.joint(joint) - shida.joint(joint))[:, 1]
        assert (forward > 200).all()
    assert (bent.joint("head")[:, 2] < shida.joint("head")[:, 2]).all()
    np.testing.assert_allclose(bent.joint("right_ankle"), shida.joint("right_ankle"), atol=1e-3)


def test_joints_that_are_extrapolated_are_less_sure_than_measured_ones(shida):
    confidence = dict(zip(H36M17.joints, shida.confidence[0], strict=True))
    assert {j for j, value in confidence.items() if value < 1} == {"nose", "head"}


def test_head_markers_are_used_where_there_are_some(tmp_path, marker_walk, write_c3d):
    markers = as_plug_in_gait(marker_walk())
    place = markers["C7"] - markers["C7"][:1] + [0, markers["C7"][0, 1], 0]
    for name, offset in {
        "LFHD": (-70, 160, 1700), "RFHD": (70, 160, 1700),
        "LBHD": (-70, -30, 1700), "RBHD": (70, -30, 1700),
    }.items():  # fmt: skip
        markers[name] = place + offset
    pose = read_c3d(write_c3d(tmp_path / "head.c3d", markers))
    np.testing.assert_allclose(pose.joint("head"), (markers["LFHD"] + markers["RFHD"]) / 2, atol=1e-3)
    assert ((pose.joint("nose") - pose.joint("head"))[:, 1] > 20).all()
    assert (pose.confidence == 1).all()


def test_plug_in_gait_and_shida_markers_on_one_body_give_nearly_the_same_joints(
    tmp_path, marker_walk, write_c3d, shida
):
    pose = read_c3d(write_c3d(tmp_path / "pig.c3d", as_plug_in_gait(marker_walk())))
    distance = np.linalg.norm(pose.positions - shida.positions, axis=-1).max(axis=0)
    apart = dict(zip(H36M17.joints, distance, strict=True))
    # Without the medial markers knees and ankles are a rule, elbows the lateral marker.
    assert (
        max(apart[f"{side}_{joint}"] for side in ("right", "left") for joint in ("knee", "ankle")) < 15
    )
    assert max(value for joint, value in apart.items() if "elbow" not in joint) < 15


@pytest.mark.parametrize(
    ("axes", "turn"),
    [
        ("y up", lambda p: p[..., [1, 2, 0]]),
        ("x up", lambda p: p[..., [2, 0, 1]]),
        ("z down", lambda p: p * [1, -1, -1]),
        ("y down", lambda p: p[..., [1, 2, 0]] * [1, -1, -1]),
        ("a quarter turn", lambda p: p[..., [1, 0, 2]] * [-1, 1, 1]),
    ],
)
def test_whatever_axis_is_up_in_the_laboratory_the_walk_is_the_same(
    tmp_path, marker_walk, write_c3d, shida, axes, turn
):
    turned = {name: turn(track) for name, track in marker_walk().items()}
    pose = read_c3d(write_c3d(tmp_path / "turned.c3d", turned))
    for view in ("front", "side_right"):
        np.testing.assert_allclose(
            project(pose, view).positions, project(shida, view).positions, atol=0.05, err_msg=axes
        )


def test_a_point_at_the_origin_and_a_negative_residual_are_missing(tmp_path, marker_walk, write_c3d):
    markers = marker_walk()
    markers["R.WL"][10:20] = 0
    markers["L.SHO"][30] = np.nan
    pose = read_c3d(write_c3d(tmp_path / "gaps.c3d", markers))
    wrist = pose.valid[:, H36M17.index("right_wrist")]
    assert np.flatnonzero(~wrist).tolist() == list(range(10, 20))
    assert np.flatnonzero(~pose.valid[:, H36M17.index("left_shoulder")]).tolist() == [30]
    assert np.isnan(pose.joint("right_wrist")[10]).all()


def test_where_medial_markers_are_hardly_ever_seen_the_lateral_ones_serve(
    tmp_path, marker_walk, write_c3d, shida
):
    markers = marker_walk()
    markers["R.KNEE.MEDIAL"][3:] = 0
    pose = read_c3d(write_c3d(tmp_path / "lateral.c3d", markers))
    assert pose.valid[:, H36M17.index("right_knee")].all()
    assert np.linalg.norm(pose.joint("right_knee") - shida.joint("right_knee"), axis=1).max() < 15


def test_frames_before_and_after_the_walker_is_seen_are_left_out(tmp_path, marker_walk, write_c3d):
    markers = marker_walk()
    for track in markers.values():
        track[:7] = 0
        track[50:] = 0
    pose = read_c3d(write_c3d(tmp_path / "late.c3d", markers))
    assert (pose.n_frames, pose.time_s[0]) == (43, 0)


def test_names_may_carry_a_subject_and_be_spelled_otherwise(tmp_path, marker_walk, write_c3d, shida):
    odd = {f"Anna: {name.lower().replace('.', '_')}": track for name, track in marker_walk().items()}
    pose = read_c3d(write_c3d(tmp_path / "odd.c3d", odd))
    np.testing.assert_array_equal(pose.positions, shida.positions)


def test_more_than_255_points_are_read(tmp_path, marker_walk, write_c3d, shida):
    many = {f"*{n}": np.full((60, 3), float(n + 1)) for n in range(300)} | marker_walk()
    path = write_c3d(tmp_path / "many.c3d", many)
    np.testing.assert_array_equal(read_c3d(path).positions, shida.positions)
    assert parse_c3d(path.read_bytes()).names == tuple(many)


def test_metres_are_read_as_metres(tmp_path, marker_walk, write_c3d, shida):
    metres = {name: track / 1000 for name, track in marker_walk().items()}
    pose = read_c3d(write_c3d(tmp_path / "metres.c3d", metres, unit="m"))
    np.testing.assert_allclose(pose.positions, shida.positions, atol=0.01)
    with pytest.raises(ReadError, match=r"legs of 0\.9\d* mm.*unit of length"):
        read_c3d(write_c3d(tmp_path / "wrong.c3d", metres, unit="mm"))


def test_unknown_markers_are_refused_by_number_with_what_is_known(tmp_path, write_c3d, marker_walk):
    some = {f"M{n}": track for n, track in enumerate(marker_walk().values())}
    with pytest.raises(ReadError, match=r"44 markers.*Plug-in-Gait or Shida 2023"):
        read_c3d(write_c3d(tmp_path / "unknown.c3d", some))
    two = {f"{who}:{name}": t for who in "AB" for name, t in as_plug_in_gait(marker_walk()).items()}
    with pytest.raises(ReadError, match="markers of 2 people"):
        read_c3d(write_c3d(tmp_path / "two.c3d", two))


def test_trc_with_y_up_in_metres_gives_the_same_walk_as_c3d(tmp_path, marker_walk, shida):
    markers = marker_walk()
    path = tmp_path / "walk.trc"
    path.write_bytes(trc(markers, 150.0, "m", lambda p: p[[1, 2, 0]] / 1000))
    pose = read_trc(path)
    assert pose.rate_hz == pytest.approx(150, rel=1e-3)
    np.testing.assert_allclose(
        project(pose, "front").positions, project(shida, "front").positions, atol=0.1
    )


def test_blanks_in_trc_are_missing_even_where_a_row_ends_early(tmp_path, marker_walk):
    markers = as_plug_in_gait(marker_walk())
    markers["LANK"][4] = np.nan
    markers["RSHO"][6] = np.nan
    text = trc(markers)
    path = tmp_path / "blank.trc"
    path.write_bytes(b"\r\n".join(line.rstrip() for line in text.split(b"\n")))
    pose = read_trc(path)
    assert list(markers)[-1] == "LANK"
    assert np.flatnonzero(~pose.valid[:, H36M17.index("left_ankle")]).tolist() == [4]
    assert np.flatnonzero(~pose.valid[:, H36M17.index("right_shoulder")]).tolist() == [6]


def test_damaged_trc_files_are_refused(marker_walk):
    text = trc(as_plug_in_gait(marker_walk()))
    for damaged, reason in (
        (b"", "does not begin as TRC"),
        (b"\0" * 4000, "does not begin as TRC"),
        (text[: len(text) // 2].rsplit(b"\n", 1)[0], "ends after"),
        (text.replace(b"\t0.10000\t", b"\tnow\t"), "damaged TRC"),
        (text.replace(b"\tmm\t", b"\tfurlong\t"), "lengths in 'furlong'"),
        (text.replace(b"\t18\t", b"\t17\t"), "damaged TRC"),
    ):
        with pytest.raises(ReadError, match=reason):
            parse_trc(damaged)


def test_damaged_c3d_files_are_refused_and_end_nothing_else(tmp_path, marker_walk, write_c3d):
    data = write_c3d(tmp_path / "walk.c3d", marker_walk(n_frames=20)).read_bytes()
    for length in (0, 1, 511, 512, 700, 1500, len(data) // 2, len(data) - 600):
        with pytest.raises(ReadError):
            parse_c3d(data[:length])
    path = tmp_path / "damaged.c3d"
    outcomes = set()
    for seed in range(150):
        chance = np.random.default_rng(seed)
        damaged = bytearray(data)
        for _ in range(10):
            damaged[chance.integers(len(data) if seed % 3 else 2048)] = chance.integers(256)
        path.write_bytes(damaged)
        try:
            outcomes.add(read_c3d(path).skeleton.name)
        except ReadError:
            outcomes.add("refused")
    assert outcomes == {"refused", "h36m17"}
    with pytest.raises(ReadError, match="cannot be opened"):
        read_c3d(tmp_path / "absent.c3d")


@pytest.mark.parametrize("name", ["Gait", "Movement_trial", "PlugInC3D", "sub_labels"])
def test_points_of_real_files_are_those_that_another_reader_finds(shared, name):
    path = shared / "data/c3d" / f"{name}.c3d"
    points = parse_c3d(path.read_bytes())
    other = ezc3d.c3d(str(path))
    assert list(points.names) == other["parameters"]["POINT"]["LABELS"]["value"]
    expected = other["data"]["points"][:3].transpose(2, 1, 0)
    expected = np.where((expected == 0).all(axis=2, keepdims=True), np.nan, expected)
    np.testing.assert_allclose(points.position_mm, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "rate_hz", "arms"),
    [
        ("Gait", 100, True),
        ("Movement_trial", 120, True),
        ("PlugInC3D", 60, False),
        ("sub_labels", 60, False),
    ],
)
def test_real_walks_are_upright_with_their_right_side_on_the_right(shared, name, rate_hz, arms):
    pose = read_c3d(shared / "data/c3d" / f"{name}.c3d")
    assert pose.rate_hz == pytest.approx(rate_hz)
    right = np.cross(heading(pose), [0, 0, 1])
    assert np.nanmedian((pose.joint("right_knee") - pose.joint("left_knee")) @ right) > 100
    heights = [np.nanmedian(pose.joint(j)[:, 2]) for j in ("left_ankle", "left_knee", "pelvis", "head")]
    assert heights == sorted(heights)
    assert pose.valid[:, H36M17.index("left_wrist")].any() == arms


@pytest.mark.parametrize("name", ["Movement_trial", "PlugInC3D", "sub_labels"])
def test_joint_centres_are_near_those_of_the_plug_in_gait_model(shared, name):
    points = parse_c3d((shared / "data/c3d" / f"{name}.c3d").read_bytes())
    column = {label.rpartition(":")[2]: n for n, label in enumerate(points.names)}
    pose = read_c3d(shared / "data/c3d" / f"{name}.c3d")
    for joint, model in {
        "left_hip": "LFEP", "right_hip": "RFEP", "left_knee": "LFEO", "right_knee": "RFEO",
        "left_ankle": "LTIO", "right_ankle": "RTIO",
    }.items():  # fmt: skip
        expected = points.position_mm[:, column[model]]
        # The frames kept are the walker's; the model's are within them, in the axes of the laboratory.
        best = min(
            np.nanmedian(np.linalg.norm(expected[n : n + pose.n_frames] - pose.joint(joint), axis=1))
            for n in range(len(expected) - pose.n_frames + 1)
        )
        assert best < 55, joint


def test_a_real_trc_file_without_knee_markers_is_refused_by_the_number_of_its_markers(shared):
    with pytest.raises(ReadError, match="41 markers that are no known marker set"):
        read_trc(shared / "data/c3d/subject01_walk1.trc")
