"""The ant's simulator is OGBench's, its teleports keep the observation stale, and a scripted gait walks everywhere."""

import subprocess
import sys

import mujoco
import numpy as np
import pytest

from jepa.data import generate_ant
from jepa.data.crossings import extract
from jepa.envs import ant_gait, ant_maze, gl
from jepa.errors import JepaError


@pytest.fixture
def ant():
    return ant_maze.Ant()


@pytest.fixture
def needs_gl():
    if gl.probe() is None:
        pytest.skip("no OpenGL backend renders on this machine")


def turned(angle, qpos):
    """The same pose with its torso turned about the vertical axis."""
    turn, out = np.array([np.cos(angle / 2), 0, 0, np.sin(angle / 2)]), np.array(qpos)
    mujoco.mju_mulQuat(out[3:7], turn, qpos[3:7])
    return out


def test_a_step_is_the_step_of_ogbench_to_the_last_bit(ant):
    official, rng = ant_maze.environment(), np.random.default_rng(0)
    ant.reset(ant.start[:2], rng)
    mujoco.mj_resetData(official.model, official.data)
    official.set_state(ant.qpos, ant.qvel)
    for _ in range(30):
        action = rng.uniform(-1, 1, 8)
        seen, teleported = ant.step(action, rng)
        np.testing.assert_array_equal(seen, official.step(action)[0])
        assert not teleported


def test_a_placed_ant_remembers_nothing(ant):
    rng, actions = np.random.default_rng(0), np.random.default_rng(1).uniform(-1, 1, (5, 8))
    ends = []
    for before in (0, 20):
        for _ in range(before):
            ant.step(rng.uniform(-1, 1, 8), rng)
        qpos = np.r_[4.0, 8.0, ant.start[2:]]
        ant.set_state(qpos, np.zeros(14))
        for action in actions:
            seen, _ = ant.step(action, rng)
        ends.append(seen)
    np.testing.assert_array_equal(*ends)


def test_a_teleport_shows_the_entry_and_leaves_the_ant_at_one_of_three_places(ant):
    rng, maze, reached = np.random.default_rng(0), ant_maze.graph(), set()
    for _ in range(30):
        ant.set_state(np.r_[maze.centres[maze.inbound[0]], ant.start[2:]], np.zeros(14))
        seen, teleported = ant.step(np.zeros(8), rng)
        assert teleported and maze.cell_of(seen[:2]) == maze.inbound[0]
        np.testing.assert_array_equal(seen[2:15], ant.qpos[2:])
        reached.add(int(maze.cell_of(ant.xy)))
        assert np.abs(maze.centres - ant.xy).sum(1).min() == 0
    assert reached == set(maze.destinations.tolist())


def test_an_action_must_be_finite(ant):
    with pytest.raises(JepaError, match="not finite"):
        ant.step(np.full(8, np.nan), np.random.default_rng(0))


def test_up_axis_and_heading_of_an_orientation():
    lying = np.zeros(15)
    for axis, angle, up, heading in (
        ((0, 0, 1), 1.2, 1.0, 1.2),
        ((1, 0, 0), np.pi, -1.0, 0.0),
        ((0, 1, 0), 1.0, None, 0),
    ):
        lying[3:7] = np.r_[np.cos(angle / 2), np.sin(angle / 2) * np.array(axis)] * 1.1  # the norm does not matter
        assert ant_maze.upright(lying) == pytest.approx(np.cos(angle) if up is None else up)
        assert ant_maze.yaw(lying) == pytest.approx(heading, abs=1e-12)


def test_the_oracle_walks_to_a_neighbour_that_is_nearer():
    maze = ant_maze.graph()
    goal = tuple(maze.cells[40].tolist())
    for cell in maze.cells[maze.adjacent.any(1)]:
        step = maze.cell_of(ant_maze.subgoal(tuple(cell.tolist()), goal))
        here = maze.cell_of(4 * cell[::-1] - 4)
        assert maze.adjacent[here, step] or (step == here == 40)


def test_the_gait_knows_its_legs(ant):
    """TANGENTS, DOWN and MOTORS are facts of OGBench's model: move one joint and look where its foot goes."""
    feet = [ant.model.geom(f"{name}_ankle_geom").id for name in ("left", "right", "third", "fourth")]

    def positions(joint=None):
        ant.set_state(np.r_[ant.start[:3], 1, 0, 0, 0, ant.start[7:]], np.zeros(14))
        if joint is not None:
            ant.data.qpos[7 + joint] += 0.01
        mujoco.mj_kinematics(ant.model, ant.data)
        return ant.data.geom_xpos[feet] - ant.data.qpos[:3]

    rest = positions()
    for leg in range(4):
        np.testing.assert_allclose(rest[leg, :2] / np.linalg.norm(rest[leg, :2]), ant_gait.LEGS[leg], atol=1e-6)
        swung = (positions(2 * leg) - rest)[leg]
        assert swung[:2] @ ant_gait.TANGENTS[leg] == pytest.approx(np.linalg.norm(swung), rel=1e-3)
        assert (positions(2 * leg + 1) - rest)[leg, 2] * ant_gait.DOWN[leg] < 0
    joints = [ant.model.joint(ant.model.actuator_trnid[motor, 0]).name for motor in range(8)]
    assert joints == [f"{part}_{leg + 1}" for leg in ant_gait.MOTORS for part in ("hip", "ankle")]


def test_the_gait_depends_on_the_direction_in_the_body_only(ant):
    rng = np.random.default_rng(0)
    ant.reset((0, 0), rng)
    for t, angle in enumerate(rng.uniform(-3, 3, 10)):
        direction = np.array([np.cos(t), np.sin(t)])
        other = np.array([np.cos(t + angle), np.sin(t + angle)])
        one = ant_gait.torques(ant_gait.GAIT, ant.qpos, ant.qvel, direction, t)
        two = ant_gait.torques(ant_gait.GAIT, turned(angle, ant.qpos), ant.qvel, other, t)
        np.testing.assert_allclose(one, two, atol=1e-9)
        assert np.abs(one).max() <= 1


def test_the_gait_is_the_one_that_the_search_finds_and_it_walks_in_every_direction(ant):
    assert ant_gait.candidate(0, 50) == ant_gait.GAIT
    found, fastest = ant_gait.search(seed=0, candidates=3, first=49)
    assert found == ant_gait.GAIT and fastest > 8.0


def test_an_episode_depends_on_seed_and_number_only(tmp_path):
    facts = generate_ant.generate(tmp_path / "ant.npz", 3, 3, 50, "teleports", progress=False)
    file = np.load(tmp_path / "ant.npz", allow_pickle=False)
    assert file["observations"].shape == (facts["rows"], 29) and file["actions"].shape == (facts["rows"], 8)
    assert facts["teleports"] >= 2 and facts["kind"] == "scripted gait, not the OGBench expert"
    starts = np.r_[0, np.flatnonzero(file["terminals"]) + 1]
    assert len(starts) == 4 and starts[-1] == facts["rows"]
    again, _ = generate_ant.Walker().episode(3, 1, 50, "teleports")
    names = ("observations", "actions", "qpos", "qvel")
    joined = np.concatenate([file[name] for name in names], axis=1)
    np.testing.assert_array_equal(again, joined[starts[1] : starts[2]])
    # The observation is qpos and qvel but at a jump, where it still shows the entry.
    stale = np.abs(file["observations"][:, :15] - file["qpos"]).max(1) > 0
    maze = ant_maze.graph()
    assert np.isin(maze.cell_of(file["observations"][stale, :2]), maze.inbound).all()
    assert np.isin(maze.cell_of(file["qpos"][stale, :2]), maze.destinations).all()
    assert len(extract(file["observations"][:, :2], file["terminals"], maze)) >= stale.sum() > 0


def test_a_fallen_ant_ends_its_episode(monkeypatch):
    monkeypatch.setattr(generate_ant, "FALLEN", 1.1)
    rows, counts = generate_ant.Walker().episode(0, 0, 50)
    assert len(rows) == 1 and counts["falls"] == 1


@pytest.mark.parametrize("arguments", [(0, 10), (1, 0), (1, 10, "nowhere")])
def test_impossible_walks_are_refused(tmp_path, arguments):
    with pytest.raises(JepaError):
        generate_ant.generate(tmp_path / "ant.npz", 0, *arguments, progress=False)
    assert not (tmp_path / "ant.npz").exists()


def test_a_frame_shows_the_place_and_depends_on_the_positions_only(needs_gl, ant):
    maze = ant_maze.graph()
    qpos = np.stack([np.r_[maze.centres[cell], ant.start[2:]] for cell in (0, 20, 44)])
    frames = ant_maze.render(qpos)
    assert frames.shape == (3, 64, 64, 3) and frames.dtype == np.uint8
    np.testing.assert_array_equal(ant_maze.render(qpos[::-1])[::-1], frames)
    floor = frames[:, 40, 8].astype(int)  # coloured by position
    assert np.abs(np.diff(floor, axis=0)).max(1).min() > 10


def test_with_full_shadows_a_frame_is_ogbenchs(needs_gl):
    program = """
import numpy as np
from jepa.envs import ant_maze, gl
gl.require()
official = ant_maze.environment("visual-antmaze-teleport-v0")
qpos = np.r_[16.3, 8.1, official.init_qpos[2:]]
official.set_state(qpos, np.zeros(14))
theirs = official.render()
official.custom_renderer.close()
print(np.abs(theirs.astype(int) - ant_maze.render([qpos], shadows=4096)[0]).max())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "0", done.stderr[-500:]
