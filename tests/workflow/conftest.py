"""A small cohort in files, as a user would have it."""

import csv
from pathlib import Path

import pytest

from gaitmb.io.cohorts import load_walk, open_cohort
from gaitmb.io.keypoints import write_pose

COLUMNS = ("participant_id", "session_id", "walk_id", "path", "rating", "medication")


class SmallCohort:
    """A manifest of eight participants, two sessions each, 1.6 s a walk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "small.csv"
        self.rows: list[dict[str, str]] = []
        walks = [walk for walk in open_cohort("demo").cohort.walks if walk.id.walk_id == "01"][::3][:16]
        for number, walk in enumerate(walks):
            name = f"walk{number:02d}.npz"
            write_pose(folder / name, load_walk(walk).slice(20, 68))
            identity = (f"Muster{number // 2}", ("off", "on")[number % 2], "1")
            rating = str((number // 2 + number % 2) % 3)
            row = (*identity, name, rating, identity[1])
            self.rows.append(dict(zip(COLUMNS, row, strict=True)))
        self.write(self.rows)

    def write(self, rows: list[dict[str, str]], name: str = "small.csv") -> Path:
        """Write a manifest of these rows beside the walks."""
        path = self.folder / name
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(rows)
        return path


@pytest.fixture(scope="session")
def small_cohort(tmp_path_factory: pytest.TempPathFactory) -> SmallCohort:
    return SmallCohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedding cache that all tests of a session fill together."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared_cache: Path) -> None:
    monkeypatch.setenv("GAITMB_CACHE", str(shared_cache))
    monkeypatch.setenv("GAITMB_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.chdir(tmp_path)
