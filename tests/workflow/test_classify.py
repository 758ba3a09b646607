"""`gaitmb classify` as its users run it: what it writes, and how it fails."""

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gaitmb.cli import main
from gaitmb.data.evaluation import METRICS
from gaitmb.data.walk import Walk, WalkId
from gaitmb.io import store
from gaitmb.io.keypoints import read_pose, write_pose
from gaitmb.workflow.classify import without_repeats
from gaitmb.workflow.prepare import PreparedClip, PreparedWalk

QUICK = ["--resamples", "200", "--workers", "1"]


def _classify(manifest: Path | str, out: Path, *more: str) -> int:
    return main(["classify", "--cohort", str(manifest), "--out", str(out), *QUICK, *more])


def _evaluation(out: Path) -> dict:
    document = json.loads((out / "evaluation.json").read_text())
    del document["provenance"]["duration_s"]
    return document


@pytest.fixture(scope="module")
def done(small_cohort, shared_cache, tmp_path_factory) -> Path:
    """The results folder of one good run."""
    out = tmp_path_factory.mktemp("done")
    cache = ["--cache", str(shared_cache)]
    assert _classify(small_cohort.manifest, out, "--resamples", "2000", *cache) == 0
    return out


def test_every_file_of_the_contract_is_there_and_whole(done):
    names = {path.name for path in done.iterdir()}
    assert names == {
        "evaluation.json",
        "predictions.csv",
        "embeddings.parquet",
        "embeddings.json",
        "failures.csv",
        "report.html",
        "gait_features.csv",
        "walks.csv",
        "poses",
        ".gaitmb-results",
    }


def test_the_evaluation_has_the_keys_that_others_read(done):
    document = json.loads((done / "evaluation.json").read_text())
    assert document["schema_version"] == 1
    cohort = document["cohort"]
    assert (cohort["n_participants"], cohort["n_sessions"], cohort["n_walks"]) == (8, 16, 16)
    assert cohort["synthetic"] is False
    assert cohort["n_failed"] == 0
    assert sum(cohort["ratings"].values()) == 16
    assert document["protocol"]["name"] == "loso"
    assert document["protocol"]["n_folds"] == 8
    assert document["protocol"]["unit"] == "participant"
    encoder = document["encoder"]
    assert (encoder["name"], encoder["trained"], encoder["checkpoint_sha256"]) == (
        "motionbert-lite",
        False,
        None,
    )
    assert document["classifier"] == "logistic"
    assert set(document["baselines"]) == {"majority", "prior", "gait_features"}
    for levels in (document["metrics"], *document["baselines"].values()):
        assert set(levels) == {"walk", "participant_session"}
        for metrics in levels.values():
            for name in METRICS:
                assert {"value", "low", "high"} <= set(metrics[name])
                assert metrics[name]["low"] <= metrics[name]["value"] <= metrics[name]["high"]
            assert np.sum(metrics["confusion"]["counts"]) == 16
            assert set(metrics["per_class"]) == {"0", "1", "2"}
    provenance = document["provenance"]
    for key in ("gaitmb_version", "config_digest", "manifest_digest", "seed", "libraries", "duration_s"):
        assert key in provenance


def test_there_is_one_prediction_per_walk_from_the_fold_that_held_its_participant_out(done):
    predictions = pd.read_csv(done / "predictions.csv", dtype={"rating": str, "predicted": str})
    assert list(predictions.columns) == [
        *("participant_id", "session_id", "medication", "walk_id", "rating", "predicted"),
        *("p0", "p1", "p2", "fold", "n_clips", "quality"),
    ]
    assert len(predictions) == 16
    assert len(predictions[["participant_id", "fold"]].drop_duplicates()) == 8
    assert predictions["fold"].nunique() == 8
    probabilities = predictions[["p0", "p1", "p2"]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert predictions["quality"].between(0.5, 1).all()
    best = predictions[["p0", "p1", "p2"]].idxmax(axis=1).str.removeprefix("p")
    assert (best == predictions["predicted"]).mean() > 0.9  # equal to the digits written, now and then


def test_the_metrics_follow_from_the_predictions_that_were_written(done):
    from sklearn.metrics import f1_score

    predictions = pd.read_csv(done / "predictions.csv", dtype={"rating": str, "predicted": str})
    expected = f1_score(predictions["rating"], predictions["predicted"], average="weighted")
    assert _evaluation(done)["metrics"]["walk"]["weighted_f1"]["value"] == pytest.approx(expected)


def test_stored_results_and_poses_are_found_again(done):
    results = store.read_results(done)
    assert len(results.walks) == len(results.gait_features) == 16
    pose, pose_3d = store.read_walk_pose(done, "Muster0", "off", "1")
    assert pose.n_frames == 48
    assert pose_3d is None
    table = store.read_embeddings(done)
    assert table.vectors.shape == (16, 2, 17, 512)
    assert (table.clips["end"] - table.clips["start"] == 48).all()


def test_the_report_says_what_cannot_be_trusted(done):
    page = (done / "report.html").read_text()
    assert "not a medical device" in page
    assert "UNTRAINED" in page.upper()


def test_shuffled_rows_and_another_number_of_workers_change_nothing(small_cohort, done, tmp_path):
    rows = random.Random(4).sample(small_cohort.rows, len(small_cohort.rows))  # noqa: S311
    small_cohort.write(rows)
    try:
        fresh = ["--cache", str(tmp_path / "fresh"), "--resamples", "2000", "--workers", "2"]
        assert _classify(small_cohort.manifest, tmp_path / "out", *fresh) == 0
    finally:
        small_cohort.write(small_cohort.rows)
    for name in (
        "predictions.csv",
        "embeddings.parquet",
        "walks.csv",
        "gait_features.csv",
        "report.html",
    ):
        assert (tmp_path / "out" / name).read_bytes() == (done / name).read_bytes(), name
    assert _evaluation(tmp_path / "out") == _evaluation(done)


@pytest.mark.skipif(os.name != "posix", reason="the test kills a process group as POSIX does")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_stopped_is_resumed_to_the_same_bytes(small_cohort, done, tmp_path, how):
    out, cache = tmp_path / "out", tmp_path / "cache"
    command = [sys.executable, "-m", "gaitmb", "classify", "--cohort", str(small_cohort.manifest)]
    command += ["--out", str(out), "--cache", str(cache), "--resamples", "2000", "--workers", "2"]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE) as process:
        for _ in range(1200):
            if len(list(cache.glob("embeddings/*/*.npy"))) >= 3 or process.poll() is not None:
                break
            time.sleep(0.05)
        assert process.poll() is None
        os.killpg(process.pid, how)
        code = process.wait(timeout=60)
    assert code == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert not (out / "evaluation.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in cache.glob("embeddings/*/*.npy")}
    assert 3 <= len(kept) < 16
    more = ["--cache", str(cache), "--resamples", "2000"]
    assert _classify(small_cohort.manifest, out, *more) == 0
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    for name in ("predictions.csv", "embeddings.parquet", "report.html"):
        assert (out / name).read_bytes() == (done / name).read_bytes(), name
    assert _evaluation(out) == _evaluation(done)


def test_json_prints_the_evaluation_and_nothing_else(small_cohort, tmp_path, capfd):
    assert _classify(small_cohort.manifest, tmp_path / "out", "--json") == 0
    said = capfd.readouterr()
    assert json.loads(said.out) == json.loads((tmp_path / "out/evaluation.json").read_text())
    assert said.err == ""


def test_bad_rows_and_files_cost_the_others_nothing(small_cohort, tmp_path, capfd):
    folder = small_cohort.folder
    good = (folder / "walk00.npz").read_bytes()
    (folder / "cut.npz").write_bytes(good[: len(good) // 2])
    (folder / "flipped.npz").write_bytes(good[:2000] + bytes([good[2000] ^ 255]) + good[2001:])
    (folder / "text.npz").write_text("not an archive")
    (folder / "movie.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    rows = [dict(row) for row in small_cohort.rows]
    for number, name in enumerate(("cut.npz", "flipped.npz", "text.npz", "movie.mp4", "gone.npz")):
        rows[2 * number]["path"] = name
    rows[11]["rating"] = "5"
    rows[11]["medication"] = "maybe"
    rows[13]["rating"] = ""
    manifest = small_cohort.write(rows, "bad.csv")
    assert _classify(manifest, tmp_path / "out") == 3
    failures = pd.read_csv(tmp_path / "out/failures.csv")
    assert sorted(failures["row"]) == [2, 4, 6, 8, 10, 13, 13]
    assert set(failures.loc[failures["row"] == 13, "column"]) == {"rating", "medication"}
    assert failures["reason"].str.len().gt(10).all()
    document = _evaluation(tmp_path / "out")
    assert document["cohort"]["n_walks"] == 10
    assert document["cohort"]["n_failed"] == 6
    assert document["cohort"]["n_unrated"] == 1
    predictions = pd.read_csv(tmp_path / "out/predictions.csv", dtype=str, keep_default_na=False)
    assert len(predictions) == 10
    assert (predictions["rating"] == "").sum() == 1
    assert (predictions["predicted"] != "").all()
    said = capfd.readouterr()
    assert "Muster" not in said.out + said.err
    assert "6 walks could not be used" in said.out


def test_identities_never_reach_the_terminal_or_the_cache(small_cohort, tmp_path, capfd, shared_cache):
    rows = [dict(row) for row in small_cohort.rows]
    rows[3]["participant_id"] = rows[3]["participant_id"].lower()
    rows[5]["path"] = "../elsewhere.npz"
    _classify(small_cohort.write(rows, "secret.csv"), tmp_path / "out")
    said = capfd.readouterr()
    names = " ".join(str(path) for path in shared_cache.rglob("*"))
    for text in (said.out, said.err, names):
        assert "muster" not in text.lower()
    reasons = pd.read_csv(tmp_path / "out/failures.csv")[["reason", "what_to_do"]].to_string()
    assert "muster" not in reasons.lower()


def test_no_usable_walk_is_exit_4_with_the_reasons_written(small_cohort, tmp_path, capfd):
    rows = [{**row, "path": "gone.npz"} for row in small_cohort.rows]
    assert _classify(small_cohort.write(rows, "none.csv"), tmp_path / "out") == 4
    assert len(pd.read_csv(tmp_path / "out/failures.csv")) >= 16
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("change", "arguments", "code", "said"),
    [
        ({"rating": "1"}, [], 4, "2 classes"),
        ({"rating": ""}, [], 4, "rat"),
        ({}, ["--protocol", "kfold", "--folds", "9"], 2, "8"),
        ({"participant_id": "one"}, [], 4, "participant"),
    ],
)
def test_what_cannot_be_scored_is_explained(
    small_cohort, tmp_path, capfd, change, arguments, code, said
):
    rows = [{**row, **change, "walk_id": str(n)} for n, row in enumerate(small_cohort.rows)]
    if "participant_id" in change:
        rows = [{**row, "session_id": row["medication"]} for row in rows]
    assert _classify(small_cohort.write(rows, "odd.csv"), tmp_path / "out", *arguments) == code
    error = capfd.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cohort", "dmeo"], "Did you mean 'demo'?"),
        (["--cohort", "calgary"], "calgary:FOLDER"),
        (["--cohort", "calgary:no/such/folder"], ""),
        (["--cohort", "no_such.csv"], ""),
        (["--cohort", "demo", "--classifier", "svn"], "Did you mean 'svm'?"),
        (["--cohort", "demo", "--encoder", "motionbert-light"], "Did you mean 'motionbert-lite'?"),
        (["--cohort", "demo", "--pooling", "max"], "mean_std"),
        (["--cohort", "demo", "--view", "above"], "front"),
        (["--cohort", "demo", "--checkpoint", "none.bin"], "cannot be opened"),
        (["--cohort", "demo", "--workers", "0"], "at least 1"),
        (["--cohort", "demo", "--resamples", "3"], "at least 100"),
        (["--cohort", "demo", "--seed", "18446744073709551616"], "4294967295"),
        (["--config", "none.toml"], "TOML"),
        ([], "--cohort demo"),
    ],
)
def test_a_wrong_setting_is_exit_2_with_a_way_out(tmp_path, capfd, arguments, said):
    assert main(["classify", "--out", str(tmp_path / "out"), *arguments]) == 2
    error = capfd.readouterr().err
    assert error.startswith("gaitmb: ")
    assert error.count("\n") == 1
    assert said in error


def test_a_checkpoint_is_used_and_named(small_cohort, tmp_path):
    import torch

    from gaitmb.motion.encoder import load_encoder

    network = load_encoder("motionbert-lite", seed=7).network
    published = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save({"epoch": 1, "model_pos": published}, tmp_path / "best.bin")
    rows = small_cohort.write(small_cohort.rows[:8], "few.csv")
    assert _classify(rows, tmp_path / "out", "--checkpoint", str(tmp_path / "best.bin")) == 0
    encoder = _evaluation(tmp_path / "out")["encoder"]
    assert encoder["trained"] is True
    assert len(encoder["checkpoint_sha256"]) == 64
    assert "UNTRAINED" not in (tmp_path / "out/report.html").read_text().upper()


def test_poses_of_an_earlier_cohort_do_not_stay_in_a_folder_used_again(small_cohort, tmp_path):
    few = small_cohort.write(small_cohort.rows[:8], "few.csv")
    assert _classify(small_cohort.manifest, tmp_path / "out") == 0
    assert len(list((tmp_path / "out/poses").iterdir())) == 16
    assert _classify(few, tmp_path / "out") == 0
    assert len(list((tmp_path / "out/poses").iterdir())) == 8


def test_nobody_elses_files_are_touched(small_cohort, tmp_path, capfd):
    folder = tmp_path / "mine"
    shutil.copytree(small_cohort.folder, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert _classify(folder / "small.csv", folder) == 2
    assert "holds other files" in capfd.readouterr().err
    assert _classify(folder / "small.csv", folder / "small.csv") == 2
    (folder / ".gaitmb-results").touch()
    assert _classify(folder / "small.csv", folder) == 2
    assert "lie in the results folder" in capfd.readouterr().err
    (folder / ".gaitmb-results").unlink()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_run_that_finds_nothing_leaves_no_older_result_beside_its_failures(small_cohort, tmp_path):
    out = tmp_path / "out"
    assert _classify(small_cohort.write(small_cohort.rows[:8], "few.csv"), out) == 0
    rows = [{**row, "rating": "1"} for row in small_cohort.rows[:7]]
    rows.append({**small_cohort.rows[7], "path": "gone.npz"})
    assert _classify(small_cohort.write(rows, "one.csv"), out) == 4
    assert len(pd.read_csv(out / "failures.csv")) == 1
    assert not any(
        (out / name).exists() for name in ("evaluation.json", "report.html", "predictions.csv")
    )


def _prepared(participant: str, session: str, rating: str | None, keys: str) -> PreparedWalk:
    walk = Walk(WalkId(participant, session, keys), "manifest", rating=rating)
    clips = tuple(PreparedClip(0, 9, key) for key in keys.rstrip("'"))
    return PreparedWalk(walk, clips, {}, "", 9, 30.0, 1.0, "", "")


def test_a_recording_that_stands_under_several_walks_does_not_leak():
    other = _prepared("C", "on", "0", "xy")
    kept, failures = without_repeats(
        [_prepared("A", "on", "1", "ab"), _prepared("B", "on", "1", "ab"), other]
    )
    assert kept == [other]
    assert len(failures) == 2
    first, again = _prepared("A", "on", "1", "ab"), _prepared("A", "on", "1", "ab'")
    kept, failures = without_repeats([first, again, other])
    assert kept == [first, other]
    assert [failure.walk_id for failure in failures] == ["ab'"]
    kept, failures = without_repeats([first, _prepared("A", "on", "2", "ab'"), other])
    assert kept == [other]
    assert len(failures) == 2


def test_a_long_walk_keeps_the_clips_in_which_it_was_seen(small_cohort, tmp_path):
    pose = read_pose(small_cohort.folder / "walk00.npz")
    positions = np.tile(pose.positions, (6, 1, 1))
    confidence = np.tile(pose.confidence, (6, 1))
    confidence[-96:] = 0
    time_s = np.arange(len(positions)) / 30
    long = dataclasses.replace(pose, positions=positions, confidence=confidence, time_s=time_s)
    write_pose(small_cohort.folder / "long.npz", long)
    rows = [dict(row) for row in small_cohort.rows[:8]]
    rows[0]["path"] = "long.npz"
    (tmp_path / "study.toml").write_text("[encoder]\nmax_frames = 48\n")
    more = ["--config", str(tmp_path / "study.toml")]
    assert _classify(small_cohort.write(rows, "long.csv"), tmp_path / "out", *more) == 0
    walks = pd.read_csv(tmp_path / "out/walks.csv")
    assert walks["n_poor_clips"].tolist() == [2, *[0] * 7]
    assert len(store.read_embeddings(tmp_path / "out")) == 4 + 7
    assert "2 clips of 1 walks" in _evaluation(tmp_path / "out")["notes"][0]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the test finds workers in /proc as Linux has it")
def test_a_worker_that_is_killed_costs_nothing(small_cohort, done, tmp_path):
    out, cache = tmp_path / "out", tmp_path / "cache"
    command = [sys.executable, "-m", "gaitmb", "classify", "--cohort", str(small_cohort.manifest)]
    command += ["--out", str(out), "--cache", str(cache), "--resamples", "2000", "--workers", "2"]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as process:
        for _ in range(1200):
            if len(list(cache.glob("embeddings/*/*.npy"))) >= 2 or process.poll() is not None:
                break
            time.sleep(0.05)
        os.kill(_a_worker_of(process.pid), signal.SIGKILL)
        assert process.wait(timeout=120) == 0
    assert (out / "predictions.csv").read_bytes() == (done / "predictions.csv").read_bytes()


def _a_worker_of(session: int) -> int:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (
                os.getsid(int(entry.name)) == session
                and b"popen_loky" in (entry / "cmdline").read_bytes()
            ):
                return int(entry.name)
        except OSError:
            continue
    raise AssertionError("no worker was found")


def test_further_columns_reach_the_walks_table_and_brackets_the_terminal(small_cohort, tmp_path, capfd):
    rows = [{**row, "path": f"{row['path']}"} for row in small_cohort.rows[:8]]
    manifest = small_cohort.write(rows, "walks[old].csv")
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join([f"{lines[0]},ward", *(f"{line},seven" for line in lines[1:])]))
    assert _classify(manifest, tmp_path / "out[1]") == 0
    assert pd.read_csv(tmp_path / "out[1]/walks.csv")["meta_ward"].tolist() == ["seven"] * 8
    said = capfd.readouterr().out
    assert "walks[old]: 8 walks" in said
    assert "out[1]/report.html" in said


def test_a_full_disk_ends_in_one_line_and_leaves_no_torn_file(
    small_cohort, tmp_path, monkeypatch, capfd
):
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_text", full)
    assert _classify(small_cohort.manifest, tmp_path / "out") == 2
    assert "No space left on device" in capfd.readouterr().err
    assert not (tmp_path / "out/evaluation.json").exists()
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
