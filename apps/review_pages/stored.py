"""Which results are shown, read once, and what has to be said above them on every page."""

import argparse
import os
import re
import sys
from pathlib import Path

import streamlit as st

from gaitmb.data.evaluation import Evaluation
from gaitmb.data.pose import PoseSequence
from gaitmb.errors import GaitmbError
from gaitmb.io.store import ID_COLUMNS, StoredResults, list_results, read_results, read_walk_pose

__all__ = ["IDS", "choose_results", "current_results", "plain", "walk_label", "walk_pose"]

#: What names a walk in every table, as the list that pandas wants.
IDS = list(ID_COLUMNS)


def results_root() -> Path:
    """Folder named by ``--results``, else by ``$GAITMB_RESULTS``, else ``results``."""
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    parser.add_argument("--results", default=os.environ.get("GAITMB_RESULTS") or "results")
    return Path(parser.parse_known_args(sys.argv[1:])[0].results)


def choose_results() -> None:
    """Let the user choose among the results there are; stop the page where there are none."""
    root = results_root()
    found = list_results(root)
    if not found:
        st.title("No results yet")
        st.markdown("This app shows what `gaitmb classify` stored. To make results of the demo cohort:")
        st.code("gaitmb classify --cohort demo", language="bash")
        st.markdown("or name the folder where yours are:")
        st.code("streamlit run apps/review.py -- --results FOLDER", language="bash")
        st.stop()
    names = [path.name or str(path) for path in found]
    with st.sidebar:
        number = st.selectbox(
            "Results", range(len(found)), format_func=lambda n: names[n], key=f"results in {root}"
        )
    st.session_state["folder"] = str(found[number])


def current_results() -> StoredResults:
    """Read the chosen results, and say above them what has to be said."""
    folder = Path(st.session_state["folder"])
    try:
        results = _read(str(folder), _modified_ns(folder))
    except GaitmbError as error:
        st.error(plain(str(error)))
        st.stop()
    _banner(results.evaluation)
    return results


def walk_pose(folder: Path, key: tuple[str, str, str]) -> tuple[PoseSequence, PoseSequence | None]:
    """Read the stored pose of one walk."""
    return _read_pose(str(folder), _modified_ns(folder), key)


def _modified_ns(folder: Path) -> int:
    return max((path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()), default=0)


@st.cache_data(show_spinner="Reading results", max_entries=4)
def _read(folder: str, modified_ns: int) -> StoredResults:  # part of the cache's key
    return read_results(Path(folder))


@st.cache_data(show_spinner="Reading the walk", max_entries=32)
def _read_pose(
    folder: str,
    modified_ns: int,  # part of the cache's key
    key: tuple[str, str, str],
) -> tuple[PoseSequence, PoseSequence | None]:
    return read_walk_pose(Path(folder), *key)


def _banner(evaluation: Evaluation) -> None:
    for caveat in evaluation.caveats:
        st.warning(f"**{plain(caveat)}**", icon="⚠️")
    cohort = evaluation.cohort
    trained = "trained" if evaluation.encoder["trained"] else "untrained"
    st.sidebar.markdown(
        f"**{plain(cohort['name'])}**{' (synthetic)' if cohort['synthetic'] else ''}  \n"
        f"{cohort['n_walks']} walks, {cohort['n_participants']} participants  \n"
        f"{plain(evaluation.classifier)} on {plain(evaluation.encoder['name'])}, {trained}"
    )
    st.sidebar.caption("Research use only, not a medical device.")


def plain(text: object) -> str:
    """Text from data so that Markdown shows it literally (an image in it would be fetched)."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])", r"\\\1", str(text))


def walk_label(key: tuple[str, str, str]) -> str:
    """One walk, as lists name it."""
    return "{}, session {}, walk {}".format(*key)
