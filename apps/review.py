"""Review stored results in a browser: ``streamlit run apps/review.py -- --results results/``.

Nothing is computed here: the pages show what ``gaitmb classify`` stored, and torch is never loaded.
"""

import streamlit as st
from review_pages import stored

st.set_page_config(page_title="gaitmb review", layout="wide")
page = st.navigation(
    [
        st.Page("review_pages/walks.py", title="Walks", default=True),
        st.Page("review_pages/walk.py", title="Walk"),
        st.Page("review_pages/evaluation.py", title="Evaluation"),
    ]
)
stored.choose_results()
page.run()
st.divider()
st.caption("Research use only, not a medical device.")
