"""The report says everything, loads nothing and trusts no text."""

import dataclasses
import html.parser
import re

import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from gaitmb.data.evaluation import Evaluation, Interval
from gaitmb.report import render_report


class _Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.words, self.styles, self.stack = [], [], [], []
        # The library is the greatest part of the page and not ours to read.
        self.feed(text.replace(get_plotlyjs(), ""))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag in ("script", "style") and self.stack:
            self.stack.pop()

    def handle_data(self, data):
        if not self.stack:
            self.words.append(data)
        elif self.stack[-1] == "style":
            self.styles.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture
def ordinal_page(ordinal_results):
    return render_report(
        ordinal_results.evaluation, ordinal_results.predictions, ordinal_results.failures
    )


@pytest.fixture
def named_page(named_results):
    return render_report(named_results.evaluation, named_results.predictions, named_results.failures)


def test_the_page_refers_to_nothing_outside_itself(ordinal_page):
    page = _Page(ordinal_page)
    loading = [
        attrs
        for tag, attrs in page.tags
        if {"src", "href", "srcset", "action"} & attrs.keys() or tag in ("link", "base", "iframe")
    ]
    assert loading == []
    assert not re.search(r"@import|url\(", "".join(page.styles))
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_plotly_is_in_the_page_once(ordinal_page):
    assert ordinal_page.count("plotly.js v") == 1


def test_equal_input_gives_equal_bytes_whatever_the_duration(ordinal_results, ordinal_page):
    evaluation = ordinal_results.evaluation
    slower = dataclasses.replace(evaluation, provenance={**evaluation.provenance, "duration_s": 99.5})
    again = render_report(slower, ordinal_results.predictions, ordinal_results.failures)
    assert again == ordinal_page


def test_a_report_of_results_read_back_is_the_same_report(ordinal_results, ordinal_page):
    back = Evaluation.from_dict(ordinal_results.evaluation.to_dict())
    page = render_report(back, ordinal_results.predictions, ordinal_results.failures)
    assert page == ordinal_page


def test_the_headline_is_the_weighted_f1_of_walks_with_its_interval(ordinal_results, ordinal_page):
    shown = ordinal_results.evaluation.metrics["walk"].metrics["weighted_f1"]
    text = _Page(ordinal_page).text
    assert f"Weighted F1, walks {shown.value:.2f}" in text
    assert f"95 % interval {shown.low:.2f} to {shown.high:.2f}" in text
    assert "8 participants with rated walks, with replacement 2,000 times" in text


def test_the_bootstrap_is_said_to_draw_only_participants_with_scored_walks(ordinal_results):
    table = ordinal_results.predictions
    assert ordinal_results.evaluation.cohort["n_participants"] == table["participant_id"].nunique() == 8
    scored = {
        level: dataclasses.replace(metrics, n_participants=number)
        for number, (level, metrics) in enumerate(ordinal_results.evaluation.metrics.items(), start=6)
    }
    evaluation = dataclasses.replace(ordinal_results.evaluation, metrics=scored)
    back = Evaluation.from_dict(evaluation.to_dict())
    text = _Page(render_report(back, table, ordinal_results.failures)).text
    assert "drawing the 6 participants with rated walks" in text
    assert "Walks: 31 scored, of 6 participants" in text
    assert "Participant-sessions: 31 scored, of 7 participants" in text


def test_synthetic_and_untrained_are_said_before_anything_else(ordinal_page):
    text = _Page(ordinal_page).text
    assert text.index("SYNTHETIC") < text.index("Result")
    assert text.index("UNTRAINED") < text.index("Result")
    assert "random projection" in text


def test_a_trained_encoder_on_real_walks_carries_no_banner_but_the_disclaimer(named_page):
    page = _Page(named_page)
    assert not any(attrs.get("class") == "banner" for _, attrs in page.tags)
    assert page.text.count("Research use only, not a medical device") >= 2
    assert "ab" * 32 in page.text


def test_metrics_that_do_not_exist_are_a_dash_with_their_reason(named_page):
    text = _Page(named_page).text
    assert "Quadratic weighted kappa – – – –" in text
    assert "the classes have names, not an order" in text


def test_what_limits_the_result_is_noted_beside_the_figures(ordinal_page):
    text = _Page(ordinal_page).text
    assert text.index("class <3> was rated in one participant only") < text.index("Which classes")


@pytest.mark.parametrize(("n_resamples", "said"), [(1999, True), (2000, False), (5000, False)])
def test_fewer_than_2000_resamples_are_noted_beside_the_other_limits(ordinal_results, n_resamples, said):
    evaluation = ordinal_results.evaluation
    evaluation = dataclasses.replace(
        evaluation, protocol={**evaluation.protocol, "n_resamples": n_resamples}
    )
    text = _Page(render_report(evaluation, ordinal_results.predictions, ordinal_results.failures)).text
    noted = text[text.index("class <3> was rated") : text.index("Which classes")]
    assert (f"{n_resamples:,} resamples of participants, fewer than the usual 2,000" in noted) == said


def test_whoever_sends_the_page_on_is_told_that_it_names_participants(ordinal_page):
    footer = ordinal_page[ordinal_page.index("<footer>") :]
    assert "names participants, sessions and walks as the cohort does" in footer
    assert "P01" in ordinal_page


def test_what_was_left_out_is_listed_with_reason_and_remedy(named_page, ordinal_page):
    assert "S9 ses0 01 12 path read the file is empty Record the walk again" in _Page(named_page).text
    assert "every walk of the cohort could be used" in _Page(ordinal_page).text
    assert "1 walk was not rated" in _Page(ordinal_page).text


def test_a_walk_left_out_for_two_reasons_is_counted_once(named_results):
    twice = pd.concat([named_results.failures] * 2, ignore_index=True)
    text = _Page(render_report(named_results.evaluation, named_results.predictions, twice)).text
    assert "1 walk could not be used; one row for each reason" in text
    assert text.count("S9 ses0 01") == 2


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.1, 0.3, "better than"), (-0.3, -0.1, "worse than"), (-0.1, 0.3, "not told apart from")],
)
def test_a_paired_difference_is_put_into_words_by_its_interval(ordinal_results, low, high, words):
    evaluation = dataclasses.replace(
        ordinal_results.evaluation,
        comparisons={"majority": {"walk": Interval((low + high) / 2, low, high)}},
    )
    text = _Page(render_report(evaluation, ordinal_results.predictions, ordinal_results.failures)).text
    assert f"{low:+.2f}, {high:+.2f}] {words} this baseline" in text


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def test_no_text_of_the_data_becomes_markup(ordinal_results):
    clean = _Page(
        render_report(ordinal_results.evaluation, ordinal_results.predictions, ordinal_results.failures)
    )
    failure = dict.fromkeys(
        ["participant_id", "session_id", "walk_id", "column", "stage", "reason", "what_to_do"], HOSTILE
    )
    document = ordinal_results.evaluation.to_dict()
    for key in ("name", "licence", "citation"):
        document["cohort"][key] = HOSTILE
    document["classifier"] = document["encoder"]["name"] = HOSTILE
    predictions = ordinal_results.predictions.replace("P01", HOSTILE).replace("off", HOSTILE)
    text = render_report(
        Evaluation.from_dict(document), predictions, pd.DataFrame([{**failure, "row": 3}])
    )
    hostile = _Page(text)

    def count(page, tag):
        return sum(name == tag for name, _ in page.tags)

    assert count(hostile, "script") == count(clean, "script")
    assert count(hostile, "img") == 0
    assert "<script>alert" not in text
    assert not any(key.startswith("on") for _, attrs in hostile.tags for key in attrs)


def test_a_level_without_any_case_is_explained_not_drawn(ordinal_results):
    level = ordinal_results.evaluation.metrics["participant_session"]
    reason = "no session has walks of one rating only"
    empty = dataclasses.replace(
        level,
        metrics={name: Interval(None, reason=reason) for name in level.metrics},
        per_class={},
        classes=(),
        confusion=(),
        n_scored=0,
        n_excluded=16,
    )
    evaluation = dataclasses.replace(
        ordinal_results.evaluation,
        metrics={**ordinal_results.evaluation.metrics, "participant_session": empty},
    )
    page = render_report(evaluation, ordinal_results.predictions, ordinal_results.failures)
    assert reason in _Page(page).text
    assert "figure-confusion-participant-session" not in page
    assert "16 left out because their walks were rated differently" in _Page(page).text


def test_the_class_distribution_and_the_participants_are_drawn(ordinal_page):
    for name in ("distribution", "against", "metrics-walk", "confusion-walk"):
        assert f'id="figure-{name}"' in ordinal_page
