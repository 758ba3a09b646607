"""The reader of Shida 2023: folders of C3D files and an information sheet."""

import sys

import pytest

from gaitmb.errors import ManifestError, MissingExtraError, ReadError
from gaitmb.io.cohorts.shida2023 import READER

COLUMNS = (
    "ID,Gender,Age,Height (cm),Weight (kg),BMI (kg/m2),"
    "ON - UPDRS-III - walking,OFF - UPDRS-III - walking"
)


@pytest.fixture(scope="module")
def c3d(tmp_path_factory, marker_walk, write_c3d):
    return write_c3d(
        tmp_path_factory.mktemp("shida") / "walk.c3d", marker_walk(n_frames=30)
    ).read_bytes()


@pytest.fixture
def cohort(tmp_path, c3d):
    """Two participants, both states, two walks each; the second is not in the sheet's OFF column."""
    for number in (1, 12):
        for state in ("on", "off"):
            folder = tmp_path / f"SUB{number:02d}_{state}"
            folder.mkdir()
            for run in (1, 2):
                (folder / f"SUB{number:02d}_{state}_walk_{run}.c3d").write_bytes(c3d)
    (tmp_path / "SUB01_on" / "SUB01_on_static.c3d").write_bytes(c3d)
    (tmp_path / "PDGinfo.csv").write_text(
        f"{COLUMNS}\nSUB01,M,68,171,80,27.4,1,2\nSUB12,Female,59,158.5,61,24.3,0.0,\n"
    )
    return tmp_path


def ratings(folder):
    walks = READER.list_walks(folder).cohort.walks
    return {(w.id.participant_id, w.id.session_id): w.rating for w in walks}


def test_ratings_are_those_of_the_state_in_which_somebody_walked(cohort):
    assert ratings(cohort) == {
        ("SUB01", "on"): "1",
        ("SUB01", "off"): "2",
        ("SUB12", "on"): "0",
        ("SUB12", "off"): None,
    }
    walks = READER.list_walks(cohort).cohort.walks
    assert len(walks) == 8
    assert {(w.medication, w.id.session_id) for w in walks} == {("on", "on"), ("off", "off")}
    last = walks[-1]
    assert (last.id.walk_id, last.sex, last.age, last.height_m) == ("2", "F", 59, 1.585)


@pytest.mark.parametrize(
    "sheet",
    [
        f"{COLUMNS}\n1,M,68,171,80,27.4,1,2\n12,F,59,158.5,61,24.3,0,-\n",
        f"\ufeff{COLUMNS}\n SUB1 ,M,68,171,80,27.4,1.0,2.0\nsub12,F,59,158.5,61,24.3,0,n/a\n",
        f"{COLUMNS}\n1,M,68,171,80,27.4,1,2\n12,F,59,158.5,61,24.3,0,\n".translate(
            str.maketrans(",.", ";,")
        ),
    ],
    ids=["bare numbers", "byte order mark and blanks", "semicolons and decimal commas"],
)
def test_sheets_as_they_come_from_spreadsheets_mean_the_same(cohort, sheet):
    expected = ratings(cohort)
    (cohort / "PDGinfo.csv").write_text(sheet, encoding="utf-8")
    assert ratings(cohort) == expected


def test_walks_are_h36m_at_150_hz(cohort):
    pose = READER.load(READER.list_walks(cohort).cohort.walks[0])
    assert (pose.skeleton.name, pose.coordinates, pose.n_frames) == ("h36m17", "world_mm", 30)
    assert pose.rate_hz == pytest.approx(150)


def test_who_is_not_in_the_sheet_is_unrated(cohort):
    (cohort / "PDGinfo.csv").write_text(f"{COLUMNS}\n1,M,68,171,80,27.4,1,2\n")
    assert ratings(cohort)[("SUB12", "on")] is None


@pytest.mark.parametrize("cell", ["2.5", "5", "mild"])
def test_ratings_off_the_scale_are_refused(cohort, cell):
    (cohort / "PDGinfo.csv").write_text(f"{COLUMNS}\n1,M,68,171,80,27.4,{cell},2\n")
    with pytest.raises(ManifestError, match=rf"a rating of '{cell}'.*0 to 4"):
        READER.list_walks(cohort)


def test_what_is_lacking_is_named(cohort, tmp_path_factory):
    (cohort / "PDGinfo.csv").write_text("ID,ON - UPDRS-III - walking\n1,2\n")
    with pytest.raises(ManifestError, match="without 'OFF - UPDRS-III - walking'"):
        READER.list_walks(cohort)
    (cohort / "PDGinfo.csv").write_text(f"{COLUMNS}\n1,M,,,,,1,2\n1,M,,,,,1,2\n")
    with pytest.raises(ManifestError, match="one ID twice"):
        READER.list_walks(cohort)
    (cohort / "PDGinfo.csv").unlink()
    with pytest.raises(ManifestError, match="without the information sheet"):
        READER.list_walks(cohort)
    with pytest.raises(ManifestError, match="without its walks"):
        READER.list_walks(tmp_path_factory.mktemp("empty"))


def test_a_spreadsheet_without_its_reader_names_the_extra(cohort, monkeypatch):
    (cohort / "PDGinfo.csv").rename(cohort / "PDGinfo.xlsx")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match="'excel'"):
        READER.list_walks(cohort)


def test_a_spreadsheet_gives_what_the_table_gives(cohort):
    openpyxl = pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")
    expected = ratings(cohort)
    book = openpyxl.Workbook()
    book.active.append(COLUMNS.split(","))
    book.active.append(["SUB01", "M", 68, 171, 80, 27.4, 1, 2])
    book.active.append(["SUB12", "F", 59, 158.5, 61, 24.3, 0, None])
    book.save(cohort / "PDGinfo.xlsx")
    (cohort / "PDGinfo.csv").unlink()
    assert ratings(cohort) == expected


def test_a_damaged_file_fails_alone(cohort):
    (cohort / "SUB01_off" / "SUB01_off_walk_1.c3d").write_bytes(b"")
    first, second, *_ = READER.list_walks(cohort).cohort.walks
    with pytest.raises(ReadError, match="0 bytes"):
        READER.load(first)
    assert READER.load(second).n_frames == 30
