"""The walks of the cohort: rated and predicted severity, where they differ, and what was left out."""

import pandas as pd
import streamlit as st
from review_pages.stored import IDS, current_results

from gaitmb import viz

results = current_results()
scale = results.evaluation.cohort["scale"]
columns = viz.probability_columns(results.predictions, scale["classes"])


def agreement(walk: pd.Series) -> str:
    """Say how the predicted class stands to the rated one."""
    if not walk["rating"]:
        return "not rated"
    if walk["rating"] == walk["predicted"]:
        return "as rated"
    if scale["ordinal"]:
        return f"differs by {int(walk['predicted']) - int(walk['rating']):+d}"
    return "differs"


walks = results.predictions.copy()
walks["agreement"] = walks.apply(agreement, axis=1)
walks["probability"] = walks[list(columns.values())].max(axis=1)
shown = [*IDS, "medication", "rating", "predicted", "agreement", "probability"]
if scale["ordinal"]:
    walks["expected_severity"] = viz.expected_severity(walks, columns)
    shown.append("expected_severity")
shown += ["quality", "n_clips", "fold"]

st.title("Walks")
differing = walks["agreement"].str.startswith("differs")
rated = walks["rating"] != ""
counts = st.columns(4)
counts[0].metric("Walks", len(walks))
counts[1].metric("Rated", int(rated.sum()))
counts[2].metric("Predicted otherwise than rated", int(differing.sum()))
counts[3].metric("Left out", results.evaluation.cohort["n_failed"])

participant_filter, medication_filter, class_filter, show_filter, order = st.columns(5)
participants = participant_filter.multiselect("Participants", sorted(walks["participant_id"].unique()))
medications = medication_filter.multiselect("Medication", sorted(walks["medication"].unique()))
classes = class_filter.multiselect("Rated class", list(columns))
show = show_filter.selectbox("Show", ["All walks", "Differing from the rating", "Not rated"])
sort = order.selectbox("Sort by", ["Participant", "Largest difference", "Lowest probability"])

keep = pd.Series(True, index=walks.index)
if participants:
    keep &= walks["participant_id"].isin(participants)
if medications:
    keep &= walks["medication"].isin(medications)
if classes:
    keep &= walks["rating"].isin(classes)
if show == "Differing from the rating":
    keep &= differing
elif show == "Not rated":
    keep &= ~rated
walks = walks[keep]
if sort == "Lowest probability":
    walks = walks.sort_values("probability", kind="stable")
elif sort == "Largest difference":
    place = {name: number for number, name in enumerate(scale["classes"])}
    gap = (walks["predicted"].map(place) - walks["rating"].map(place)).abs()
    if not scale["ordinal"]:
        gap = gap.clip(upper=1)
    walks = walks.loc[gap.sort_values(ascending=False, kind="stable", na_position="last").index]


def shade(walk: pd.Series) -> list[str]:
    """Shade walks whose predicted class is not the rated one."""
    style = "background-color: #fdebdd" if walk["agreement"].startswith("differs") else ""
    return [style] * len(walk)


if walks.empty:
    st.info("No walk fits these filters.")
else:
    st.caption(
        f"{len(walks)} walks; those predicted otherwise than rated are shaded. Select one to open it."
    )
    table = st.dataframe(
        walks[shown].reset_index(drop=True).style.apply(shade, axis=1),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "participant_id": "Participant",
            "session_id": "Session",
            "walk_id": "Walk",
            "medication": "Medication",
            "rating": "Rated",
            "predicted": "Predicted",
            "agreement": "Agreement",
            "probability": st.column_config.NumberColumn("Its probability", format="%.2f"),
            "expected_severity": st.column_config.NumberColumn(
                "Expected severity (points)", format="%.2f"
            ),
            "quality": st.column_config.NumberColumn("Quality (0 to 1)", format="%.2f"),
            "n_clips": "Clips",
            "fold": "Fold",
        },
    )
    selected = table.selection.rows
    if selected:
        st.session_state["walk"] = tuple(walks.iloc[selected[0]][IDS])
        st.switch_page("review_pages/walk.py")

st.subheader("Left out, and why")
if results.failures.empty:
    st.markdown("Nothing: every walk of the cohort could be used.")
else:
    st.dataframe(
        results.failures,
        hide_index=True,
        column_config={
            "participant_id": "Participant",
            "session_id": "Session",
            "walk_id": "Walk",
            "row": "Row",
            "column": "Column",
            "stage": "Stage",
            "reason": "Reason",
            "what_to_do": "What to do",
        },
    )
