"""Who is who, and who is the participant: simulated people whose paths are known."""

import numpy as np
import pytest

from gaitmb.errors import ConfigurationError
from gaitmb.pose.detections import Detections
from gaitmb.pose.people import Box, choose, track


def purity(scene, one, who: int) -> float:
    """Share of a track's frames that show a person."""
    return float(scene.is_person(who, one.pose)[one.seen].mean())


def share_followed(scene, one, who: int) -> float:
    """Share of the frames in which a person was detected that are in a track."""
    there = np.isfinite(scene.people_px[who][:, 0, 0])
    return float((scene.is_person(who, one.pose) & there).sum() / there.sum())


@pytest.mark.parametrize("seed", range(3))
def test_two_walkers_who_cross_keep_their_identity_and_are_refused(stage, seed):
    scene = stage.film(
        stage.walker(5, -90, seed).at(-2.5, 4.5 + 0.3 * seed),
        stage.walker(5, 90, seed + 5, cadence_spm=100 + 5 * seed).at(2.5, 5.5),
        seed=seed,
    )
    tracks = track(scene.seen)
    assert len(tracks) == 2
    for one, who in zip(tracks, (0, 1), strict=True):
        assert purity(scene, one, who) >= 0.99
        assert share_followed(scene, one, who) >= 0.8  # some frames are hidden behind the other
    choice = choose(tracks)
    assert choice.track is None
    assert [reason.code for reason in choice.reasons] == ["several_candidates"]
    assert "--person" in choice.reasons[0].text


def test_the_refusal_is_settled_by_number_or_by_a_box(stage):
    scene = stage.film(stage.walker(4, -90).at(-2, 5), stage.walker(4, 90, 4).at(2, 6))
    tracks = track(scene.seen)
    assert choose(tracks, person=2).track is tracks[1]
    left, top, right, bottom = tracks[1].boxes_px[30]
    box = Box(left - 9, top - 9, right - left + 18, bottom - top + 18, at_s=1.0)
    assert choose(tracks, box=box).track is tracks[1]


def test_a_person_who_is_not_there_is_an_error_that_names_those_who_are(stage):
    tracks = track(stage.film(stage.walker(3, -90).at(-2, 5)).seen)
    with pytest.raises(ConfigurationError, match="no person 7"):
        choose(tracks, person=7)
    with pytest.raises(ConfigurationError, match="nobody is followed in that box"):
        choose(tracks, box=Box(0, 0, 5, 5, at_s=1.0))


@pytest.mark.parametrize("text", ["", "1,2,3,4", "1,2,3@4", "1,2,0,4@1", "a,b,c,d@e", "1,2,3,4@nan"])
def test_a_box_that_is_none_is_refused(text):
    with pytest.raises(ConfigurationError, match="expected x,y,w,h@seconds"):
        Box.parse(text)


def test_a_carer_who_walks_alongside_never_takes_the_participants_place(stage):
    scene = stage.film(
        stage.walker(5, -90, 1, cadence_spm=90, step_length_m=0.5).at(-1.5, 4.8),
        stage.walker(5, -90, 7).at(-2.7, 5.6),
    )
    participant = max(track(scene.seen), key=lambda one: share_followed(scene, one, 0))
    assert purity(scene, participant, 0) >= 0.99
    assert share_followed(scene, participant, 0) >= 0.95


def test_who_leaves_and_returns_is_one_person(stage):
    there = stage.walker(5, -90, 3).at(-1, 4.5)
    there.body = np.concatenate([there.body, there.body[::-1]])
    scene = stage.film(there)
    [one] = track(scene.seen)
    assert len(one.returned_s) == 1
    choice = choose([one])
    assert choice.status == "ok"
    assert len(choice.reports[0].bouts) == 2


def test_the_one_who_walks_is_chosen_not_the_larger_one_who_stands(stage):
    stands = stage.walker(0.2, -90).at(0.9, 3.2).then_stands(5)
    scene = stage.film(stage.walker(5, -90, 2).at(-2.5, 6), stands)
    tracks = track(scene.seen)
    choice = choose(tracks)
    assert choice.track is not None
    assert purity(scene, choice.track, 0) >= 0.95
    assert choice.track.size_px < max(one.size_px for one in tracks)


def test_nobody_and_ghosts_are_nobody(stage):
    nobody = np.zeros((0, 33, 4), np.float32)
    ghost = stage.film(stage.walker(2, -90).at(-1, 5)).seen.frames[:6]
    frames = (*[nobody] * 20, *ghost, *[nobody] * 20)
    assert track(Detections(np.arange(46) / 30, (1280, 720), frames)) == []
    assert choose([]).reasons[0].code == "nobody"


@pytest.mark.parametrize("seed", range(3))
def test_identities_are_kept_when_both_are_lost_while_they_cross(stage, seed):
    scene = stage.film(
        stage.walker(5, -90, seed).at(-2.5, 5.0), stage.walker(5, 90, seed + 5).at(2.5, 5.2), seed=seed
    )
    hips = [person[:, 23, 0] for person in scene.people_px]
    crossing = int(np.nanargmin(np.abs(hips[0] - hips[1])))
    frames = list(scene.seen.frames)
    frames[crossing - 8 : crossing + 9] = [np.zeros((0, 33, 4), np.float32)] * 17
    tracks = track(Detections(scene.seen.time_s, scene.seen.size_px, tuple(frames)))
    assert len(tracks) == 2
    for one in tracks:
        assert max(purity(scene, one, who) for who in (0, 1)) >= 0.99
