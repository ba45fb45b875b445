"""Teleports of the ant as a domain: what a pair is, how coverage is credited, and the centroid that nobody reaches."""

import json

import numpy as np
import pytest

from jepa.data import generate_ant
from jepa.data.download import NetworkError
from jepa.domains import antmaze
from jepa.domains.base import load_arrays
from jepa.envs import gl
from jepa.envs.ant_maze import graph, render
from jepa.errors import JepaError

SMALL = {
    "episodes": 30,
    "steps": 60,
    "starts": "teleports",
    "draws": 1,
    "teleport_draws": 2,
    "frames": {"crossings": 2, "teleports": 3, "shadows": 1024},
}
SETTINGS = {
    "domain": "antmaze",
    "kind": "antmaze",
    "space": "latent",
    "visual": False,
    "teleport_share": 0.5,
    "arms": {kind: {"kind": kind, "K": 4, "width": 16, "depth": 1} for kind in ("mop", "codebook")},
    "encoder": {"kind": "mlp", "width": 32, "depth": 1},
    "d": 8,
    "training": {"steps": 60, "batch_size": 32, "lr": 2e-3, "lr_floor": 0.05, "weight_decay": 1e-4, "ema": 0.99},
    "gate": 0.5,
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    out = tmp_path_factory.mktemp("ant") / "antmaze.npz"
    facts = antmaze.prepare(out, source="generate", mirror=None, seed=0, settings=SMALL, progress=False)
    return dict(np.load(out, allow_pickle=False)), facts


def walk(*cells):
    """Observations of an ant that stands five rows in each cell, and qpos without a jump."""
    observations = np.zeros((5 * len(cells), 29))
    observations[:, :2] = np.repeat(graph().centres[list(cells)], 5, axis=0)
    observations[:, 2] = np.arange(len(observations))
    terminals = np.arange(len(observations)) == len(observations) - 1
    return {"observations": observations, "qpos": observations[:, :15].copy(), "terminals": terminals}


def identity(latents):
    return latents / np.linalg.norm(latents, axis=-1, keepdims=True)


def test_a_teleport_is_known_by_the_stale_observation_not_by_the_cells():
    """One of the teleports joins neighbours, (5, 1) -> (6, 1), so walking there looks alike in cells."""
    maze = graph()
    entry, neighbour = int(maze.ids[5, 1]), int(maze.ids[6, 1])
    assert maze.adjacent[entry, neighbour]
    start = int(np.flatnonzero(maze.adjacent[entry])[0])
    settings = {"draws": 3, "teleport_draws": 7}
    walked = walk(start, entry, neighbour)
    on_foot = antmaze.pairs(walked, settings, 0)
    assert len(on_foot["teleport"]) == 6 and not on_foot["teleport"].any()
    walked["qpos"][9, :2] = maze.centres[neighbour]
    jumped = antmaze.pairs(walked, settings, 0)
    assert jumped["teleport"].sum() == 7 and (jumped["source"][jumped["teleport"]] == entry).all()
    contexts = jumped["contexts"][jumped["teleport"]]
    assert set(contexts[:, 2]) <= set(range(5, 10)), "a context is a row of visit 1"
    np.testing.assert_array_equal(contexts[:, :2], np.tile(maze.centres[entry].astype(np.float32), (7, 1)))
    assert set(jumped["targets"][jumped["teleport"], 2]) <= set(range(10, 15))


def test_nothing_crossed_is_said():
    with pytest.raises(JepaError, match="crossed no cell"):
        antmaze.pairs(walk(3), {"draws": 1, "teleport_draws": 1}, 0)


def test_a_head_is_credited_with_its_nearest_destination_only():
    east, north, up = np.eye(3)
    manifolds = [np.stack([east, identity(east + 0.2 * north)]), np.stack([north]), np.stack([up])]
    heads = identity(np.stack([east, east + 0.9 * north, np.ones(3), -up]))[None]
    credit = antmaze.credited(heads, manifolds)
    np.testing.assert_array_equal(credit[0, :2], [[True, False, False], [True, False, False]])
    assert credit[0].sum(-1).max() == 1 and not credit[0, 3].any()
    assert not antmaze.credited(heads[:, 2:3], manifolds, match=0.9).any()


def test_coverage_counts_active_heads_and_the_centroid_of_real_samples_is_nowhere():
    """Joints are arbitrary at a destination: there the latents are a circle, and their mean is none of them."""
    landed, angle = np.repeat([7, 8, 9], 32), np.tile(np.arange(32) * 2 * np.pi / 32, 3)
    targets = np.zeros((96, 7), dtype=np.float32)  # a circle for every destination, and a little that all share
    for k in range(3):
        rows = landed == 7 + k
        targets[rows, 2 * k], targets[rows, 2 * k + 1] = np.cos(angle[rows]), np.sin(angle[rows])
    targets[:, 6] = 0.1
    samples = {7 + k: np.flatnonzero(landed == 7 + k) for k in range(3)}
    targets = np.concatenate([targets, identity(np.array([[1, 0, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1]]))])
    score = antmaze.coverage(targets.astype(np.float32), np.r_[landed, 0, 0], samples, np.r_[[96] * 40, [97] * 58])
    rows = np.array([0, 40, 80])
    heads = identity(targets[[3, 45, 88]])  # one real outcome of each destination
    u = np.tile(heads, (3, 1, 1))
    full = score(u, np.ones((3, 3), bool), rows, identity)
    for name, value in (
        ("cov_r", 1),
        ("cov_p", 1),
        ("real", 1),
        ("centroid", 0),
        ("real_centroid", 0),
        ("elsewhere", 0),
    ):
        np.testing.assert_array_equal(full[name], np.full(3, value), err_msg=name)
    one = score(u, np.tile([True, False, False], (3, 1)), rows, identity)
    np.testing.assert_allclose(one["cov_r"], 1 / 3)
    none = score(u, np.zeros((3, 3), bool), rows, identity)
    assert none["cov_r"].max() == none["cov_p"].max() == 0


def test_oversampling_gives_teleports_their_share():
    teleport = np.array([True, False, False, False, True])
    weights = antmaze.oversampled(teleport, 0.4)
    assert weights.sum() == pytest.approx(1) and weights[teleport].sum() == pytest.approx(0.4)


def test_the_domain_keeps_episodes_apart_and_its_off_contexts_away_from_teleports(prepared):
    arrays, facts = prepared
    domain = antmaze.build(arrays, SETTINGS, 0)
    assert not np.isin(arrays["episode"][domain.test], arrays["episode"][domain.train]).any()
    assert arrays["teleport"][domain.test].all() and not np.isin(arrays["source"][domain.off], arrays["inbound"]).any()
    np.testing.assert_allclose(domain.contexts[domain.train].mean(0), 0, atol=1e-3)
    assert domain.weights[arrays["teleport"][domain.train]].sum() == pytest.approx(0.5)
    assert domain.extra["walker"] == facts["walker"] == generate_ant.KIND and facts["tag"] == "kind"
    uniform = antmaze.build(arrays, {**SETTINGS, "teleport_share": None}, 0)
    assert uniform.weights is None
    assert not np.array_equal(antmaze.build(arrays, SETTINGS, 1).test, domain.test)


@pytest.mark.parametrize("frames", [{}, {"frames": {"crossings": 2, "teleports": 3}}])
def test_an_option_of_the_frames_that_is_missing_is_named_before_anybody_walks(tmp_path, frames):
    settings = {name: value for name, value in SMALL.items() if name != "frames"} | frames
    with pytest.raises(JepaError, match="lack '(frames|shadows)'"):
        antmaze.prepare(tmp_path / "a.npz", source="generate", mirror=None, seed=0, settings=settings, progress=False)
    assert not list(tmp_path.iterdir())


def test_frames_are_of_at_most_so_many_pairs_of_either_sort():
    teleport = np.arange(60) % 5 == 0
    rows = antmaze.framed(teleport, {"crossings": 7, "teleports": 4}, 0)
    assert (np.diff(rows) > 0).all() and teleport[rows].sum() == 4 and len(rows) == 11
    assert not np.array_equal(rows, antmaze.framed(teleport, {"crossings": 7, "teleports": 4}, 1))
    np.testing.assert_array_equal(antmaze.framed(teleport, {"crossings": None, "teleports": 99}, 0), np.arange(60))


def test_frames_are_scaled_by_colour_and_paired_with_the_numbers_of_their_rows(prepared):
    arrays, _ = prepared
    framed = antmaze.framed(arrays["teleport"], {"crossings": 40, "teleports": None}, 0)
    rng, shape = np.random.default_rng(0), (len(framed), 3, 8, 8)
    frames = {f"{part}_frames": rng.integers(0, 200, shape, dtype=np.uint8) for part in ("context", "target")}
    domain = antmaze.build(arrays | frames | {"framed": framed}, {**SETTINGS, "visual": True}, 0)
    assert domain.contexts.dtype == domain.targets.dtype == np.float32
    np.testing.assert_allclose(domain.contexts[domain.train].mean(axis=(0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(domain.contexts[domain.train].std(axis=(0, 2, 3)), 1, atol=1e-3)
    alone = {name: arrays[name][framed] for name in ("contexts", "targets", "episode", "source", "target", "teleport")}
    numbers = antmaze.build(arrays | alone, SETTINGS, 0)
    for rows in ("train", "test", "off"):
        np.testing.assert_array_equal(getattr(domain, rows), getattr(numbers, rows))


def test_the_audit_writes_a_record_and_the_codebook_ignores_contexts(prepared, tmp_path):
    arrays, _ = prepared
    record = antmaze.audit(arrays, SETTINGS, 0, tmp_path / "work", progress=False)
    json.dumps(record, allow_nan=False)
    assert record["metric"] == "cov_r" and record["better"] == "higher"
    codebook, mop = record["arms"]["codebook"], record["arms"]["mop"]
    assert codebook["raw"] == codebook["shuffled"] and codebook["gated"] is None
    assert 0 <= mop["gated"]["cov_r"] <= mop["raw"]["cov_r"] <= 1


def test_too_few_teleports_are_said(prepared):
    arrays, _ = prepared
    poor = arrays | {"teleport": np.zeros_like(arrays["teleport"])}
    with pytest.raises(JepaError, match="starts: teleports"):
        antmaze.build(poor, SETTINGS, 0)


def test_without_opengl_the_numbers_remain_and_the_audit_of_frames_says_what_they_lack(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(gl.FOUND, gl.NOTHING)
    settings, out = {**SMALL, "episodes": 4}, tmp_path / "numbers.npz"
    facts = antmaze.prepare(out, source="generate", mirror=None, seed=0, settings=settings, progress=False)
    assert facts["framed_pairs"] == 0 < facts["pairs"] and "install libegl1" in capsys.readouterr().err
    arrays = load_arrays(out, antmaze.ARRAYS)
    with pytest.raises(JepaError, match="have no frames.*jepa doctor"):
        antmaze.build(arrays, {**SETTINGS, "visual": True}, 0)


def test_an_official_file_is_taken_and_named(tmp_path, monkeypatch):
    def obtain(dataset, folder, **kwargs):
        folder.mkdir()
        path = folder / antmaze.OFFICIAL_FILE
        generate_ant.generate(path, 0, 2, 60, "teleports", progress=False)
        return {"dataset": dataset, "source": "mirror", "paths": {antmaze.OFFICIAL_FILE: path}}

    monkeypatch.setattr(antmaze, "obtain", obtain)
    out = tmp_path / "antmaze.npz"
    facts = antmaze.prepare(out, source="mirror", mirror=None, seed=0, settings=SMALL, progress=False)
    assert facts["tag"] == "official" and json.dumps(facts)
    assert str(np.load(out)["walker"]) == "OGBench expert" and [path.name for path in tmp_path.iterdir()] == [out.name]


def test_without_a_network_the_gait_walks_and_says_why(tmp_path, monkeypatch):
    def obtain(*args, **kwargs):
        raise NetworkError("No server answers.")

    monkeypatch.setattr(antmaze, "obtain", obtain)
    settings = {**SMALL, "episodes": 2}
    facts = antmaze.prepare(tmp_path / "a.npz", source="auto", mirror=None, seed=0, settings=settings, progress=False)
    assert facts["source"] == "generate" and "No server answers" in facts["message"]
    with pytest.raises(NetworkError):
        antmaze.prepare(tmp_path / "b.npz", source="download", mirror=None, seed=0, settings=settings, progress=False)


def test_frames_are_those_of_the_pairs(prepared):
    if gl.probe() is None:
        pytest.skip("no OpenGL backend renders on this machine")
    arrays, facts = prepared
    rows = arrays["framed"]
    assert facts["framed_pairs"] == len(rows) == 5 and arrays["teleport"][rows].sum() == 3
    for part in ("context", "target"):
        frames = render(arrays[f"{part}s"][rows, :15], SMALL["frames"]["shadows"])
        np.testing.assert_array_equal(arrays[f"{part}_frames"], frames.transpose(0, 3, 1, 2))
    assert len(np.unique(arrays["context_frames"], axis=0)) > 1
