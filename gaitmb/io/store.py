"""Files of gaitmb's own: written whole or not at all, found again by their content.

Two places are kept. The cache holds one embedding per clip under the SHA-256 of everything it was made
from; nothing in it names a participant. A results folder holds what one run of ``classify`` found:

=====================  =================================================================================
``evaluation.json``    metrics with intervals, baselines, provenance
``predictions.csv``    one row per walk, out of fold
``embeddings.parquet`` one row per clip; ``embeddings.json`` says how to read the vectors
``gait_features.csv``  one row per walk, one column per gait feature
``failures.csv``       one row per walk that could not be used
``walks.csv``          one row per walk that was used: what the cohort said of it, and its pose file
``poses/``             the pose of each walk as embedded, and in 3D where it was recorded so
``report.html``        the report, self-contained
=====================  =================================================================================
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gaitmb.data.embedding import CLIP_COLUMNS, EmbeddingTable
from gaitmb.data.evaluation import Evaluation
from gaitmb.data.pose import PoseSequence
from gaitmb.data.walk import ID_COLUMNS, Failure
from gaitmb.errors import ConfigurationError, ReadError
from gaitmb.io.keypoints import read_pose, write_pose

__all__ = [
    "EmbeddingCache",
    "StoredResults",
    "claim_results",
    "clear_results",
    "default_cache_folder",
    "failures_frame",
    "list_results",
    "read_embeddings",
    "read_results",
    "read_walk_pose",
    "replacing",
    "store_pose",
    "write_csv",
    "write_json",
    "write_results",
    "write_text",
]

FAILURE_COLUMNS = (*ID_COLUMNS, "row", "column", "stage", "reason", "what_to_do")
_MARKER = ".gaitmb-results"
_CONCLUSIONS = ("evaluation.json", "report.html", "predictions.csv", "failures.csv")
_POSE_NAME = re.compile(r"[0-9a-f]{16}\.npz")
_CLIPS_A_GROUP = 64
_TEXT_COLUMNS = (*ID_COLUMNS, "medication", "rating", "predicted", "view", "pose", "pose_3d", "stage")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file under a temporary name, sync it, and only then give it its own.

    Whoever reads `path` sees the old content or the new, never a part; when the block raises, the old
    content stays.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with replacing(folder / "a.txt") as file:
    ...     _ = file.write(b"whole")
    >>> [entry.name for entry in folder.iterdir()]
    ['a.txt']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, document: Any) -> None:
    """Write strict JSON (no NaN), whole or not at all."""
    write_text(path, json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all; what is missing stays empty."""
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def default_cache_folder() -> Path:
    """``$GAITMB_CACHE``, else the user's cache folder of this system."""
    import platformdirs

    chosen = os.environ.get("GAITMB_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("gaitmb", appauthor=False))


@dataclass(frozen=True)
class EmbeddingCache:
    """Embeddings of clips on disk, addressed by what they were made from.

    Parameters
    ----------
    folder
        Where they lie; made when the first is written.

    Examples
    --------
    >>> import tempfile
    >>> cache = EmbeddingCache(Path(tempfile.mkdtemp()))
    >>> key = cache.key(np.zeros((16, 17, 3), np.float32), "weights")
    >>> cache.read(key) is None
    True
    >>> cache.write(key, np.ones((2, 17, 4), np.float32))
    >>> cache.read(key).shape
    (2, 17, 4)
    """

    folder: Path

    def key(self, clip: NDArray[np.float32], *made_with: str) -> str:
        """SHA-256 of the clip's numbers and shape and of everything it is embedded with."""
        digest = hashlib.sha256(repr((clip.shape, clip.dtype.str, *made_with)).encode())
        digest.update(np.ascontiguousarray(clip).tobytes())
        return digest.hexdigest()

    def _path(self, key: str) -> Path:
        return self.folder / "embeddings" / key[:2] / f"{key}.npy"

    def read(self, key: str) -> NDArray[np.float32] | None:
        """The stored embedding; None where there is none, or where its file was damaged."""
        try:
            with self._path(key).open("rb") as file:
                digest, content = file.read(32), file.read()
        except OSError:
            return None
        if hashlib.sha256(content).digest() != digest:
            return None
        vector = np.load(io.BytesIO(content), allow_pickle=False)
        return np.asarray(vector, dtype=np.float32)

    def write(self, key: str, vector: NDArray[np.float32]) -> None:
        """Store an embedding with its checksum."""
        buffer = io.BytesIO()
        np.save(buffer, vector, allow_pickle=False)
        with replacing(self._path(key)) as file:
            file.write(hashlib.sha256(buffer.getvalue()).digest())
            file.write(buffer.getvalue())


def store_pose(folder: Path, pose: PoseSequence) -> str:
    """Put a pose into a results folder under its content's name, and return that name."""
    buffer = io.BytesIO()
    write_pose(buffer, pose)
    name = f"{hashlib.sha256(buffer.getvalue()).hexdigest()[:16]}.npz"
    path = folder / "poses" / name
    if not path.exists():
        with replacing(path) as file:
            file.write(buffer.getvalue())
    return name


def _write_embeddings(folder: Path, table: EmbeddingTable, sidecar: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            *((name, pa.string()) for name in ID_COLUMNS),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("vector", pa.list_(pa.float32())),
        ]
    )
    with (
        replacing(folder / "embeddings.parquet") as file,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        # In groups, so that no second copy of all vectors is made.
        for start in range(0, len(table), _CLIPS_A_GROUP):
            group = slice(start, start + _CLIPS_A_GROUP)
            clips, vectors = table.clips.iloc[group], table.vectors[group]
            columns = [clips[name].tolist() for name in CLIP_COLUMNS]
            writer.write_table(
                pa.table([*columns, list(vectors.reshape(len(clips), -1))], schema=schema)
            )
    write_json(
        folder / "embeddings.json",
        {
            **sidecar,
            "vector_shape": list(table.vectors.shape[1:]),
            "vector_axes": ["mean, standard deviation over time", "joint", "feature"],
        },
    )


def claim_results(folder: Path, recordings: Iterable[Path]) -> None:
    """Make a folder one of results, or make sure that it is; nobody's other files are ever touched.

    Parameters
    ----------
    folder
        Where results shall go.
    recordings
        Files that the cohort is read from.

    Raises
    ------
    ConfigurationError
        The folder holds other files than results, or recordings of the cohort.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> claim_results(folder, [])
    >>> (folder / "other").mkdir()
    >>> (folder / ".gaitmb-results").unlink()
    >>> claim_results(folder, [])
    Traceback (most recent call last):
    gaitmb.errors.ConfigurationError: the results folder holds other files; expected ...
    """
    marker = folder / _MARKER
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError("the results folder is a file", remedy="Choose another --out")
    if folder.is_dir() and any(folder.iterdir()) and not marker.is_file():
        raise ConfigurationError(
            "the results folder holds other files",
            expected="a new or empty folder, or one of earlier results",
            remedy="Choose another --out",
        )
    place = folder.resolve()
    if any(path.resolve().is_relative_to(place) for path in recordings):
        raise ConfigurationError(
            "the cohort's own files lie in the results folder", remedy="Choose another --out"
        )
    for path in (*folder.glob(".*.tmp"), *folder.glob("poses/.*.tmp")):
        path.unlink(missing_ok=True)  # of runs that were killed while they wrote
    write_text(marker, "Written and replaced by gaitmb classify.\n")


def clear_results(folder: Path) -> None:
    """Remove what an earlier run concluded, before the first file of a new run takes its place."""
    for name in _CONCLUSIONS:
        (folder / name).unlink(missing_ok=True)


def write_results(
    folder: Path,
    *,
    evaluation: Evaluation,
    predictions: pd.DataFrame,
    failures: pd.DataFrame,
    walks: pd.DataFrame,
    gait_features: pd.DataFrame,
    report: str,
    embeddings: EmbeddingTable,
    embeddings_sidecar: Mapping[str, Any],
) -> None:
    """Write a results folder; ``evaluation.json``, by which it is found, comes last.

    Poses of walks that are not among `walks`, left by an earlier run in the same folder, are removed.

    Parameters
    ----------
    folder
        From :func:`claim_results`.
    evaluation, predictions, failures, walks, gait_features, report, embeddings
        What the files of the same names hold.
    embeddings_sidecar
        What is worth knowing of the embeddings; shape and axes are added.
    """
    write_csv(folder / "failures.csv", failures)
    write_csv(folder / "walks.csv", walks)
    write_csv(folder / "gait_features.csv", gait_features)
    write_csv(folder / "predictions.csv", predictions)
    _write_embeddings(folder, embeddings, embeddings_sidecar)
    write_text(folder / "report.html", report)
    write_json(folder / "evaluation.json", evaluation.to_dict())
    kept = {*walks["pose"], *walks["pose_3d"]}
    for path in (folder / "poses").iterdir():
        if _POSE_NAME.fullmatch(path.name) and path.name not in kept:
            path.unlink()


def read_embeddings(folder: Path) -> EmbeddingTable:
    """Read the embeddings of a results folder."""
    import pyarrow.parquet as pq

    with contextlib.closing(pq.ParquetFile(folder / "embeddings.parquet")) as file:
        table = file.read()
    shape = json.loads((folder / "embeddings.json").read_text("utf-8"))["vector_shape"]
    vectors = np.asarray(table["vector"].combine_chunks().flatten(), dtype=np.float32)
    clips = table.drop_columns(["vector"]).to_pandas()
    return EmbeddingTable(clips, vectors.reshape(len(clips), *shape))


def failures_frame(failures: Sequence[Failure]) -> pd.DataFrame:
    """The failures table, in a fixed order; empty with all its columns where nothing failed."""
    rows = [{name: getattr(failure, name) for name in FAILURE_COLUMNS} for failure in sorted(failures)]
    return pd.DataFrame(rows, columns=list(FAILURE_COLUMNS))


@dataclass(frozen=True, eq=False)
class StoredResults:
    """What one run of ``classify`` stored.

    Parameters
    ----------
    folder
        Where it lies.
    evaluation
        Metrics, baselines, provenance.
    predictions, failures, walks, gait_features
        The tables of the same names; identities, ratings and other names are text, and empty text where
        missing, numbers are NaN where missing.
    """

    folder: Path
    evaluation: Evaluation
    predictions: pd.DataFrame
    failures: pd.DataFrame
    walks: pd.DataFrame
    gait_features: pd.DataFrame


def read_results(folder: Path) -> StoredResults:
    """Read a results folder.

    Raises
    ------
    ConfigurationError
        The folder holds no results, or those of another version.
    """
    try:
        document = json.loads((folder / "evaluation.json").read_text("utf-8"))
        evaluation = Evaluation.from_dict(document)
        tables = {
            name: _read_csv(folder / f"{name}.csv")
            for name in ("predictions", "failures", "walks", "gait_features")
        }
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise ConfigurationError(
            "the folder holds no complete results",
            expected="what gaitmb classify writes",
            remedy="Run: gaitmb classify --cohort demo",
        ) from error
    return StoredResults(folder, evaluation, **tables)


def _read_csv(path: Path) -> pd.DataFrame:
    header = pd.read_csv(path, nrows=0).columns
    text = {name: str for name in header if name in _TEXT_COLUMNS}
    return pd.read_csv(
        path,
        dtype=text,
        keep_default_na=False,
        na_values={name: [""] for name in header if name not in text},
    )


def list_results(root: Path) -> list[Path]:
    """Results folders: `root` itself, or those directly in it, the newest first."""
    if (root / "evaluation.json").is_file():
        return [root]
    found = [path.parent for path in root.glob("*/evaluation.json")]
    return sorted(found, key=lambda path: (-(path / "evaluation.json").stat().st_mtime, path.name))


def read_walk_pose(
    folder: Path, participant_id: str, session_id: str, walk_id: str
) -> tuple[PoseSequence, PoseSequence | None]:
    """The stored pose of one walk: as embedded, and in 3D where it was recorded so.

    Raises
    ------
    ReadError
        The folder has no such walk.
    """
    walks = _read_csv(folder / "walks.csv")
    wanted = (
        (walks["participant_id"] == participant_id)
        & (walks["session_id"] == session_id)
        & (walks["walk_id"] == walk_id)
    )
    if not wanted.any():
        raise ReadError("the results hold no such walk", expected="a walk of walks.csv")
    row = walks.loc[wanted].iloc[0]
    pose_3d = read_pose(folder / "poses" / row["pose_3d"]) if row["pose_3d"] else None
    return read_pose(folder / "poses" / row["pose"]), pose_3d
