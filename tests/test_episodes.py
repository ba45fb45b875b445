"""Episodes: windows never leave their episode, splits are by episode, and the file is whole or refused."""

import time

import h5py
import numpy as np
import pytest

from jepa.data.episodes import Episodes, export_lewm, write
from jepa.data.generate_two_room import MAX_STEPS, generate
from jepa.envs.two_room import Simulator, render, step
from jepa.errors import JepaError


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "two_room.h5"
    generate(path, seed=0, episodes=60)
    return path


@pytest.fixture(scope="module")
def episodes(path):
    return Episodes.open(path)


def columns(lengths=(4, 2)):
    rows = sum(lengths)
    ends = np.cumsum(lengths) - 1
    actions = np.ones((rows, 2))
    actions[ends] = np.nan
    return {
        "states": np.full((rows, 2), 50.0),
        "actions": actions,
        "ep_len": lengths,
        "target": np.full((len(lengths), 2), 50.0),
        "env": "two_room",
        "seed": 0,
        "generator": "test",
    }


def test_equally_long_episodes_can_be_given_side_by_side(tmp_path):
    given = columns((3, 3))
    facts = write(tmp_path / "a.h5", **given)
    assert facts == {"generator": "test", "seed": 0, "episodes": 2, "rows": 6, "mean_steps": 2}
    del given["ep_len"]
    side_by_side = {name: given[name].reshape(2, 3, 2) for name in ("states", "actions")}
    assert write(tmp_path / "b.h5", **given | side_by_side) == facts
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_demonstrations_have_the_published_length(tmp_path):
    facts = generate(tmp_path / "two_room.h5", seed=1, episodes=2000)
    assert facts["mean_steps"] == pytest.approx(92, abs=1)
    assert facts["rows"] == pytest.approx(2000 * (facts["mean_steps"] + 1), abs=2)


def test_the_floors_are_those_of_the_published_data(tmp_path):
    """25 steps apart, 9 % of the pairs are solved at once and a random policy solves 26 % in 50 steps."""
    generate(tmp_path / "two_room.h5", seed=2, episodes=2000)
    episodes = Episodes.open(tmp_path / "two_room.h5")
    rng = np.random.default_rng(0)
    pairs = rng.permutation(episodes.pairs(np.arange(2000), 25))[:5000]
    goals = episodes.states[pairs[:, 2]]
    agents = Simulator(5000)
    agents.set_state(episodes.states[pairs[:, 1]])
    success = agents.reached(goals)
    assert success.mean() == pytest.approx(0.09, abs=0.03)
    for _ in range(50):
        agents.step(rng.uniform(-1, 1, (5000, 2)))
        success |= agents.reached(goals)
    assert success.mean() == pytest.approx(0.26, abs=0.03)


def test_the_same_seed_gives_the_same_bytes(tmp_path, path):
    generate(tmp_path / "again.h5", seed=0, episodes=60)
    generate(tmp_path / "other.h5", seed=1, episodes=60)
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()
    assert (tmp_path / "other.h5").read_bytes() != path.read_bytes()


def test_each_action_leads_to_the_next_row_and_the_last_row_has_none(episodes):
    last = np.zeros(len(episodes.states), dtype=bool)
    last[episodes.ep_offset + episodes.ep_len - 1] = True
    assert np.isnan(episodes.actions[last]).all()
    before = np.flatnonzero(~last)
    assert np.array_equal(step(episodes.states[before], episodes.actions[before]), episodes.states[before + 1])


def test_an_episode_ends_at_its_target_or_after_100_steps(episodes):
    distance = np.linalg.norm(episodes.states - np.repeat(episodes.target, episodes.ep_len, axis=0), axis=-1)
    final = distance[episodes.ep_offset + episodes.ep_len - 1]
    assert ((final < 16) | (episodes.ep_len == MAX_STEPS + 1)).all()
    assert (np.delete(distance, episodes.ep_offset + episodes.ep_len - 1) >= 16).all()


def test_the_split_is_by_episode_and_reproducible(episodes):
    train, held_out = episodes.split(0.1, seed=0)
    assert len(held_out) == 6
    assert sorted([*train, *held_out]) == list(range(60))
    assert np.array_equal(held_out, episodes.split(0.1, seed=0)[1])
    assert not np.array_equal(held_out, episodes.split(0.1, seed=1)[1])


@pytest.mark.parametrize("holdout", [0, 1, 0.999])
def test_a_split_without_two_parts_is_refused(episodes, holdout):
    with pytest.raises(JepaError, match="hold out"):
        episodes.split(holdout)


def test_windows_are_all_that_lie_inside_one_episode(episodes):
    chosen = [3, 7]
    starts = episodes.windows(chosen, T=4, frame_skip=5)
    expected = [
        row for i in chosen for row in range(episodes.ep_offset[i], episodes.ep_offset[i] + episodes.ep_len[i] - 20)
    ]
    assert starts.tolist() == expected


def test_a_window_of_the_whole_episode_is_the_last_that_fits(tmp_path):
    write(tmp_path / "e.h5", **columns((11, 10)))
    episodes = Episodes.open(tmp_path / "e.h5")
    assert episodes.windows([0, 1], T=2, frame_skip=5).tolist() == [0]
    with pytest.raises(JepaError, match="21 rows"):
        episodes.windows([0, 1], T=4, frame_skip=5)


def test_a_batch_holds_five_different_actions_a_block(episodes):
    starts = episodes.windows([0, 1, 2])[[0, 50, 99]]
    frames, actions, states = episodes.batch(starts, 4, 5, 32)
    assert frames.shape == (3, 5, 3, 32, 32) and frames.dtype == np.uint8
    assert actions.shape == (3, 4, 10) and actions.dtype == np.float32
    assert np.array_equal(states[1, 2], episodes.states[starts[1] + 10])
    assert np.array_equal(frames[1, 2], render(states[1, 2][None], 32)[0])
    assert np.array_equal(actions[2, 3], episodes.actions[starts[2] + 15 : starts[2] + 20].ravel())
    # The block's actions lead from its frame to the next.
    state = states[:, 0]
    for raw in actions[:, 0].reshape(3, 5, 2).swapaxes(0, 1):
        state = step(state, raw)
    assert np.array_equal(state, states[:, 1])


def test_action_statistics_leave_out_the_rows_without_action(tmp_path):
    parts = columns((4, 3))
    parts["actions"][:3] = [[0, 2], [1, 2], [2, 2]]
    parts["actions"][4:6] = 100
    write(tmp_path / "e.h5", **parts)
    mean, std = Episodes.open(tmp_path / "e.h5").action_stats([0])
    assert mean == pytest.approx([1, 2])
    assert std == pytest.approx([np.sqrt(2 / 3), 0])


def _zero_length(parts):
    parts["ep_len"] = (6, 0)


def _too_long(parts):
    parts["ep_len"] = (4, 3)


def _nan_state(parts):
    parts["states"][3, 1] = np.nan


def _nan_action(parts):
    parts["actions"][1] = np.nan


def _missing_target(parts):
    parts["target"] = parts["target"][:1]


def _missing_action(parts):
    parts["actions"] = parts["actions"][:-1]


@pytest.mark.parametrize(
    "damage, sentence",
    [
        (_zero_length, "episode 1 has no rows"),
        (_too_long, "end to end"),
        (_nan_state, "state of row 3 is not finite"),
        (_nan_action, "action of row 1 is not finite"),
        (_missing_target, "1 targets and 2 origins for 2 episodes"),
        (_missing_action, "one row each"),
    ],
)
def test_inconsistent_episodes_are_refused_with_a_sentence(tmp_path, damage, sentence):
    parts = columns()
    damage(parts)
    with pytest.raises(JepaError, match=sentence):
        write(tmp_path / "e.h5", **parts)
    assert not list(tmp_path.iterdir())


def test_a_missing_or_foreign_file_is_refused(tmp_path):
    with pytest.raises(JepaError, match="does not exist"):
        Episodes.open(tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(JepaError, match="no file of episodes"):
        Episodes.open(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["pixels"] = np.zeros(3)
    with pytest.raises(JepaError, match="no file of episodes"):
        Episodes.open(tmp_path / "other.h5")


def test_a_file_damaged_after_writing_is_refused(tmp_path):
    write(tmp_path / "e.h5", **columns())
    with h5py.File(tmp_path / "e.h5", "r+") as file:
        file["ep_offset"][1] = 3
    with pytest.raises(JepaError, match="end to end"):
        Episodes.open(tmp_path / "e.h5")


def test_the_export_has_the_columns_of_lewm(tmp_path, episodes):
    export_lewm(episodes, tmp_path / "lewm.h5", size=24)
    with h5py.File(tmp_path / "lewm.h5", "r", swmr=True) as file:
        assert {"pixels", "action", "proprio", "state", "ep_len", "ep_offset", "ep_idx", "step_idx"} <= set(file)
        rows = file["ep_len"][:].sum()
        assert all(len(file[name]) == rows for name in ("pixels", "action", "proprio", "ep_idx", "step_idx"))
        assert file["pixels"].shape == (rows, 24, 24, 3)
        row = int(file["ep_offset"][5]) + 7
        assert (file["ep_idx"][row], file["step_idx"][row]) == (5, 7)
        expected = render(file["proprio"][row][None], 24)[0].transpose(1, 2, 0)
        assert np.array_equal(file["pixels"][row], expected)


def test_no_episodes_cannot_be_generated(tmp_path):
    with pytest.raises(JepaError, match="at least 1"):
        generate(tmp_path / "e.h5", seed=0, episodes=0)


def test_ten_thousand_episodes_take_seconds(tmp_path):
    """The paper's number of trajectories, of its mean length (92 steps), in under ten seconds of one core."""
    started = time.process_time()
    generate(tmp_path / "e.h5", seed=0, episodes=10_000)
    assert time.process_time() - started < 10
    lengths = Episodes.open(tmp_path / "e.h5").ep_len
    assert len(lengths) == 10_000 and abs(lengths.mean() - 92) < 2


def test_episodes_of_one_origin_stay_on_one_side(tmp_path):
    write(tmp_path / "e.h5", **columns((4,) * 40), origin=np.arange(40) % 10)
    episodes = Episodes.open(tmp_path / "e.h5")
    kept, held = episodes.split(0.2, 3)
    assert len(held) == 8 and len(kept) == 32
    assert not set(episodes.origin[kept]) & set(episodes.origin[held])
