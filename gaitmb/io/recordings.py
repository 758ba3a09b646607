"""Recordings that a manifest lists: where they lie, which are the same, and who can read them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from gaitmb.data.pose import PoseSequence
from gaitmb.data.skeleton import skeleton_named
from gaitmb.errors import ReadError

__all__ = ["READERS", "locate", "read_recording", "same_content"]


_MAX_DURATION_S = 7200.0


@dataclass(frozen=True)
class _Hints:
    """What the manifest says of a recording; None where it says nothing."""

    fps: float | None
    skeleton: str | None
    size_px: tuple[int, int] | None
    view: str | None


def _openpose(path: Path, hints: _Hints) -> PoseSequence:
    from gaitmb.io.openpose import read_openpose

    return read_openpose(
        path, fps=hints.fps, skeleton=hints.skeleton, size_px=hints.size_px, view=hints.view
    )


def _blazepose(path: Path, hints: _Hints) -> PoseSequence:
    from gaitmb.io.keypoints import read_blazepose

    return read_blazepose(path, fps=hints.fps, size_px=hints.size_px, view=hints.view)


def _h36m17(path: Path, hints: _Hints) -> PoseSequence:
    from gaitmb.io.keypoints import read_h36m17

    return read_h36m17(path, fps=hints.fps, size_px=hints.size_px, view=hints.view)


def _c3d(path: Path, _hints: _Hints) -> PoseSequence:
    from gaitmb.io.mocap import read_c3d

    return read_c3d(path)


def _trc(path: Path, _hints: _Hints) -> PoseSequence:
    from gaitmb.io.mocap import read_trc

    return read_trc(path)


def _video(_path: Path, _hints: _Hints) -> PoseSequence:
    raise ReadError(
        "a video, which holds no keypoints yet",
        expected="keypoints or motion capture",
        remedy="Run: gaitmb estimate",
    )


#: Extension to the function that reads such a file.
READERS: Mapping[str, Callable[[Path, _Hints], PoseSequence]] = MappingProxyType(
    {
        ".json": _openpose,
        ".csv": _blazepose,
        ".parquet": _blazepose,
        ".npz": _h36m17,
        ".c3d": _c3d,
        ".trc": _trc,
        **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm"), _video),
    }
)


def read_recording(
    path: Path,
    *,
    fps: float | None = None,
    skeleton: str | None = None,
    size_px: tuple[int, int] | None = None,
    view: str | None = None,
) -> PoseSequence:
    """Read a recording by its extension; a folder is OpenPose's, with one JSON file per frame.

    Parameters
    ----------
    path
        The recording.
    fps, skeleton, size_px, view
        What is known of it from elsewhere; used where the file does not say it.

    Raises
    ------
    ReadError
        The extension is unknown, the file cannot be read, its skeleton is not `skeleton`, or it lasts
        longer than two hours.
    """
    kind = ".json" if path.is_dir() else path.suffix.lower()
    if kind not in READERS:
        known = [name for name, reader in READERS.items() if reader is not _video]
        raise ReadError(
            "a file of an unknown kind",
            expected=f"one of {', '.join(known)}",
            remedy="Convert it to one of them",
        )
    pose = READERS[kind](path, _Hints(fps, skeleton, size_px, view))
    if skeleton is not None and pose.skeleton is not skeleton_named(skeleton):
        raise ReadError(
            f"the joints are {pose.skeleton.name}",
            expected=f"{skeleton}, as the manifest says",
            remedy="Correct its column skeleton or leave it empty",
        )
    if pose.duration_s > _MAX_DURATION_S:
        raise ReadError(
            f"a walk of {pose.duration_s:.0f} s",
            expected=f"at most {_MAX_DURATION_S:.0f}",
            remedy="Check its times, or cut the walk out of the recording",
        )
    return pose


def locate(cell: str, folder: Path) -> Path | tuple[str, str]:
    r"""Find a recording, which must lie in `folder` or below and be what can be read.

    Parameters
    ----------
    cell
        What the manifest says, with ``/`` or ``\`` between folders.
    folder
        The manifest's.

    Returns
    -------
    Its absolute path with links resolved, or what is wrong and what to do.
    """
    text = cell.strip().replace("\\", "/")
    if not text:
        return "the path is blank", "Fill it in"
    try:
        root = folder.resolve()
        lexical = Path(os.path.normpath(root / PurePosixPath(text)))
        found = lexical.resolve()
        real = (root / PurePosixPath(text)).resolve()
        inside = found.is_relative_to(root) and real.is_relative_to(root)
        if not inside:
            by_link = lexical.is_relative_to(root)
            way = "a link in the path leads" if by_link else "the path leads"
            return f"{way} out of the manifest's folder", "Copy the file into the manifest's folder"
        if real.is_dir():
            return _locate_folder(real, root)
        if not real.exists():
            return "there is no such file", "Check its name, upper and lower case included"
        if not real.is_file():
            return "the path is no regular file", "List a file"
        if real.stat().st_size == 0:
            return "the file is empty (0 bytes)", "Copy or record it again"
        if not os.access(real, os.R_OK):
            return "the file cannot be opened", "Check its permissions"
    except (OSError, ValueError, RuntimeError):
        # Too long, links in a circle, a zero character, no permission to look.
        return "the path cannot be followed", "Check it"
    return real


def _locate_folder(found: Path, root: Path) -> Path | tuple[str, str]:
    frames = list(found.glob("*.json"))
    if found == root or not frames:
        return "the path is a folder", "List a file, or a folder of OpenPose's JSON files, one per frame"
    if not all(frame.is_file() and frame.resolve().is_relative_to(root) for frame in frames):
        return "a link in the folder leads out of the manifest's folder", "Copy the files into it"
    return found


def same_content(recorded: Mapping[int, Path]) -> list[list[int]]:
    """Rows whose recordings are the same byte for byte, at least two together, in ascending order.

    Only files of the same size are read.
    """
    by_size: dict[object, list[int]] = {}
    for row, path in recorded.items():
        by_size.setdefault(_size(path), []).append(row)
    groups = []
    for rows in by_size.values():
        if len(rows) < 2:
            continue
        by_content: dict[str, list[int]] = {}
        digests = {path: _digest(path) for path in {recorded[row] for row in rows}}
        for row in sorted(rows):
            by_content.setdefault(digests[recorded[row]], []).append(row)
        groups += [same for same in by_content.values() if len(same) > 1]
    return sorted(groups)


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def _size(path: Path) -> tuple[int, ...]:
    return tuple(file.stat().st_size for file in _files(path))


def _digest(path: Path) -> str:
    """SHA-256 of a file's content, or of the contents of a folder's frames in their order."""
    digests = []
    for place in _files(path):
        with place.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return " ".join(digests)
