"""What this installation can do, told without loading any of it."""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import gaitmb

__all__ = ["examine", "library_versions"]

_REQUIRED = (
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "torch",
    "safetensors",
    "joblib",
    "pandera",
    "pyarrow",
    "plotly",
    "jinja2",
    "rich",
)
_EXTRAS = {
    "video": ("av", "mediapipe"),
    "app": ("streamlit",),
    "excel": ("openpyxl",),
    "studies": ("statsmodels", "jupytext", "nbclient"),
}


def library_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Installed versions by distribution name; ``missing`` where there is none."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def examine() -> dict[str, dict[str, Any]]:
    """Sections of findings, each a dictionary of names and values that JSON can hold."""
    import joblib

    from gaitmb.io.cohorts import COHORT_MODULES
    from gaitmb.io.store import default_cache_folder
    from gaitmb.workflow.weights import list_weights

    extras = {}
    for extra, names in _EXTRAS.items():
        missing = [name for name in names if importlib.util.find_spec(name) is None]
        extras[extra] = f'missing; run: pip install "gaitmb[{extra}]"' if missing else "installed"
    cache = default_cache_folder()
    n_cached, size = _size_of(cache / "embeddings")
    return {
        "gaitmb": {
            "version": gaitmb.__version__,
            "python": platform.python_version(),
            "system": platform.platform(terse=True),
            "cores": joblib.cpu_count(),
        },
        "libraries": library_versions(_REQUIRED),
        "extras": extras,
        "encoders": {
            card["name"]: f"sha256 {card['sha256']}" if card["trained"] else "untrained: random weights"
            for card in list_weights()
        },
        "pose models": _pose_models(),
        "cohorts": {name: "built in" for name in COHORT_MODULES if name != "manifest"},
        "cache": {"embeddings": n_cached, "size_mb": round(size / 1e6, 1)},
        "offline": {
            "gaitmb": "opens no connection but to fetch a pose model that is missing",
            "mediapipe usage metrics": "blocked: its process has no network, or a dead proxy",
            "streamlit usage statistics": _streamlit_statistics(),
        },
    }


def _pose_models() -> dict[str, str]:
    from gaitmb.pose.models import POSE_MODELS, cached_model, install_command

    return {
        name: "in the cache" if cached_model(name) else f"missing; run: {install_command(name)}"
        for name in POSE_MODELS
    }


def _size_of(folder: Path) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in folder.glob("*/*.npy")]
    return len(sizes), sum(sizes)


def _streamlit_statistics() -> str:
    """Whether Streamlit would send usage statistics when the review app is started from here."""
    import tomllib

    if importlib.util.find_spec("streamlit") is None:
        return "streamlit is not installed"
    said = os.environ.get("STREAMLIT_BROWSER_GATHER_USAGE_STATS")
    for path in (Path.home() / ".streamlit/config.toml", Path(".streamlit/config.toml")):
        if said is None and path.is_file():
            try:
                browser = tomllib.loads(path.read_text("utf-8")).get("browser", {})
            except (OSError, ValueError):
                continue
            if "gatherUsageStats" in browser:
                said = str(browser["gatherUsageStats"])
    if said is not None and said.lower() == "false":
        return "off"
    return "ON when started from here: start the app in the project's folder, or switch them off"
