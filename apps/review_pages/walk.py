"""One walk: its joints in the picture and in space, its probabilities, its rating, its gait features."""

import pandas as pd
import streamlit as st
from review_pages.stored import IDS, current_results, plain, walk_label, walk_pose

from gaitmb import viz
from gaitmb.errors import GaitmbError

UNITS = {
    "spm": "steps/min",
    "s": "s",
    "hz": "Hz",
    "mm": "mm",
    "m": "m",
    "mps": "m/s",
    "deg": "degrees",
    "pct": "%",
    "ll": "leg lengths",
    "ll_per_s": "leg lengths/s",
}


def ending(name: str) -> str:
    """Find the unit at the end of a feature's name; empty where it has none."""
    return max((unit for unit in UNITS if name.endswith(f"_{unit}")), key=len, default="")


results = current_results()
classes = results.evaluation.cohort["scale"]["classes"]
columns = viz.probability_columns(results.predictions, classes)
keys = list(results.predictions[IDS].itertuples(index=False, name=None))

st.title("Walk")
chosen = st.session_state.get("walk")
number = st.selectbox(
    "Walk to show",
    range(len(keys)),
    index=keys.index(chosen) if chosen in keys else 0,
    format_func=lambda n: walk_label(keys[n]),
)
key = keys[number]
st.session_state["walk"] = key
prediction = results.predictions.iloc[number]

figures = st.columns(5)
figures[0].metric("Rated", prediction["rating"] or "–")
figures[1].metric("Predicted", prediction["predicted"])
figures[2].metric("Its probability", f"{prediction[columns[prediction['predicted']]]:.2f}")
figures[3].metric(
    "Medication", prediction["medication"].upper() if prediction["medication"] != "na" else "–"
)
figures[4].metric("Quality (0 to 1)", f"{prediction['quality']:.2f}")

try:
    pose_2d, pose_3d = walk_pose(results.folder, key)
except (GaitmbError, OSError) as error:
    st.error(f"The stored pose of this walk cannot be read: {plain(error)}")
else:
    left, right = st.columns(2)
    with left:
        st.plotly_chart(viz.animate_2d(pose_2d), theme=None, key="2d")
        view = f", seen from {plain(pose_2d.view.replace('_', ' '))}" if pose_2d.view else ""
        st.caption(
            f"{pose_2d.n_frames} frames at {pose_2d.rate_hz:.1f} Hz{view}. "
            "Right side: blue, round joints; left side: orange, diamonds."
        )
    with right:
        if pose_3d is None:
            st.info("This walk is in 2D: there are no joints in space to rotate.")
        else:
            st.plotly_chart(viz.animate_3d(pose_3d), theme=None, key="3d")

left, right = st.columns(2)
with left:
    probabilities = {name: float(prediction[column]) for name, column in columns.items()}
    st.plotly_chart(
        viz.probability_bars(probabilities, prediction["rating"] or None),
        theme=None,
        key="probabilities",
    )
with right:
    st.subheader("Gait features")
    names = [name for name in results.gait_features.columns if name not in IDS]
    mine = results.gait_features.set_index(IDS)[names]
    if key not in mine.index or not names:
        st.markdown("None are stored for this walk.")
    else:
        rows = pd.DataFrame(
            {
                "Feature": [name.removesuffix(f"_{ending(name)}").replace("_", " ") for name in names],
                "Unit": [UNITS.get(ending(name), "–") for name in names],
                "This walk": pd.to_numeric(mine.loc[key]).to_numpy(),
                "Median of the cohort": mine.median().to_numpy(),
            }
        )
        st.dataframe(
            rows,
            hide_index=True,
            column_config={
                name: st.column_config.NumberColumn(format="%.3g")
                for name in ("This walk", "Median of the cohort")
            },
        )
        st.caption("None: this walk does not show it, for example an arm that was not seen.")
