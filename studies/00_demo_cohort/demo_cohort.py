# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does severity follow from movement in the demo cohort, and do ON and OFF differ?
#
# **The demo cohort is synthetic: every walk was simulated from a severity that was set beforehand.
# Nothing below says anything of people. Research use only, not a medical device.**
#
# This notebook computes nothing from walks. It loads what `gaitmb classify` stored (see `study.toml`)
# and asks
#
# 1. Do the predicted classes agree with the rated ones, more than the baselines do?
# 2. Does the predicted severity rise with the rated one?
# 3. Is the predicted severity lower ON than OFF medication, within participants?
#
# Predicted severity is the expected value over the predicted probabilities,
# $\sum_k k\,p_k$ in points of MDS-UPDRS item 3.10, out of fold: no model saw the participant it judges.

# %%
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.io as pio
import statsmodels.formula.api as smf
from IPython.display import Markdown, display
from statsmodels.genmod.cov_struct import Exchangeable
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from gaitmb import viz
from gaitmb.io.store import read_results

pio.renderers.default = "plotly_mimetype"
RESULTS = Path(os.environ.get("GAITMB_RESULTS", "../../results/00_demo_cohort"))

results = read_results(RESULTS)
evaluation = results.evaluation
scale = evaluation.cohort["scale"]
if not scale["ordinal"]:
    raise SystemExit("This study needs ratings with an order: run it on the demo cohort.")

display(Markdown("\n\n".join(f"**{caveat}.**" for caveat in evaluation.caveats)))
cohort = evaluation.cohort
print(
    f"{cohort['n_walks']} walks, {cohort['n_sessions']} sessions, "
    f"{cohort['n_participants']} participants; "
    f"{evaluation.classifier} on {evaluation.encoder['name']}, {evaluation.protocol['name']}"
)

# %% [markdown]
# ## 1. Agreement of predicted with rated classes, beside the baselines

# %%
labels = viz.method_labels(evaluation)
methods = {"classifier": evaluation.metrics, **evaluation.baselines}
shown = ("weighted_f1", "balanced_accuracy", "qwk", "mae", "within_one")
agreement = pd.DataFrame(
    [
        {
            "method": labels[name],
            "level": viz.LEVEL_LABELS[level],
            **{metric: str(levels[level].metrics[metric]) for metric in shown},
        }
        for name, levels in methods.items()
        for level in levels
    ]
).set_index(["level", "method"])
agreement.sort_index(level=0, sort_remaining=False)

# %%
viz.metric_intervals(evaluation, "participant_session").show()

# %%
viz.confusion_matrix(
    evaluation.metrics["participant_session"], viz.LEVEL_LABELS["participant_session"]
).show()

# %% [markdown]
# ## 2. Does predicted severity rise with rated severity?
#
# One row per session. Sessions of a participant are alike, so that errors are clustered: generalised
# estimating equations with an exchangeable correlation within participants.
# A slope of 1 would be perfect, 0 says that prediction and rating have nothing to do with each other.

# %%
sessions = viz.average_sessions(results.predictions, scale["classes"])
sessions["severity"] = viz.expected_severity(sessions, scale["classes"])
rated = sessions[sessions["rating"] != ""].copy()
rated["rated"] = rated["rating"].astype(float)


def gee(formula: str, table: pd.DataFrame) -> pd.DataFrame:
    """Coefficients with 95 % intervals, clustered by participant."""
    fit = smf.gee(formula, groups="participant_id", data=table, cov_struct=Exchangeable()).fit()
    low, high = np.asarray(fit.conf_int()).T
    return pd.DataFrame(
        {"estimate": fit.params, "low": low, "high": high, "p": fit.pvalues}, index=fit.params.index
    )


slope = gee("severity ~ rated", rated)
slope.round(3)

# %%
viz.predicted_against_rated(results.predictions, scale["classes"]).show()

# %% [markdown]
# ## 3. ON against OFF medication
#
# A linear mixed model: predicted severity on medication, with a random intercept per participant. Where
# it cannot be fitted (participants do not differ beyond chance, so that the variance of the intercept
# lies at 0), the estimating equations of above take its place. The same is done for the rated severity:
# a prediction can show no more difference than there is.

# %%
medicated = rated[rated["medication"].isin(["on", "off"])].copy()
medicated["on"] = (medicated["medication"] == "on").astype(float)


def medication_effect(outcome: str, table: pd.DataFrame) -> dict[str, object]:
    """ON minus OFF in points, with its 95 % interval, and the model that gave it."""
    formula = f"{outcome} ~ on"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit = smf.mixedlm(formula, table, groups=table["participant_id"]).fit(reml=True)
            low, high = np.asarray(fit.conf_int().loc["on"], dtype=float)
            sound = fit.converged and np.isfinite([low, high]).all()
        except np.linalg.LinAlgError:
            sound = False
    if sound and not any(issubclass(one.category, ConvergenceWarning) for one in caught):
        return {
            "outcome": outcome,
            "on_minus_off": fit.params["on"],
            "low": low,
            "high": high,
            "p": fit.pvalues["on"],
            "model": "mixed model, random intercept",
        }
    row = gee(formula, table).loc["on"]
    return {
        "outcome": outcome,
        "on_minus_off": row["estimate"],
        "low": row["low"],
        "high": row["high"],
        "p": row["p"],
        "model": "estimating equations, exchangeable",
    }


effects = pd.DataFrame([medication_effect(outcome, medicated) for outcome in ("severity", "rated")])
effects.round(3)

# %%
viz.medication_change(medicated, "severity", "Predicted severity (points)").show()

# %% [markdown]
# ## Answer

# %%
f1 = evaluation.metrics["walk"].metrics["weighted_f1"]
majority = evaluation.baselines["majority"]["walk"].metrics["weighted_f1"]
features = evaluation.baselines["gait_features"]["walk"].metrics["weighted_f1"]
predicted, truth = effects.set_index("outcome").loc[["severity", "rated"]].itertuples()
per_point = slope.loc["rated"]
what = "**synthetic** cohort" if cohort["synthetic"] else "cohort"
encoder = "trained" if evaluation.encoder["trained"] else "untrained"
display(
    Markdown(
        f"In this {what}, weighted F1 of walks is {f1} with {encoder} encoder weights, {majority} for "
        f"always naming the most frequent class and {features} for gait features. Predicted severity "
        f"changes by {per_point.estimate:.2f} points [{per_point.low:.2f}, {per_point.high:.2f}] per "
        f"rated point. ON minus OFF is {predicted.on_minus_off:+.2f} points "
        f"[{predicted.low:+.2f}, {predicted.high:+.2f}] as predicted and {truth.on_minus_off:+.2f} "
        f"[{truth.low:+.2f}, {truth.high:+.2f}] as rated. Intervals are over participants; predictions "
        "of different participants share most of their training walks, which these models do not know."
    )
)
