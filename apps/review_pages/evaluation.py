"""The evaluation: metrics with intervals beside the baselines, confusion, classes, participants."""

import pandas as pd
import streamlit as st
from review_pages.stored import current_results, plain

from gaitmb import viz
from gaitmb.data.evaluation import METRICS

results = current_results()
evaluation = results.evaluation
scale = evaluation.cohort["scale"]
protocol = evaluation.protocol

st.title("Evaluation")
levels = list(evaluation.metrics)
level = st.radio("Judged by", levels, format_func=lambda name: viz.LEVEL_LABELS[name], horizontal=True)
unit = viz.LEVEL_LABELS[level]
metrics = evaluation.metrics[level]

st.subheader("Weighted F1")
methods = {"classifier": metrics}
methods |= {name: scores[level] for name, scores in evaluation.baselines.items() if level in scores}
labels = viz.method_labels(evaluation)
for column, (name, scores) in zip(st.columns(len(methods)), methods.items(), strict=True):
    interval = scores.metrics["weighted_f1"]
    column.metric(plain(labels[name]), "–" if interval.value is None else f"{interval.value:.2f}")
    column.caption(str(interval))
st.caption(
    f"{metrics.n_scored} {unit} scored out of fold ({plain(protocol['name'])}, "
    f"{protocol['n_folds']} folds); in brackets the interval over {metrics.n_participants} participants."
)

for reason in sorted({interval.reason for interval in metrics.metrics.values() if interval.reason}):
    named = [viz.METRIC_LABELS[name] for name in METRICS if metrics.metrics[name].reason == reason]
    st.info(f"{', '.join(named)}: {plain(reason)}.")

for note in evaluation.limits:
    st.info(plain(note))

if not metrics.n_scored:
    st.info(f"There are no {unit} to score.")
else:
    st.plotly_chart(viz.metric_intervals(evaluation, level), theme=None, key="metrics")
    left, right = st.columns(2)
    left.plotly_chart(viz.confusion_matrix(metrics, unit), theme=None, key="confusion")
    right.plotly_chart(viz.class_scores(metrics, unit), theme=None, key="classes")

differences = [
    {
        "Baseline": viz.BASELINE_LABELS.get(name, name),
        "Difference in weighted F1": str(by_level[level]),
    }
    for name, by_level in evaluation.comparisons.items()
    if level in by_level
]
if differences:
    st.subheader("Classifier minus baseline")
    st.dataframe(pd.DataFrame(differences), hide_index=True)

st.subheader("Participants")
st.plotly_chart(
    viz.predicted_against_rated(results.predictions, scale["classes"], ordinal=bool(scale["ordinal"])),
    theme=None,
    key="participants",
)
st.plotly_chart(
    viz.class_distribution(results.predictions, scale["classes"]), theme=None, key="distribution"
)

st.subheader("Data and provenance")
st.markdown(
    f"Licence: {plain(evaluation.cohort['licence'] or 'not stated')}  \n"
    f"Cite: {plain(evaluation.cohort['citation'] or 'not stated')}"
)
with st.expander("Everything as JSON"):
    st.json(evaluation.to_dict(), expanded=1)
