"""The study runs from stored results alone and reaches an answer."""

from pathlib import Path

import pytest

from gaitmb.config import StudyConfig, read_config

STUDY = Path(__file__).resolve().parents[2] / "studies" / "00_demo_cohort"


def test_its_settings_are_those_of_a_run_of_classify():
    assert StudyConfig(**read_config(STUDY / "study.toml")).cohort == "demo"


def test_its_question_and_answer_say_that_the_cohort_is_synthetic():
    text = (STUDY / "README.md").read_text("utf-8")
    assert "## Question" in text
    assert "## Answer" in text
    assert "synthetic" in text


def executed(monkeypatch, tmp_path, results):
    jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    monkeypatch.setenv("GAITMB_RESULTS", str(results.write(tmp_path / "results")))
    monkeypatch.setenv("PYTHONPATH", str(STUDY.parents[1]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = jupytext.read(STUDY / "demo_cohort.py")
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(STUDY)}}
    )
    return client.execute()


def said(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    data = [output["data"] for output in outputs if "data" in output]
    return " ".join(d.get("text/markdown", "") for d in data), data


@pytest.mark.slow
def test_the_notebook_answers_from_stored_results(monkeypatch, tmp_path, ordinal_results):
    text, data = said(executed(monkeypatch, tmp_path, ordinal_results))
    assert "SYNTHETIC COHORT" in text
    assert "UNTRAINED ENCODER" in text
    # OFF was made one point worse than ON in every participant; one ON walk is not rated.
    assert "as predicted and -1.00 [" in text
    assert sum("application/vnd.plotly.v1+json" in one for one in data) == 4
    assert not any("torch" in str(one) for one in data)
