"""Demonstrations of Push-T: replays and the scripted expert are reproducible, lead to the goal, and keep pushing."""

import numpy as np
import pytest

from jepa.data import generate_push_t
from jepa.data.download import NetworkError
from jepa.data.episodes import Episodes
from jepa.data.generate_push_t import generate, mirrored
from jepa.data.push_t_expert import best_push, demonstrate, gap, random_start
from jepa.data.push_t_files import Demonstrations
from jepa.envs.push_t import Simulator, at_rest, block_reached, corners, reached
from jepa.envs.push_t_render import TARGET
from jepa.errors import JepaError

GOAL = at_rest([256, 256, *TARGET])


@pytest.fixture(scope="module")
def human():
    """Three demonstrations of the scripted expert, in the layout of the human ones."""
    made = [demonstrate(np.random.default_rng(i), noise=0.0)[:2] for i in range(3)]
    poses = np.concatenate([states[:, :5] for states, _ in made])
    targets = np.concatenate([states[:, :2] + 100 * np.append(a, a[-1:], axis=0) for states, a in made])
    return Demonstrations(poses, targets, np.cumsum([len(states) for states, _ in made]))


@pytest.fixture
def replayed(human, monkeypatch):
    found = {"source": "mirror", "path": "human.npz"}
    monkeypatch.setattr(generate_push_t, "obtain", lambda *_: ("human.npz", found))
    monkeypatch.setattr(generate_push_t, "demonstrations", lambda _: human)


def test_replays_are_reproducible_and_independent_of_their_number(tmp_path, replayed):
    facts = generate(tmp_path / "a.h5", 3, 6, progress=False)
    generate(tmp_path / "b.h5", 3, 6, progress=False)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    generate(tmp_path / "c.h5", 3, 2, progress=False)
    many, few = Episodes.open(tmp_path / "a.h5"), Episodes.open(tmp_path / "c.h5")
    np.testing.assert_array_equal(many.states[: len(few.states)], few.states)
    assert facts["episodes"] == 6 and facts["rows"] == len(many.states) and facts["seed"] == 3
    assert facts["demonstrations"]["source"] == "mirror" and "3 human demonstrations" in facts["message"]
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_stored_actions_lead_from_row_to_row(tmp_path, replayed):
    generate(tmp_path / "a.h5", 0, 4, progress=False)
    episodes = Episodes.open(tmp_path / "a.h5")
    for first, length in zip(episodes.ep_offset, episodes.ep_len, strict=True):
        simulator = Simulator(1)
        simulator.set_state(episodes.states[first : first + 1])
        for row in range(first, first + length - 1):
            np.testing.assert_allclose(simulator.step(episodes.actions[row : row + 1])[0], episodes.states[row + 1])


def test_replays_without_noise_end_where_the_demonstrations_did(tmp_path, replayed):
    facts = generate(tmp_path / "a.h5", 0, 12, noise=0.0, progress=False)
    assert facts["arrived"] == 1
    episodes = Episodes.open(tmp_path / "a.h5")
    assert reached(episodes.states[episodes.ep_offset + episodes.ep_len - 1], episodes.target).mean() > 0.8


def test_the_mirror_image_of_a_demonstration_is_one(human):
    poses, targets = mirrored(*human[0])
    back = mirrored(poses, targets)
    np.testing.assert_allclose(back[1], human[0][1], atol=1e-3)
    # Corners are reflected as sets: the T is symmetric.
    there = np.sort(corners(poses[:5])[..., 0], axis=-1)
    np.testing.assert_allclose(there, np.sort(512 - corners(human[0][0][:5])[..., 1], axis=-1), atol=1e-3)
    np.testing.assert_allclose(mirrored(GOAL[None, :5], targets[:1])[0][0, 2:], GOAL[2:5], atol=1e-4)


def test_the_scripted_expert_reaches_the_goal_from_most_starts(tmp_path, capsys):
    facts = generate(tmp_path / "a.h5", 0, 10, source="generate", progress=False)
    assert facts["arrived"] >= 0.6
    assert "scripted expert" in facts["generator"] and "because data.source is generate" in capsys.readouterr().err
    episodes = Episodes.open(tmp_path / "a.h5")
    ends = episodes.states[episodes.ep_offset + episodes.ep_len - 1]
    assert block_reached(ends, GOAL).mean() == pytest.approx(facts["arrived"])
    pairs = episodes.pairs(np.arange(10), 25)
    assert reached(episodes.states[pairs[:, 1]], episodes.states[pairs[:, 2]]).mean() < 0.1


def test_the_expert_starts_its_pushes_off_the_block():
    rng = np.random.default_rng(0)
    for _ in range(5):
        state = random_start(rng)
        start, action, steps = best_push(state, Simulator(16), rng)
        assert gap(start, state) > 0 and 1 <= steps <= 12 and np.abs(action).max() < 1


def test_without_demonstrations_auto_falls_back_and_says_so(tmp_path, monkeypatch, capsys):
    def unreachable(*_, **__):
        raise NetworkError("pusht.zip could not be downloaded (no network).")

    monkeypatch.delenv("JEPA_DATA_MIRROR", raising=False)
    monkeypatch.setattr("jepa.data.push_t_files.download", unreachable)
    facts = generate(tmp_path / "a.h5", 0, 1, progress=False)
    assert "no mirror is set" in facts["message"] and "no network" in facts["message"]
    assert facts["message"] in capsys.readouterr().err
    with pytest.raises(NetworkError, match="data.source to generate"):
        generate(tmp_path / "b.h5", 0, 1, source="download", progress=False)
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["a.h5"]


@pytest.mark.parametrize(("options", "complaint"), [({"episodes": 0}, "at least 1"), ({"noise": -1}, "not negative")])
def test_impossible_options_are_refused(tmp_path, options, complaint):
    with pytest.raises(JepaError, match=complaint):
        generate(tmp_path / "a.h5", 0, **({"episodes": 1} | options))
