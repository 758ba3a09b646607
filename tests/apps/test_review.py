"""Every page of the app, in every state that results can be in."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

ENTRY = Path(__file__).resolve().parents[2] / "apps" / "review.py"
PAGES = ("walks", "walk", "evaluation")


@pytest.fixture(autouse=True)
def _own_arguments(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["review.py"])
    monkeypatch.delenv("GAITMB_RESULTS", raising=False)


def opened(monkeypatch, root, page="walks"):
    monkeypatch.setenv("GAITMB_RESULTS", str(root))
    app = AppTest.from_file(str(ENTRY), default_timeout=60).run()
    if page != "walks":
        app = app.switch_page(f"review_pages/{page}.py").run()
    assert not app.exception, app.exception
    return app


def words(elements):
    return " ".join(str(element.value) for element in elements)


def labelled(elements, label):
    return next(element for element in elements if element.label == label)


def test_without_results_the_command_that_makes_them_is_shown(monkeypatch, tmp_path):
    app = opened(monkeypatch, tmp_path)
    assert "gaitmb classify --cohort demo" in words(app.code)


@pytest.mark.parametrize("page", PAGES)
def test_synthetic_and_untrained_are_said_on_every_page(monkeypatch, tmp_path, ordinal_results, page):
    ordinal_results.write(tmp_path / "example")
    app = opened(monkeypatch, tmp_path, page)
    assert "SYNTHETIC" in words(app.warning)
    assert "UNTRAINED" in words(app.warning)
    assert "Research use only" in words(app.caption)


@pytest.mark.parametrize("page", PAGES)
def test_named_classes_of_a_real_cohort_are_shown_without_banner(
    monkeypatch, tmp_path, named_results, page
):
    named_results.write(tmp_path / "sides")
    app = opened(monkeypatch, tmp_path, page)
    assert not app.warning
    assert app.title[0].value.lower() == page


def test_the_folder_itself_may_be_named(monkeypatch, tmp_path, named_results):
    app = opened(monkeypatch, named_results.write(tmp_path / "sides"))
    assert app.sidebar.selectbox[0].options == ["sides"]


def test_the_results_argument_wins_over_the_environment(monkeypatch, tmp_path, named_results):
    named_results.write(tmp_path / "there" / "sides")
    monkeypatch.setattr(sys, "argv", ["review.py", "--results", str(tmp_path / "there")])
    app = opened(monkeypatch, tmp_path / "nowhere")
    assert app.title[0].value == "Walks"


def test_one_of_several_results_is_chosen_in_the_sidebar(
    monkeypatch, tmp_path, ordinal_results, named_results
):
    ordinal_results.write(tmp_path / "example")
    named_results.write(tmp_path / "sides")
    app = opened(monkeypatch, tmp_path)
    choice = app.sidebar.selectbox[0]
    assert sorted(choice.options) == ["example", "sides"]
    choice.select_index(choice.options.index("example")).run()
    assert len(app.dataframe[0].value) == 32
    choice = app.sidebar.selectbox[0]
    choice.select_index(choice.options.index("sides")).run()
    assert len(app.dataframe[0].value) == 36
    assert not app.exception


def test_results_of_another_version_are_refused_in_a_line(monkeypatch, tmp_path, named_results):
    folder = named_results.write(tmp_path / "sides")
    text = (folder / "evaluation.json").read_text("utf-8")
    (folder / "evaluation.json").write_text(
        text.replace('"schema_version": 1', '"schema_version": 99'), "utf-8"
    )
    app = opened(monkeypatch, tmp_path)
    assert "schema version 99" in words(app.error).replace("\\", "")


def test_rewritten_results_are_read_again(monkeypatch, tmp_path, named_results, ordinal_results):
    folder = named_results.write(tmp_path / "same")
    app = opened(monkeypatch, tmp_path)
    assert len(app.dataframe[0].value) == 36
    ordinal_results.write(folder)
    os.utime(folder / "evaluation.json", ns=(2_000_000_000 * 10**9,) * 2)
    app.run()
    assert len(app.dataframe[0].value) == 32


def test_walks_can_be_narrowed_to_those_that_differ_and_sorted(monkeypatch, tmp_path, ordinal_results):
    ordinal_results.write(tmp_path / "example")
    app = opened(monkeypatch, tmp_path)
    table = ordinal_results.predictions
    differing = table[(table["rating"] != "") & (table["rating"] != table["predicted"])]
    labelled(app.selectbox, "Show").select("Differing from the rating").run()
    shown = app.dataframe[0].value
    assert len(shown) == len(differing)
    assert shown["agreement"].str.startswith("differs by +1").all()
    labelled(app.selectbox, "Show").select("All walks").run()
    labelled(app.selectbox, "Sort by").select("Largest difference").run()
    assert app.dataframe[0].value["agreement"].iloc[0].startswith("differs")
    assert app.dataframe[0].value["agreement"].iloc[-1] == "not rated"


def test_walks_can_be_narrowed_to_a_participant_and_a_state(monkeypatch, tmp_path, ordinal_results):
    ordinal_results.write(tmp_path / "example")
    app = opened(monkeypatch, tmp_path)
    labelled(app.multiselect, "Participants").select("P02").run()
    labelled(app.multiselect, "Medication").select("off").run()
    shown = app.dataframe[0].value
    assert set(shown["participant_id"]) == {"P02"}
    assert set(shown["session_id"]) == {"off"}


def test_what_was_left_out_is_listed(monkeypatch, tmp_path, named_results):
    named_results.write(tmp_path / "sides")
    app = opened(monkeypatch, tmp_path)
    assert app.dataframe[1].value["reason"].tolist() == ["the file is empty"]


def test_a_walk_left_out_for_two_reasons_is_counted_once(monkeypatch, tmp_path, named_results):
    named_results.failures = pd.concat([named_results.failures] * 2, ignore_index=True)
    named_results.write(tmp_path / "sides")
    app = opened(monkeypatch, tmp_path)
    assert labelled(app.metric, "Left out").value == "1"
    assert len(app.dataframe[1].value) == 2


def test_a_walk_shows_its_rating_features_with_units_and_both_skeletons(
    monkeypatch, tmp_path, ordinal_results
):
    ordinal_results.write(tmp_path / "example")
    app = opened(monkeypatch, tmp_path, "walk")
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Rated"] == "1"
    features = app.dataframe[0].value.set_index("Feature")
    assert features.loc["cadence", "Unit"] == "steps/min"
    assert features.loc["cadence", "This walk"] == 100
    assert features.loc["speed", "Unit"] == "leg lengths/s"
    assert features.loc["step regularity", "Unit"] == "–"
    assert len(app.get("plotly_chart")) == 3


def test_a_walk_recorded_in_2d_says_so(monkeypatch, tmp_path, named_results):
    named_results.write(tmp_path / "sides")
    app = opened(monkeypatch, tmp_path, "walk")
    assert "This walk is in 2D" in words(app.info)
    assert len(app.get("plotly_chart")) == 2


def test_another_walk_can_be_chosen(monkeypatch, tmp_path, ordinal_results):
    ordinal_results.write(tmp_path / "example")
    app = opened(monkeypatch, tmp_path, "walk")
    labelled(app.selectbox, "Walk to show").select_index(31).run()
    assert {metric.label: metric.value for metric in app.metric}["Rated"] == "–"
    assert not app.exception


def test_a_lost_pose_file_is_explained_and_the_rest_is_shown(monkeypatch, tmp_path, ordinal_results):
    folder = ordinal_results.write(tmp_path / "example")
    for path in (folder / "poses").iterdir():
        path.unlink()
    app = opened(monkeypatch, tmp_path, "walk")
    assert "cannot be read" in words(app.error)
    assert app.metric
    assert str(folder) not in words(app.error)


def test_the_evaluation_shows_intervals_at_both_levels(monkeypatch, tmp_path, ordinal_results):
    ordinal_results.write(tmp_path / "example")
    app = opened(monkeypatch, tmp_path, "evaluation")
    stored = ordinal_results.evaluation.metrics
    shown = stored["walk"].metrics["weighted_f1"]
    assert app.metric[0].value == f"{shown.value:.2f}"
    assert str(shown) in words(app.caption)
    assert "the interval over 8 participants" in words(app.caption)
    app.radio[0].set_value("participant_session").run()
    assert str(stored["participant_session"].metrics["weighted_f1"]) in words(app.caption)


def test_ordinal_metrics_that_do_not_exist_are_explained(monkeypatch, tmp_path, named_results):
    named_results.write(tmp_path / "sides")
    app = opened(monkeypatch, tmp_path, "evaluation")
    assert "names, not an order" in words(app.info)
    assert "rated in one participant only" in words(app.info)


def test_few_resamples_are_noted_beside_the_figures(monkeypatch, tmp_path, named_results):
    named_results.evaluation.protocol["n_resamples"] = 200
    named_results.write(tmp_path / "sides")
    app = opened(monkeypatch, tmp_path, "evaluation")
    assert "200 resamples of participants, fewer than the usual 2,000" in words(app.info)


def test_text_of_the_data_is_no_markdown(monkeypatch, tmp_path, named_results):
    named_results.evaluation.cohort["citation"] = "![x](https://x.example/pixel.png)"
    named_results.write(tmp_path / "sides")
    app = opened(monkeypatch, tmp_path, "evaluation")
    assert "![x](" not in words(app.markdown)


def test_the_app_never_loads_torch(tmp_path, ordinal_results):
    ordinal_results.write(tmp_path / "example")
    code = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"app = AppTest.from_file({str(ENTRY)!r}, default_timeout=60).run()\n"
        "for page in ('walk', 'evaluation'):\n"
        "    app = app.switch_page(f'review_pages/{page}.py').run()\n"
        "    assert not app.exception\n"
        "assert app.title[0].value == 'Evaluation'\n"
        "print('torch' in sys.modules, 'sklearn' in sys.modules)\n"
    )
    environment = {**os.environ, "GAITMB_RESULTS": str(tmp_path), "PYTHONPATH": str(ENTRY.parents[1])}
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=environment,
    )
    assert run.stdout.split() == ["False", "False"]
