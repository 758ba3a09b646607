"""Figures show what they were given, in units, and treat identities as text."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from gaitmb import viz
from gaitmb.data.evaluation import LevelMetrics
from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import BLAZEPOSE33, COCO17, H36M17, HALPE26
from gaitmb.errors import ConfigurationError, CoordinateError
from gaitmb.viz.theme import BLUE, GREEN, ORANGE, PURPLE

CLASSES = ("0", "1", "2", "3", "4")


def _luminance(colour):
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [BLUE, ORANGE, GREEN, PURPLE])
def test_every_colour_stands_out_from_white_paper_as_much_as_graphics_must(colour):
    # WCAG 2.1, 1.4.11: graphics need a contrast of 3 to 1.
    assert 1.05 / (_luminance(colour) + 0.05) >= 3


def test_confusion_percentages_are_of_the_rated_class_with_rated_as_rows():
    level = LevelMetrics({}, {}, ("N", "AR"), ((6, 2), (1, 3)), n_scored=12, n_participants=4)
    heat = viz.confusion_matrix(level).data[0]
    assert np.allclose(heat.z, [[75, 25], [25, 75]])
    assert list(heat.y) == ["N", "AR"]
    assert "6" in heat.text[0][0]
    assert "25 %" in heat.text[1][0]


def test_a_class_that_nobody_was_rated_with_has_no_percentage():
    level = LevelMetrics({}, {}, ("0", "1"), ((2, 0), (0, 0)), n_scored=2, n_participants=1)
    assert "–" in viz.confusion_matrix(level).data[0].text[1][0]


def test_forest_plot_puts_the_classifier_first_and_its_interval_at_its_ends(ordinal_results):
    figure = viz.metric_intervals(ordinal_results.evaluation, "walk", ["weighted_f1"])
    (trace,) = figure.data
    assert list(trace.y)[1:] == ["Majority class", "Class frequencies", "Gait features"]
    stored = ordinal_results.evaluation.metrics["walk"].metrics["weighted_f1"]
    assert trace.x[0] + trace.error_x.array[0] == pytest.approx(stored.high)
    assert trace.x[0] - trace.error_x.arrayminus[0] == pytest.approx(stored.low)


def test_metrics_that_do_not_exist_get_no_panel(named_results):
    titles = [a.text for a in viz.metric_intervals(named_results.evaluation).layout.annotations]
    assert len(titles) == 3
    assert not any("kappa" in title for title in titles)


def test_the_untrained_encoder_is_called_so_beside_every_figure(ordinal_results, named_results):
    assert "untrained" in viz.method_labels(ordinal_results.evaluation)["classifier"]
    assert "untrained" not in viz.method_labels(named_results.evaluation)["classifier"]


def test_certainty_of_one_class_is_that_class_in_points():
    table = pd.DataFrame({"p0": [0.0, 1.0], "p3": [1.0, 0.0]})
    assert viz.expected_severity(table, CLASSES).tolist() == [3.0, 0.0]


def test_probabilities_as_they_stand_in_the_file_are_numbers():
    table = pd.DataFrame({"p0": ["0.250000"], "p1": ["0.750000"]})
    assert viz.expected_severity(table, CLASSES).tolist() == [0.75]


def test_named_classes_have_no_mean():
    with pytest.raises(ConfigurationError, match="names"):
        viz.expected_severity(pd.DataFrame({"pN": [1.0]}), ("N",))


def test_sessions_average_their_walks_and_keep_differing_ratings_apart():
    walks = pd.DataFrame(
        {
            "participant_id": ["A"] * 3,
            "session_id": ["s"] * 3,
            "medication": ["na"] * 3,
            "rating": ["N", "N", "AR"],
            "pN": [0.9, 0.3, 0.0],
            "pAR": [0.1, 0.7, 1.0],
        }
    )
    sessions = viz.average_sessions(walks, ("N", "AR")).set_index("rating")
    assert sessions.loc["N", "pN"] == pytest.approx(0.6)
    assert sessions["predicted"].to_dict() == {"N": "N", "AR": "AR"}


def test_each_participant_has_one_tick_and_disagreement_a_line_of_its_own(ordinal_results):
    figure = viz.predicted_against_rated(ordinal_results.predictions, CLASSES)
    assert list(figure.layout.yaxis.ticktext) == [f"P0{n}" for n in range(1, 9)]
    differing = next(t for t in figure.data if t.name == "predicted class differs")
    assert differing.line.dash == "dot"


def test_walks_without_a_rating_are_drawn_as_predictions_only(ordinal_results):
    predictions = ordinal_results.predictions.assign(rating="")
    names = [t.name for t in viz.predicted_against_rated(predictions, CLASSES).data]
    assert names
    assert not any(name.startswith("rated") for name in names)


def test_named_classes_are_placed_by_name_not_by_number(named_results):
    figure = viz.predicted_against_rated(named_results.predictions, ("N", "AR", "AL"), ordinal=False)
    assert list(figure.layout.xaxis.ticktext) == ["N", "AR", "AL"]


def test_an_identity_that_looks_like_markup_stays_text(ordinal_results):
    predictions = ordinal_results.predictions.replace("P01", '<a href="https://x.example">x</a>')
    document = viz.predicted_against_rated(predictions, CLASSES).to_json()
    assert "<a" not in json.loads(document)["layout"]["yaxis"]["ticktext"][0]


def test_the_rated_class_is_framed_among_the_probabilities():
    bars = viz.probability_bars({"0": 0.7, "1": 0.3}, "1").data[0]
    assert list(bars.marker.line.width) == [0, 3]


def test_medication_lines_run_from_off_to_on():
    table = pd.DataFrame(
        {"participant_id": ["A", "A"], "medication": ["on", "off"], "severity": [1.0, 2.0]}
    )
    figure = viz.medication_change(table, "severity", "Severity (points)")
    assert list(figure.data[0].x) == ["OFF", "ON"]
    assert list(figure.data[0].y) == [2.0, 1.0]


@pytest.mark.parametrize("skeleton", [H36M17, COCO17, HALPE26, BLAZEPOSE33], ids=lambda s: s.name)
def test_every_bone_of_a_skeleton_is_drawn_once(skeleton):
    size = len(skeleton)
    positions = np.arange(size * 2.0).reshape(1, size, 2)
    pose = PoseSequence(positions, np.ones((1, size)), np.zeros(1), skeleton, CoordinateSystem.IMAGE_PX)
    gaps = sum(int(np.isnan(np.array(t.x, float)).sum()) for t in viz.frame_2d(pose).data)
    assert gaps == len(skeleton.edges)


def test_left_and_right_differ_in_colour_line_and_symbol(ordinal_results):
    flat, _ = next(iter(ordinal_results.poses.values()))
    left, right = (
        next(t for t in viz.frame_2d(flat).data if t.name == side) for side in ("left", "right")
    )
    assert left.line.color != right.line.color
    assert left.line.dash != right.line.dash
    assert left.marker.symbol != right.marker.symbol


def test_the_left_of_the_body_is_drawn_from_the_joints_called_left(ordinal_results):
    flat, _ = next(iter(ordinal_results.poses.values()))
    left = next(t for t in viz.frame_2d(flat, 0).data if t.name == "left")
    drawn = np.array(left.x, float)
    assert flat.joint("left_ankle")[0, 0] == pytest.approx(drawn[np.isfinite(drawn)], abs=500)
    assert np.isclose(drawn, flat.joint("left_ankle")[0, 0], atol=0.01).any()
    assert not np.isclose(drawn, flat.joint("right_ankle")[0, 0], atol=0.01).any()


def test_the_head_is_above_the_feet_on_screen(ordinal_results):
    flat, deep = next(iter(ordinal_results.poses.values()))
    axis = viz.animate_2d(flat).layout.yaxis
    assert axis.range[0] > axis.range[1]
    assert axis.scaleanchor == "x"
    standing = viz.animate_3d(deep).data
    top = np.nanmax([np.nanmax(np.array(t.z, float)) for t in standing])
    assert top == pytest.approx(1680)


def test_camera_coordinates_are_turned_until_the_body_stands(ordinal_results):
    _, deep = next(iter(ordinal_results.poses.values()))
    x, y, z = np.moveaxis(deep.positions, -1, 0)
    camera = dataclasses.replace(
        deep, positions=np.stack([y, -z, x], axis=-1), coordinates=CoordinateSystem.CAMERA_MM
    )
    trunk = viz.animate_3d(camera).data[0]
    assert np.nanmax(np.array(trunk.z, float)) == pytest.approx(1680)


def test_the_walker_stays_in_the_middle_of_the_rotatable_view(ordinal_results):
    _, deep = next(iter(ordinal_results.poses.values()))
    figure = viz.animate_3d(deep)
    assert deep.positions[-1, 0, 0] > 1000
    last = np.concatenate([np.array(t.x, float) for t in figure.frames[-1].data])
    assert np.nanmax(np.abs(last)) < 500


def test_long_walks_are_thinned_and_keep_their_real_time(ordinal_results):
    _, deep = next(iter(ordinal_results.poses.values()))
    figure = viz.animate_3d(deep, max_frames=10)
    assert len(figure.frames) == 10
    (menu,) = figure.layout.updatemenus
    assert menu.buttons[0].args[1]["frame"]["duration"] == pytest.approx(4 / 30 * 1000, abs=1)
    assert figure.layout.sliders[0].steps[-1].label == "1.20"


def test_missing_joints_are_not_drawn(ordinal_results):
    flat, _ = next(iter(ordinal_results.poses.values()))
    seen, missing = (
        np.isfinite(np.array(next(t for t in viz.frame_2d(flat, n).data if t.name == "left").x, float))
        for n in (0, 6)
    )
    assert missing.sum() == seen.sum() - 1


@pytest.mark.parametrize("n_frames", [0, 1])
def test_walks_without_motion_give_a_still_figure(n_frames, ordinal_results):
    flat, deep = next(iter(ordinal_results.poses.values()))
    assert len(viz.animate_2d(flat.slice(0, n_frames)).frames) <= 1
    assert len(viz.animate_3d(deep.slice(0, n_frames)).frames) <= 1


def test_a_flat_pose_is_refused_in_space_and_the_reverse(ordinal_results):
    flat, deep = next(iter(ordinal_results.poses.values()))
    with pytest.raises(CoordinateError):
        viz.animate_3d(flat)
    with pytest.raises(CoordinateError):
        viz.animate_2d(deep)


def test_titles_state_what_is_shown_and_its_unit(ordinal_results):
    flat, deep = next(iter(ordinal_results.poses.values()))
    level = ordinal_results.evaluation.metrics["walk"]
    predictions = ordinal_results.predictions
    for figure, unit in (
        (viz.confusion_matrix(level), "%"),
        (viz.class_scores(level), "0 to 1"),
        (viz.predicted_against_rated(predictions, CLASSES), "points"),
        (viz.class_distribution(predictions, CLASSES), "number of walks"),
        (viz.probability_bars({"0": 1.0}), "0 to 1"),
        (viz.animate_2d(flat), "px"),
        (viz.animate_3d(deep), "mm"),
    ):
        assert unit in figure.layout.title.text
