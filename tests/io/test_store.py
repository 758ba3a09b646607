"""The store: files are whole or not there, and come back as they went."""

import errno
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gaitmb.data.walk import Failure
from gaitmb.errors import ConfigurationError
from gaitmb.io import store


def test_a_write_that_breaks_off_leaves_the_old_file_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text("old")

    def full_disk() -> None:
        with store.replacing(path) as file:
            file.write(b"ne")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        full_disk()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["evaluation.json"]


def test_an_embedding_comes_back_exactly_and_under_the_key_of_its_input(tmp_path: Path) -> None:
    cache = store.EmbeddingCache(tmp_path)
    clip = np.linspace(-1, 1, 16 * 17 * 3, dtype=np.float32).reshape(16, 17, 3)
    vector = np.random.default_rng(0).normal(size=(2, 17, 8)).astype(np.float32)
    key = cache.key(clip, "weights")
    cache.write(key, vector)
    read = cache.read(key)
    assert read is not None
    np.testing.assert_array_equal(read, vector)
    assert key == cache.key(clip.copy(), "weights")
    assert len({key, cache.key(clip, "other"), cache.key(clip[:15], "weights")}) == 3
    nudged = clip.copy()
    nudged[3, 4, 0] = np.nextafter(nudged[3, 4, 0], np.float32(2))
    assert cache.key(nudged, "weights") != key


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_cache_file_is_made_again_not_believed(tmp_path: Path, damage: str) -> None:
    cache = store.EmbeddingCache(tmp_path)
    cache.write("ab" * 32, np.ones((2, 17, 8), np.float32))
    (path,) = tmp_path.glob("embeddings/*/*.npy")
    content = bytearray(path.read_bytes())
    content[-5] ^= 0x40
    path.write_bytes(
        {"cut": bytes(content[:100]), "flipped": bytes(content), "empty": b"", "text": b"x" * 999}[
            damage
        ]
    )
    assert cache.read("ab" * 32) is None


def test_cache_files_do_not_name_anybody(tmp_path: Path) -> None:
    cache = store.EmbeddingCache(tmp_path)
    key = cache.key(np.zeros((16, 17, 3), np.float32), "weights")
    cache.write(key, np.ones((2, 17, 8), np.float32))
    (path,) = tmp_path.glob("embeddings/*/*.npy")
    assert path.stem == key


def test_failures_are_written_in_one_order_with_all_columns() -> None:
    one = Failure("B", "on", "1", "read", "a", "b")
    two = Failure("A", "on", "1", "read", "a", "b")
    pd.testing.assert_frame_equal(store.failures_frame([one, two]), store.failures_frame([two, one]))
    assert list(store.failures_frame([]).columns) == list(store.FAILURE_COLUMNS)


def test_a_folder_without_results_is_refused_with_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="gaitmb classify"):
        store.read_results(tmp_path)
    for damaged in ("{", "[]", '{"schema_version": 1}', '{"schema_version": 99}'):
        (tmp_path / "evaluation.json").write_text(damaged)
        with pytest.raises(ConfigurationError):
            store.read_results(tmp_path)


def test_what_killed_runs_left_half_written_is_removed(tmp_path: Path) -> None:
    store.claim_results(tmp_path, [])
    (tmp_path / "poses").mkdir()
    for name in (".predictions.csv.1.ab.tmp", "poses/.0123456789abcdef.npz.1.ab.tmp"):
        (tmp_path / name).write_text("half")
    store.claim_results(tmp_path, [])
    assert not list(tmp_path.rglob("*.tmp"))
