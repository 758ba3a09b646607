"""A manifest is read rightly, or says row by row and column by column why not."""

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from gaitmb.data.walk import Failure
from gaitmb.errors import ManifestError, ReadError
from gaitmb.io.cohorts import CohortListing, load_walk, open_cohort
from gaitmb.io.manifest import list_walks

HEADER = ["participant_id", "session_id", "walk_id", "path", "rating"]
Rows = list[list[str]]


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., CohortListing]:
    """Write a manifest of rows beside files with contents of their own, and list it."""

    def write_and_list(rows: Rows, header: list[str] = HEADER) -> CohortListing:
        for name in "abcdefgh":
            path = tmp_path / f"{name}.json"
            if not path.exists():
                path.write_text(f'["{name}"]')
        lines = [header, *rows]
        text = "\n".join(",".join(cells) for cells in lines) + "\n"
        (tmp_path / "mine.csv").write_text(text, "utf-8")
        return list_walks(tmp_path / "mine.csv")

    return write_and_list


def problems(listing: CohortListing) -> list[tuple[int, str]]:
    return [(failure.row, failure.column) for failure in listing.failures]


def usable_rows(listing: CohortListing) -> list[int]:
    return sorted(walk.row for walk in listing.cohort.walks)


def only_failure(listing: CohortListing) -> Failure:
    assert len(listing.failures) == 1
    return listing.failures[0]


def test_a_clean_manifest_gives_every_walk_with_all_it_says(listed, tmp_path):
    header = [
        *HEADER,
        "Medication ",
        "view",
        "fps",
        "skeleton",
        "height_m",
        "age",
        "sex",
        "H&Y",
        "width",
    ]
    listing = listed(
        [
            [
                "007",
                "v1",
                "1",
                "a.json",
                "2",
                "OFF",
                "front",
                "29.97",
                "COCO-17",
                "1.75",
                "71",
                "f",
                "II",
                "640",
            ]
        ],
        header,
    )
    (walk,) = listing.cohort.walks
    assert listing.failures == ()
    assert walk.id.key == ("007", "v1", "1")
    assert walk.path == (tmp_path / "a.json").resolve()
    assert (walk.rating, walk.medication, walk.id.view) == ("2", "off", "front")
    assert (walk.fps, walk.skeleton, walk.height_m, walk.age) == (29.97, "coco17", 1.75, 71.0)
    assert (walk.sex, walk.site, walk.leg_length_m) == ("f", None, None)
    assert dict(walk.metadata) == {"H&Y": "II", "width": "640"}
    assert (listing.cohort.name, walk.row, walk.reader) == ("mine", 2, "manifest")


@pytest.mark.parametrize(
    ("cell", "rating"),
    [("0", "0"), ("4", "4"), ("2.0", "2"), ('"2,0"', "2"), (" 3 ", "3"), ("-0", "0"), ("", None)]
    + [(cell, None) for cell in ("NA", "n/a", "NaN")],
)
def test_a_rating_is_a_whole_number_or_nothing_at_all(listed, cell, rating):
    listing = listed([["P1", "on", "1", "a.json", cell]])
    assert [walk.rating for walk in listing.cohort.walks] == [rating]


@pytest.mark.parametrize("cell", ["5", "-1", "2.5", '"2,5"', "mild", "  ", "1e999", "2-3", "²", "0x2"])
def test_a_rating_off_the_scale_leaves_its_row_out(listed, cell):
    listing = listed([["P1", "on", "1", "a.json", cell], ["P2", "on", "1", "b.json", "1"]])
    assert problems(listing) == [(2, "rating")]
    assert usable_rows(listing) == [3]


def test_a_blank_rating_is_told_from_an_empty_one(listed):
    assert "blank" in only_failure(listed([["P1", "on", "1", "a.json", " "]])).reason


def test_every_problem_of_every_row_is_reported_at_once(listed):
    listing = listed(
        [
            ["P1", "on", " ", "../x.json", "5", "30", "175", "sometimes"],
            ["P2", "on", "1", "nowhere.json", "1", "fast", "1.7", "on"],
            ["P3", "on", "1", "c.json", "1", "30", "1.7", "on"],
        ],
        [*HEADER, "fps", "height_m", "medication"],
    )
    assert sorted(problems(listing)) == [
        (2, "height_m"),
        (2, "medication"),
        (2, "path"),
        (2, "rating"),
        (2, "walk_id"),
        (3, "fps"),
        (3, "path"),
    ]
    assert {failure.stage for failure in listing.failures} == {"manifest"}
    assert usable_rows(listing) == [4]


def test_reasons_name_rows_and_never_identities_or_paths(listed, tmp_path):
    listing = listed(
        [
            ["Schmidt", "on", "1", "a.json", "7"],
            ["schmidt", "on", "2", "a.json", "Schmidt"],
            ["Meier", "on", "1", "a.json", "1"],
            ["Meier", "on", "1", "gone-meier.json", "1"],
            ["Meier", "on", "3", "../meier.json", "1"],
        ],
    )
    told = " ".join(f"{failure.reason} {failure.what_to_do}" for failure in listing.failures).lower()
    assert len(listing.failures) >= 8
    assert "schmidt" not in told
    assert "meier" not in told
    assert ".json" not in told
    assert str(tmp_path).lower() not in told
    assert "row 3" in told


# --- Participants, sessions, walks --------------------------------------------------------------------


@pytest.mark.parametrize("other", ["p01", "P01 ", "P 01", "P1", "Ｐ01", "P\u200b01"])
def test_a_participant_spelled_in_two_ways_is_left_out_under_both(listed, other):
    listing = listed(
        [
            ["P01", "on", "1", "a.json", "1"],
            [other, "on", "2", "b.json", "1"],
            ["P02", "on", "1", "c.json", "1"],
        ]
    )
    assert problems(listing) == [(2, "participant_id"), (3, "participant_id")]
    assert "row 3" in listing.failures[0].reason
    assert usable_rows(listing) == [4]


@pytest.mark.parametrize(("one", "other"), [("P1-1", "P11"), ("P1", "P10"), ("Pa", "Pb"), ("0", "00x")])
def test_different_names_stay_different_participants(listed, one, other):
    listing = listed([[one, "on", "1", "a.json", "1"], [other, "on", "1", "b.json", "1"]])
    assert listing.failures == ()
    assert len(listing.cohort.participants) == 2


def test_blanks_around_an_identity_do_not_count_when_they_are_everywhere(listed):
    listing = listed([[" P1", " on", " 1", " a.json", " 1"], [" P1", " on", " 2", " b.json", " 1"]])
    assert [walk.id.key for walk in listing.cohort.walks] == [("P1", "on", "1"), ("P1", "on", "2")]


@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("cell", ["", "  ", "P\x1b[31m"])
def test_blank_identities_and_control_characters_are_refused(listed, column, cell):
    row = ["P1", "on", "1", "a.json", "1"]
    row[column] = cell
    assert problems(listed([row])) == [(2, HEADER[column])]


def test_one_walk_listed_twice_is_left_out_in_both_rows(listed):
    listing = listed([["P1", "on", "1", "a.json", "1"], ["P1", "ON", "1", "b.json", "3"]])
    assert problems(listing) == [(2, "walk_id"), (3, "walk_id")]


def test_a_session_has_one_medication_state(listed):
    listing = listed(
        [
            ["P1", "s", "1", "a.json", "1", "on"],
            ["P1", "s", "2", "b.json", "1", "off"],
            ["P1", "t", "1", "c.json", "1", "off"],
            ["P2", "s", "1", "d.json", "1", ""],
        ],
        [*HEADER, "medication"],
    )
    assert problems(listing) == [(2, "medication"), (3, "medication")]
    assert [walk.medication for walk in listing.cohort.walks] == ["off", "na"]


# --- Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell", ["../a.json", "x/../../a.json", "/etc/hostname", "..\\a.json", "C:/a.json", "gone.json", " "]
)
def test_a_path_has_to_lead_to_a_file_in_the_folder(listed, tmp_path, cell):
    (tmp_path.parent / "a.json").write_text("[]")
    assert problems(listed([["P1", "on", "1", cell, "1"]])) == [(2, "path")]


def test_an_absolute_path_within_the_folder_is_fine(listed, tmp_path):
    listing = listed([["P1", "on", "1", str(tmp_path / "a.json"), "1"]])
    assert usable_rows(listing) == [2]


def test_windows_separators_are_understood(listed, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.json").write_text("[0]")
    assert usable_rows(listed([["P1", "on", "1", "sub\\a.json", "1"]])) == [2]


@pytest.mark.parametrize("by_folder", [False, True])
def test_a_link_out_of_the_folder_is_refused_and_one_within_is_not(listed, tmp_path, by_folder):
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "secret.json").write_text("[1]")
    if by_folder:
        (tmp_path / "sub").symlink_to(outside)
        cell = "sub/secret.json"
    else:
        (tmp_path / "link.json").symlink_to(outside / "secret.json")
        cell = "link.json"
    (tmp_path / "inner.json").symlink_to(tmp_path / "b.json")
    listing = listed([["P1", "on", "1", cell, "1"], ["P2", "on", "1", "inner.json", "1"]])
    assert problems(listing) == [(2, "path")]
    assert "link" in listing.failures[0].reason
    assert usable_rows(listing) == [3]


def test_links_in_a_circle_endless_names_and_pipes_are_no_files(listed, tmp_path):
    (tmp_path / "x.json").symlink_to(tmp_path / "y.json")
    (tmp_path / "y.json").symlink_to(tmp_path / "x.json")
    os.mkfifo(tmp_path / "pipe.json")
    rows = [
        ["P1", "on", "1", "x.json", "1"],
        ["P2", "on", "1", "n" * 5000 + ".json", "1"],
        ["P3", "on", "1", "pipe.json", "1"],
    ]
    assert problems(listed(rows)) == [(2, "path"), (3, "path"), (4, "path")]


def test_empty_files_and_folders_are_refused(listed, tmp_path):
    (tmp_path / "empty.json").touch()
    (tmp_path / "folder").mkdir()
    listing = listed([["P1", "on", "1", "empty.json", "1"], ["P2", "on", "1", "folder", "1"]])
    assert ["0 bytes" in failure.reason for failure in listing.failures] == [True, False]
    assert "folder" in listing.failures[1].reason


def test_the_same_content_under_two_participants_is_left_out_for_both(listed, tmp_path):
    (tmp_path / "copy.json").write_text('["a"]')
    listing = listed(
        [
            ["P1", "on", "1", "a.json", "1"],
            ["P2", "on", "1", "copy.json", "1"],
            ["P3", "on", "1", "c.json", "1"],
        ]
    )
    assert problems(listing) == [(2, "path"), (3, "path")]
    assert "another participant" in listing.failures[0].reason
    assert usable_rows(listing) == [4]


def test_the_same_content_twice_for_one_participant_is_one_walk_the_first_by_identity(listed, tmp_path):
    (tmp_path / "copy.json").write_text('["a"]')
    listing = listed([["P1", "on", "2", "a.json", "1"], ["P1", "on", "1", "copy.json", "1"]])
    assert problems(listing) == [(2, "path")]
    assert [walk.id.walk_id for walk in listing.cohort.walks] == ["1"]


def test_the_same_recording_with_two_ratings_is_nobodys(listed):
    listing = listed([["P1", "on", "2", "a.json", "1"], ["P1", "on", "1", "a.json", "3"]])
    assert problems(listing) == [(2, "path"), (3, "path")]


def test_a_path_twice_is_found_through_links_and_detours(listed, tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "a.json")
    rows = [
        ["P1", "on", "1", "a.json", "1"],
        ["P2", "on", "1", "link.json", "1"],
        ["P3", "on", "1", "./a.json", "1"],
    ]
    assert problems(listed(rows)) == [(2, "path"), (3, "path"), (4, "path")]


def test_of_two_equal_recordings_the_row_without_another_problem_stays(listed, tmp_path):
    (tmp_path / "copy.json").write_text('["a"]')
    rows = [["P1", "on", "1", "a.json", "1", "175"], ["P1", "on", "2", "copy.json", "1", "1.75"]]
    listing = listed(rows, [*HEADER, "height_m"])
    assert problems(listing) == [(2, "height_m"), (2, "path")]
    assert usable_rows(listing) == [3]


def test_a_folder_of_openpose_frames_is_one_recording(listed, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "w_000_keypoints.json").write_text('{"people": []}')
    listing = listed([["P1", "on", "1", "one", "1"], ["P2", "on", "1", "two", "1"]])
    assert problems(listing) == [(2, "path"), (3, "path")]  # the same content under two participants


# --- Numbers and names --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("fps", "120", "4"),
        ("fps", '"29,97"', "1001"),
        ("height_m", '"1,75"', "175"),
        ("leg_length_m", "0.9", "90"),
        ("age", "0", "121"),
        ("skeleton", "Halpe 26", "coco71"),
        ("medication", "n/a", "ona"),
        ("width", "1920", "1920.5"),
        ("height", "1080", "0"),
    ],
)
def test_optional_cells_are_checked_where_they_are_filled(listed, column, good, bad):
    listing = listed(
        [
            ["P1", "on", "1", "a.json", "1", good],
            ["P2", "on", "1", "b.json", "1", bad],
            ["P3", "on", "1", "c.json", "1", ""],
        ],
        [*HEADER, column],
    )
    assert problems(listing) == [(3, column)]
    assert usable_rows(listing) == [2, 4]


def test_centimetres_and_misspelled_skeletons_get_a_hint(listed):
    listing = listed(
        [["P1", "on", "1", "a.json", "1", "175", "coco71"]], [*HEADER, "height_m", "skeleton"]
    )
    hints = {failure.column: f"{failure.reason} {failure.what_to_do}" for failure in listing.failures}
    assert "centimetres" in hints["height_m"]
    assert "Did you mean coco17?" in hints["skeleton"]


# --- Files as a whole ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_separators_and_line_ends_do_not_matter(tmp_path, encoding, separator, newline):
    (tmp_path / "gang ö.json").write_text("[]")
    lines = [
        separator.join([*HEADER, "height_m", "note"]) + " ",
        separator.join(["Ö1", "on", "1", "gang ö.json", "2", '"1,75"', f'"a{separator}b{newline}c"']),
        "",
        separator.join(["Ö2", "on", "1", "gone.json", "2", '"1,75"', "x"]),
    ]
    (tmp_path / "mine.csv").write_bytes(newline.join(lines).encode(encoding))
    listing = list_walks(tmp_path / "mine.csv")
    (walk,) = listing.cohort.walks
    assert (walk.id.participant_id, walk.height_m, walk.row) == ("Ö1", 1.75, 2)
    assert walk.metadata["note"] == f"a{separator}b{newline}c"
    assert problems(listing) == [(4, "path")]  # the blank line is row 3 of the spreadsheet


def test_a_single_byte_encoding_is_refused_because_letters_could_be_wrong(tmp_path):
    text = ",".join(HEADER) + "\nP1,on,1,a.json,1\nMüller,on,1,b.json,1\n"
    (tmp_path / "mine.csv").write_bytes(text.encode("cp1252"))
    with pytest.raises(ManifestError, match=r"row 3 is not UTF-8.*Save it again as 'CSV UTF-8'"):
        list_walks(tmp_path / "mine.csv")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_quoted_names_are_as_good_as_bare_ones(tmp_path, separator):
    (tmp_path / "a.json").write_text("[]")
    rows = [HEADER, ["P1", "on", "1", "a.json", "2"]]
    text = "\n".join(separator.join(f'"{cell}"' for cell in cells) for cells in rows)
    (tmp_path / "mine.csv").write_text(text)
    (walk,) = list_walks(tmp_path / "mine.csv").cohort.walks
    assert (*walk.id.key, walk.rating) == ("P1", "on", "1", "2")


def test_excels_separator_line_is_obeyed_and_counted(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    text = "sep=;\r\n" + ";".join(HEADER) + "\r\nP1;on;1;a.json;9\r\n"
    (tmp_path / "mine.csv").write_text(text, newline="")
    assert problems(list_walks(tmp_path / "mine.csv")) == [(3, "rating")]


def test_rows_with_too_few_or_too_many_cells_fail_and_the_others_go_on(listed):
    listing = listed(
        [
            ["P1", "on", "1", "a.json"],
            ["P2", "on", "1", "b.json", "1", "75"],
            ["P3", "on", "1", "c.json", "1", "", ""],
        ]
    )
    assert problems(listing) == [(2, ""), (3, "")]
    assert usable_rows(listing) == [4]


def test_an_index_column_without_a_name_is_left_out(listed):
    listing = listed([["0", "P1", "on", "1", "a.json", "1"]], ["", *HEADER])
    assert dict(listing.cohort.walks[0].metadata) == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b",,,\n", "the file is empty"),
        (b'"",""\n\n,,\n', "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\xff\xfe", "the file is empty"),
        ("\u00a0\n".encode(), "the file is empty"),
        (b"sep=;\n", "the file is empty"),
        (b"sep=;", "the file is empty"),
        (b"sep=;\n;;\n", "the file is empty"),
        (b'sep="\na"b\n', "cannot be divided|no column"),
        (b"sep=\r\na\n", "cannot be divided|no column"),
        (b"participant_id,session_id,walk_id,path,rating\n", "no rows"),
        (b"participant,session_id,walk_id,path,rating\nP1,1,1,a,1\n", "Did you mean participant_id"),
        (b"P1,on,1,a.json,2\n", "no column"),
        (b"PK\x03\x04rest of a spreadsheet", "spreadsheet"),
        (b"rating,Rating,participant_id,session_id,walk_id,path\n1,1,1,1,1,1\n", "twice"),
        (b"rating,rating,participant_id,session_id,walk_id,path\n1,1,1,1,1,1\n", "twice"),
        (b'participant_id,session_id,walk_id,path,rating\n"P1,1,1,a,1\n', "quot"),
        (b"participant_id,session_id,walk_id,path,rating\nP\x001,1,1,a,1,1,1,1\n", "zero bytes|UTF-16"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused_as_a_whole(tmp_path, content, reason):
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(ManifestError, match=reason):
        list_walks(tmp_path / "mine.csv")


def test_a_header_that_is_data_is_not_shown(tmp_path):
    (tmp_path / "mine.csv").write_text("participant_hans,session_a,walk_01,path.json,3\n")
    with pytest.raises(ManifestError) as caught:
        list_walks(tmp_path / "mine.csv")
    assert "hans" not in str(caught.value)


def test_a_manifest_that_is_not_there_or_a_folder_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="no such file"):
        list_walks(tmp_path / "gone.csv")
    with pytest.raises(ManifestError, match="no such file"):
        list_walks(tmp_path)


def test_parquet_is_read_and_whole_floats_are_whole_identities(tmp_path):
    (tmp_path / "a.json").write_text("[1]")
    (tmp_path / "b.json").write_text("[2]")
    frame = pd.DataFrame(
        {
            "participant_id": [1.0, 2.0],
            "session_id": ["on", "on"],
            "walk_id": [1, 1],
            "path": ["a.json", "b.json"],
            "rating": [2.0, None],
            "height_m": [1.75, 1.8],
        }
    )
    frame.to_parquet(tmp_path / "mine.parquet")
    listing = list_walks(tmp_path / "mine.parquet")
    assert listing.failures == ()
    assert [(walk.id.key, walk.rating) for walk in listing.cohort.walks] == [
        (("1", "on", "1"), "2"),
        (("2", "on", "1"), None),
    ]
    (tmp_path / "mine.parquet").write_bytes((tmp_path / "mine.parquet").read_bytes()[:-20])
    with pytest.raises(ManifestError, match="Parquet"):
        list_walks(tmp_path / "mine.parquet")


def test_the_order_of_rows_does_not_change_the_cohort(listed):
    rows = [[f"P{n}", "on", "1", f"{name}.json", "1"] for n, name in enumerate("abcdef")]
    forward = [walk.id for walk in listed(rows).cohort.walks]
    assert [walk.id for walk in listed(rows[::-1]).cohort.walks] == forward


# --- Loading ------------------------------------------------------------------------------------------


def test_videos_and_unknown_kinds_say_what_to_do_instead(listed, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"1")
    (tmp_path / "b.docx").write_bytes(b"2")
    listing = listed([["P1", "on", "1", "a.mp4", "1"], ["P2", "on", "1", "b.docx", "1"]])
    video, document = listing.cohort.walks
    with pytest.raises(ReadError, match="gaitmb estimate"):
        load_walk(video)
    with pytest.raises(ReadError, match=r"\.json, \.csv, \.parquet, \.npz, \.c3d, \.trc"):
        load_walk(document)


def test_a_manifest_is_opened_by_its_path_and_its_walks_are_loaded(tmp_path):
    person = {"keypoints": [100.0 * (k % 5) + 1.0 * (k % 2) for k in range(51)], "score": 1.0}
    person["keypoints"][2::3] = [0.9] * 17
    frames = [{"image_id": f"{n}.jpg", "category_id": 1, **person} for n in range(3)]
    (tmp_path / "a.json").write_text(str(frames).replace("'", '"'))
    (tmp_path / "mine.csv").write_text(",".join([*HEADER, "fps"]) + "\nP1,on,1,a.json,2,25\n")
    pose = load_walk(open_cohort(str(tmp_path / "mine.csv")).cohort.walks[0])
    assert (pose.n_frames, pose.rate_hz, pose.skeleton.name) == (3, 25.0, "coco17")


def test_motion_capture_in_a_manifest_is_loaded(shared, tmp_path):
    source = shared / "data" / "c3d" / "PlugInC3D.c3d"
    (tmp_path / "a.C3D").write_bytes(source.read_bytes())
    (tmp_path / "mine.csv").write_text(",".join(HEADER) + "\nP1,on,1,a.C3D,2\n")
    (walk,) = list_walks(tmp_path / "mine.csv").cohort.walks
    assert load_walk(walk).coordinates == "world_mm"
