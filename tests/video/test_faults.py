"""Whatever is done to a file: no crash here, no wait beyond the limit, nothing silently short."""

import os
import random
import time

import pytest
from drawn_pictures import draw, number_of

from gaitmb.errors import ReadError
from gaitmb.io.isolation import Limits, run_isolated
from gaitmb.io.video import DecodeCounts, VideoInfo, decode, examine, judge_decoding

#: Files that are mutated; GAITMB_FUZZ=500 asks for the long run.
N_FILES = int(os.environ.get("GAITMB_FUZZ", "36"))
LIMITS = Limits(memory_mb=800, silence_s=20, total_s=60)


def mutate(content: bytes, chance: random.Random) -> bytes:
    """One to forty changes: bytes flipped, parts overwritten, cut out, doubled, or the end cut off."""
    data = bytearray(content)
    for _ in range(chance.choice([1, 1, 3, 10, 40])):
        if len(data) < 400:
            break
        place, length = chance.randrange(len(data)), chance.randrange(1, 200)
        kind = chance.choice(["flip", "flip", "flip", "zero", "noise", "drop", "double", "cut"])
        if kind == "flip":
            data[place] ^= 1 << chance.randrange(8)
        elif kind == "zero":
            data[place : place + length] = bytes(len(data[place : place + length]))
        elif kind == "noise":
            data[place : place + length] = chance.randbytes(len(data[place : place + length]))
        elif kind == "drop":
            del data[place : place + length]
        elif kind == "double":
            data[place:place] = data[place : place + length]
        else:
            del data[max(200, place) :]
    return bytes(data)


@pytest.fixture(scope="module")
def originals(write_video, tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    small = {"size": (160, 120), "pictures": lambda number: draw(number, 160, 120)}
    return [
        write_video(folder / "a.mp4", 30, options={"movflags": "faststart"}, **small),
        write_video(folder / "b.webm", 30, codec="libvpx-vp9", **small),
        write_video(folder / "c.avi", 30, codec="mpeg4", **small),
    ]


def read_in_worker(path) -> tuple[VideoInfo, DecodeCounts, int]:
    messages = run_isolated("gaitmb.io.video:count_task", {"path": str(path)}, LIMITS)
    [last] = [message.values for message in messages if message.kind == "counts"]
    return VideoInfo.from_dict(last["info"]), DecodeCounts(**last["counts"]), last["n_sound"]


def test_mutated_files_are_whole_partial_or_refused(originals, tmp_path):
    chance = random.Random(20261123)  # noqa: S311  # repeatable, not secret
    outcomes = {"ok": 0, "partial": 0, "refused": 0}
    short, texts = [], []
    for number in range(N_FILES):
        original = originals[number % len(originals)]
        path = tmp_path / f"mutated{original.suffix}"
        path.write_bytes(mutate(original.read_bytes(), chance))
        began = time.monotonic()
        try:
            info, counts, n_sound = read_in_worker(path)
        except ReadError as error:
            outcomes["refused"] += 1
            texts.append(str(error))
        else:
            reasons = judge_decoding(info, counts)
            outcomes["partial" if reasons else "ok"] += 1
            if n_sound < 30 and not reasons:
                short.append((number, n_sound, info.frames_expected))
        assert time.monotonic() - began < LIMITS.total_s + 10
    assert short == []
    assert all(text and "\n" not in text and str(tmp_path) not in text for text in texts)
    assert all(outcomes.values()), outcomes


def test_sound_frames_of_a_damaged_video_show_what_they_should(originals, tmp_path):
    chance = random.Random(7)  # noqa: S311  # repeatable, not secret
    checked = wrong = 0
    for _ in range(12):
        content = bytearray(originals[0].read_bytes())
        for _ in range(4):
            content[chance.randrange(len(content) // 3, len(content))] ^= 1 << chance.randrange(8)
        path = tmp_path / "damaged.mp4"
        path.write_bytes(content)
        try:
            examine(str(path))
            for time_s, picture in decode(str(path), DecodeCounts()):
                checked += 1
                wrong += number_of(picture) != round(30 * time_s)
        except ReadError:
            continue
    assert checked > 100
    assert wrong <= 0.02 * checked
