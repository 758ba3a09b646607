"""What several tests share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gaitmb.data.evaluation import (
    LEVELS,
    ORDINAL_METRICS,
    ClassScore,
    Evaluation,
    Interval,
    LevelMetrics,
)
from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import H36M17

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data and golden outputs beside the checkout; tests that need them skip without."""
    if not SHARED.is_dir():
        pytest.skip("the shared reference data are not on this machine")
    return SHARED


@dataclass
class ExampleResults:
    """Made-up results: nothing was classified; what is in them is known."""

    evaluation: Evaluation
    predictions: pd.DataFrame
    failures: pd.DataFrame
    poses: dict[tuple[str, str, str], tuple[PoseSequence, PoseSequence | None]]

    def write(self, folder: Path) -> Path:
        """Store them as classify does."""
        from gaitmb.io import store

        walks = self.predictions[
            ["participant_id", "session_id", "walk_id", "medication", "rating", "quality"]
        ].copy()
        keys = walks[["participant_id", "session_id", "walk_id"]].itertuples(index=False, name=None)
        names = []
        for key in keys:
            flat, deep = self.poses[key]
            names.append((store.store_pose(folder, flat), deep and store.store_pose(folder, deep)))
        walks["view"] = "front"
        walks["n_frames"], walks["rate_hz"] = 40, 30.0
        walks["pose"] = [name for name, _ in names]
        walks["pose_3d"] = [name or "" for _, name in names]
        walks["synthetic"] = self.evaluation.cohort["synthetic"]
        for column in ("site", "dataset", "age", "sex", "height_m", "leg_length_m"):
            walks[column] = ""
        features = walks[["participant_id", "session_id", "walk_id"]].copy()
        features["cadence_spm"] = 100.0 + np.arange(len(features))
        features["speed_ll_per_s"] = 1.4
        features["step_regularity"] = 0.9
        features["arm_swing_left_deg"] = np.where(np.arange(len(features)) % 3, 12.5, np.nan)
        store.write_json(folder / "evaluation.json", self.evaluation.to_dict())
        store.write_csv(folder / "predictions.csv", self.predictions)
        store.write_csv(folder / "failures.csv", self.failures)
        store.write_csv(folder / "walks.csv", walks)
        store.write_csv(folder / "gait_features.csv", features)
        return folder


def _stick_figure(phase: float, n_frames: int = 40) -> PoseSequence:
    """A figure whose legs swing, in world millimetres with z up, walking along x."""
    time_s = np.arange(n_frames) / 30
    upright = {
        "pelvis": (0, 950), "right_hip": (-130, 940), "right_knee": (-140, 500),
        "right_ankle": (-140, 80), "left_hip": (130, 940), "left_knee": (140, 500),
        "left_ankle": (140, 80), "spine": (0, 1200), "thorax": (0, 1420), "nose": (0, 1560),
        "head": (0, 1680), "left_shoulder": (180, 1400), "left_elbow": (220, 1120),
        "left_wrist": (230, 880), "right_shoulder": (-180, 1400), "right_elbow": (-220, 1120),
        "right_wrist": (-230, 880),
    }  # fmt: skip
    swing = 250 * np.sin(2 * np.pi * 0.9 * time_s + phase)
    positions = np.zeros((n_frames, 17, 3))
    for joint, (sideways, up) in upright.items():
        side = {"left": 1, "right": -1}.get(joint.split("_")[0], 0)
        arm = -1 if joint.endswith(("elbow", "wrist")) else 1
        reach = abs(up - (1400 if arm < 0 else 940)) / 860
        column = H36M17.index(joint)
        forward = 1000 * time_s + swing * side * arm * (reach if side else 0)
        positions[:, column] = np.stack(
            [forward, np.full(n_frames, sideways), np.full(n_frames, up)], axis=-1
        )
    confidence = np.ones((n_frames, 17))
    confidence[5:8, H36M17.index("left_wrist")] = 0
    return PoseSequence(positions, confidence, time_s, H36M17, CoordinateSystem.WORLD_MM)


def _seen_from_the_front(pose: PoseSequence) -> PoseSequence:
    _, sideways, up = np.moveaxis(pose.positions, -1, 0)
    return PoseSequence(
        np.stack([960 + sideways / 3, 900 - up / 3], axis=-1),
        pose.confidence * 0.9,
        pose.time_s,
        H36M17,
        CoordinateSystem.IMAGE_PX,
        size_px=(1920, 1080),
        view="front",
    )


def _level(scored, classes, shift, reason=""):
    rated, predicted = scored["rating"], scored["predicted"]
    counts = np.array([[np.sum((rated == a) & (predicted == b)) for b in classes] for a in classes])
    hits, rows, columns = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    precision, recall = hits / np.maximum(columns, 1), hits / np.maximum(rows, 1)
    f1 = 2 * hits / np.maximum(rows + columns, 1)
    values = {
        "weighted_f1": (f1 * rows).sum() / max(rows.sum(), 1) - shift,
        "macro_f1": f1.mean() - shift,
        "balanced_accuracy": recall.mean() - shift,
        "qwk": 0.51 - shift,
        "mae": 0.6 + shift,
        "within_one": 0.85 - shift,
    }
    metrics = {
        name: Interval(None, reason=reason)
        if reason and name in ORDINAL_METRICS
        else Interval(float(value), float(value) - 0.12, float(value) + 0.1)
        for name, value in values.items()
    }
    scores = {
        name: ClassScore(float(p), float(r), float(f), int(n))
        for name, p, r, f, n in zip(classes, precision, recall, f1, rows, strict=True)
    }
    return LevelMetrics(
        metrics,
        scores,
        tuple(classes),
        tuple(tuple(map(int, row)) for row in counts),
        n_scored=int(rows.sum()),
        n_participants=int(scored["participant_id"].nunique()),
    )


def _example(name, scale, rows, *, synthetic, trained, failures=(), ordinal=True) -> ExampleResults:
    present = [c for c in scale if c in {row[3] for row in rows} | {row[4] for row in rows}]
    records = []
    for number, (participant, session, medication, rating, predicted) in enumerate(rows):
        weights = [3.0 if c == predicted else 1.0 / (1 + abs(scale.index(c) - scale.index(predicted)))
                   for c in present]  # fmt: skip
        records.append(
            {
                "participant_id": participant,
                "session_id": session,
                "medication": medication,
                "walk_id": f"{number % 2 + 1:02d}",
                "rating": rating,
                "predicted": predicted,
                **{f"p{c}": round(w / sum(weights), 4) for c, w in zip(present, weights, strict=True)},
                "fold": number // 4,
                "n_clips": 1,
                "quality": 0.97,
            }
        )
    predictions = pd.DataFrame(records)
    scored = predictions[predictions["rating"] != ""]
    reason = "" if ordinal else "the classes have names, not an order"
    metrics = {level: _level(scored, present, 0.02 * n, reason) for n, level in enumerate(LEVELS)}
    baselines = {
        baseline: {level: _level(scored, present, shift, reason) for level in LEVELS}
        for baseline, shift in (("majority", 0.4), ("prior", 0.35), ("gait_features", 0.05))
    }
    comparisons = {
        baseline: {level: Interval(shift, shift - 0.1, shift + 0.1) for level in LEVELS}
        for baseline, shift in (("majority", 0.4), ("prior", 0.35), ("gait_features", 0.05))
    }
    ratings = scored["rating"].value_counts()
    evaluation = Evaluation(
        cohort={
            "name": name,
            "synthetic": synthetic,
            "n_participants": int(predictions["participant_id"].nunique()),
            "n_sessions": len(predictions[["participant_id", "session_id"]].drop_duplicates()),
            "n_walks": len(predictions),
            "n_failed": len(failures),
            "n_unrated": int((predictions["rating"] == "").sum()),
            "ratings": {c: int(ratings[c]) for c in present if c in ratings},
            "scale": {
                "name": "updrs_gait" if ordinal else "sides",
                "classes": list(scale),
                "ordinal": ordinal,
            },
            "licence": "CC0-1.0",
            "citation": "Nobody (2026): made up for tests.",
        },
        protocol={
            "name": "loso",
            "n_folds": int(predictions["participant_id"].nunique()),
            "unit": "participant",
            "n_resamples": 2000,
            "interval_level": 0.95,
        },
        encoder={
            "name": "motionbert-lite",
            "trained": trained,
            "checkpoint_sha256": "ab" * 32 if trained else None,
            "licence": "Apache-2.0",
        },
        classifier="logistic",
        notes=("class <3> was rated in one participant only",),
        metrics=metrics,
        baselines=baselines,
        comparisons=comparisons,
        provenance={
            "gaitmb_version": "0.1.0",
            "config": {"cohort": name, "seed": 0},
            "config_digest": "cd" * 32,
            "manifest_digest": "ef" * 32,
            "seed": 0,
            "libraries": {"numpy": "2.0", "torch": "2.5"},
            "duration_s": 12.25,
        },
    )
    poses = {}
    keys = predictions[["participant_id", "session_id", "walk_id"]].itertuples(index=False, name=None)
    for number, key in enumerate(keys):
        deep = _stick_figure(phase=0.3 * number)
        poses[key] = (_seen_from_the_front(deep), deep if ordinal else None)
    columns = [
        "participant_id", "session_id", "walk_id", "row", "column", "stage", "reason", "what_to_do"
    ]  # fmt: skip
    return ExampleResults(evaluation, predictions, pd.DataFrame(failures, columns=columns), poses)


@pytest.fixture
def ordinal_results() -> ExampleResults:
    """A synthetic cohort on the 0 to 4 scale, untrained encoder: 8 participants, ON and OFF, 2 walks."""
    rows = []
    for number in range(8):
        for medication, base in (("off", 1 + number % 3), ("on", number % 3)):
            for walk in range(2):
                wrong = (number + walk) % 4 == 0
                rows.append((f"P{number + 1:02d}", medication, medication, str(base), str(base + wrong)))
    rows[-1] = ("P08", "on", "on", "", "1")
    return _example("example", ("0", "1", "2", "3", "4"), rows, synthetic=True, trained=False)


@pytest.fixture
def named_results() -> ExampleResults:
    """A real-looking cohort of named classes, trained encoder, 2D only, one walk left out."""
    rows = []
    for number in range(6):
        for order, rating in enumerate(("N", "AR", "AL")):
            predicted = "AR" if (number, order) == (0, 0) else rating
            rows.extend([(f"S{number + 1}", f"ses{order}", "na", rating, predicted)] * 2)
    failure = ("S9", "ses0", "01", 12, "path", "read", "the file is empty", "Record the walk again")
    return _example(
        "sides",
        ("N", "AR", "AL"),
        rows,
        synthetic=False,
        trained=True,
        failures=[failure],
        ordinal=False,
    )
