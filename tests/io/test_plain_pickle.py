"""Pickles that hold data are read; those that ask for anything else run nothing."""

import builtins
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from gaitmb.errors import ReadError
from gaitmb.io.plain_pickle import read_plain_pickle

DATA = {
    "P01": {"w1": {"pose": np.arange(24.0).reshape(2, 4, 3), "UPDRS_GAIT": 2, "medication": None}},
    "numbers": [1, 2.5, True, np.float32(0.1), np.int64(-3), (1, 2)],
    "texts": ["ä", b"bytes", np.array(["on", "off"])],
    "ordered": OrderedDict(a=1),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    "big-endian": np.arange(3, dtype=">f4"),
    "none": np.zeros((0, 3)),
}


def as_lists(value):
    if isinstance(value, dict):
        return {key: as_lists(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_lists(item) for item in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_data_come_back_as_they_were_in_every_protocol(tmp_path, protocol):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(DATA, protocol=protocol))
    assert as_lists(read_plain_pickle(path)) == as_lists(DATA)


class Calls:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def marked(path):
    return f"open({str(path)!r}, 'w').close()"


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("kind", ["os.system", "eval", "exec", "getattr", "__import__", "ndarray"])
def test_malicious_pickles_run_nothing_and_are_refused_in_one_line(tmp_path, kind, protocol):
    mark = tmp_path / "it ran"
    attack = {
        "os.system": Calls(os.system, f"touch '{mark}'"),
        "eval": Calls(builtins.eval, marked(mark)),
        "exec": Calls(builtins.exec, marked(mark)),
        "getattr": Calls(builtins.getattr, "text", "upper"),
        "__import__": Calls(builtins.__import__, "antigravity"),
        "ndarray": Calls(np.ndarray, (2,), "O"),
    }[kind]
    path = tmp_path / "attack.pkl"
    path.write_bytes(pickle.dumps({"P01": {"pose": np.zeros(3), "other": attack}}, protocol=protocol))
    with pytest.raises(ReadError) as refusal:
        read_plain_pickle(path)
    assert not mark.exists()
    assert "\n" not in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


def test_the_refusal_names_what_was_asked_for(tmp_path):
    path = tmp_path / "attack.pkl"
    path.write_bytes(pickle.dumps(Calls(builtins.eval, "1")))
    with pytest.raises(ReadError, match=r"asks for 'builtins\.eval'"):
        read_plain_pickle(path)


def test_arrays_whose_bytes_and_shape_disagree_are_refused(tmp_path):
    path = tmp_path / "short.pkl"
    whole = pickle.dumps(np.arange(10.0), protocol=2)
    path.write_bytes(whole.replace(b"K\n\x85", b"K\x0b\x85"))
    assert path.read_bytes() != whole
    with pytest.raises(ReadError, match="damaged"):
        read_plain_pickle(path)


def test_damaged_and_absent_files_are_refused(tmp_path):
    data = pickle.dumps(DATA)
    path = tmp_path / "data.pkl"
    for seed in range(200):
        chance = np.random.default_rng(seed)
        damaged = bytearray(data[: chance.integers(len(data))] if seed % 2 else data)
        if not seed % 2:
            damaged[chance.integers(len(data))] = chance.integers(256)
        path.write_bytes(damaged)
        try:
            read_plain_pickle(path)
        except ReadError:
            continue
    for content in (b"", b"no pickle", b"\x80\x05."):
        path.write_bytes(content)
        with pytest.raises(ReadError, match="damaged"):
            read_plain_pickle(path)
    with pytest.raises(ReadError, match="cannot be opened"):
        read_plain_pickle(tmp_path / "absent.pkl")
