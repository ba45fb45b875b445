"""Pedestrians and taxis as domains: what a model sees, errors in metres, and what stands in without the recordings."""

import json

import numpy as np
import pytest

from jepa.data import cabs, eth_ucy, registry
from jepa.data.download import ChecksumError, NetworkError, digest
from jepa.data.eth_ucy import OBSERVED, SCENES, STEPS
from jepa.data.walks import branching_walks, road_walks
from jepa.domains import pedestrians, taxi
from jepa.domains.trajectories import constant_velocity, displacement
from jepa.errors import JepaError

RNG = np.random.default_rng(0)
PREDICTOR = {"width": 8, "depth": 1}
SETTINGS = {
    "domain": "test",
    "kind": "test",
    "space": "raw",
    "arms": {
        "dense": {"kind": "ensemble", "K": 1, **PREDICTOR},
        "mop": {"kind": "mop", "K": 3, **PREDICTOR},
        "codebook": {"kind": "codebook", "K": 3, **PREDICTOR},
    },
    "encoder": {"kind": "mlp", "width": 16, "depth": 1},
    "d": 8,
    "training": {"steps": 20, "batch_size": 16, "lr": 2e-3, "lr_floor": 0.05, "weight_decay": 1e-4, "ema": 0.99},
    "gate": 0.5,
}


@pytest.fixture(scope="module")
def walks():
    return branching_walks(0, walks=60)


@pytest.fixture(scope="module")
def roads():
    return road_walks(0, windows=20)


# ---- errors in metres ----


def test_average_and_final_displacement():
    true = np.zeros((1, 4, 2))
    off = np.array([[[3.0, 4.0], [0, 0], [0, 5], [0, 10]]])
    assert [float(x[0]) for x in displacement(off, true)] == [5.0, 10.0]


def test_a_constant_velocity_has_no_error_on_who_keeps_walking():
    track = np.arange(STEPS)[:, None] * np.array([[0.3, -0.4]]) + 2.0
    past, future = track[None, :OBSERVED], track[None, OBSERVED:]
    np.testing.assert_allclose(constant_velocity(past, len(future[0])), future)


@pytest.mark.parametrize("frame", ["heading", "scene"])
def test_the_truth_among_the_active_heads_has_no_error_and_metres_do_not_depend_on_the_scaling(walks, frame):
    domain = pedestrians.build(walks, "eth", "raw", frame)
    rows = domain.test
    truth = domain.targets[rows]
    u = np.stack([truth + 1.0 / domain.extra["unit_metres"], truth], axis=1)
    both, first = np.ones((len(rows), 2), bool), np.tile([True, False], (len(rows), 1))
    best, worse = domain.score(u, both, rows, None), domain.score(u, first, rows, None)
    for key in ("minADE", "minFDE"):
        np.testing.assert_allclose(best[key], 0, atol=1e-6)
        np.testing.assert_allclose(worse[key], np.sqrt(2), rtol=1e-5)  # 1 m off in x and in y
    np.testing.assert_allclose(domain.score(u, ~both, rows, None)["minADE"], np.sqrt(2), rtol=1e-5)


def test_average_and_final_errors_may_be_of_different_heads(walks):
    domain = pedestrians.build(walks, "eth", "raw", "heading")
    rows = domain.test[:1]
    early, late = np.repeat(domain.targets[rows], 2, axis=0)[:, None]
    early[:, -1] += 5.0 / domain.extra["unit_metres"]
    late[:, :-1] += 5.0 / domain.extra["unit_metres"]
    scores = domain.score(np.stack([early[0], late[0]])[None], np.ones((1, 2), bool), rows, None)
    assert 0 < scores["minADE"][0] < 1 and scores["minFDE"][0] == pytest.approx(0, abs=1e-6)


# ---- pedestrians ----


def test_a_scene_is_left_out_of_the_training(walks):
    for scene in SCENES:
        domain = pedestrians.build(walks, scene, "raw", "heading")
        own = pedestrians.from_now(walks["tracks"], "heading")[:, OBSERVED:] / domain.extra["unit_metres"]
        for rows, expected in (
            (domain.test, own[walks["scene"] == scene]),
            (domain.train, own[walks["scene"] != scene]),
        ):
            np.testing.assert_allclose(domain.targets[rows], expected, rtol=1e-5, atol=1e-6)


def test_every_walk_heads_along_x_now_and_distances_stay(walks):
    tracks = walks["tracks"].astype(float)
    turned = pedestrians.from_now(tracks, "heading")
    step = turned[:, OBSERVED - 1] - turned[:, OBSERVED - 2]
    assert (step[:, 0] > 0).all()
    np.testing.assert_allclose(step[:, 1], 0, atol=1e-12)
    np.testing.assert_allclose(turned[:, OBSERVED - 1], 0, atol=1e-12)
    between = np.linalg.norm(np.diff(tracks, axis=1), axis=-1)
    np.testing.assert_allclose(np.linalg.norm(np.diff(turned, axis=1), axis=-1), between)
    standing = np.zeros((1, STEPS, 2))
    np.testing.assert_array_equal(pedestrians.from_now(standing, "heading"), standing)


def test_in_the_frame_of_the_scene_only_training_walks_are_shown_in_four_directions(walks):
    domain = pedestrians.build(walks, "eth", "raw", "scene")
    n = int((walks["scene"] != "eth").sum())
    assert len(domain.train) == 4 * n and len(domain.test) == int((walks["scene"] == "eth").sum())
    north, west, south, east = domain.targets[domain.train].reshape(4, n, -1, 2)
    np.testing.assert_array_equal(west, np.stack([-north[..., 1], north[..., 0]], axis=-1))
    np.testing.assert_array_equal(south, -north)
    np.testing.assert_array_equal(east, -west)


@pytest.mark.parametrize("space", ["raw", "latent"])
def test_the_frame_of_the_walker_does_not_know_how_the_scene_is_turned_and_placed(walks, space):
    x, y = walks["tracks"][..., 0], walks["tracks"][..., 1]
    elsewhere = walks | {"tracks": np.stack([3 - y, x + 5], axis=-1)}
    first, second = (pedestrians.build(arrays, "zara1", space, "heading") for arrays in (walks, elsewhere))
    np.testing.assert_allclose(first.contexts, second.contexts, atol=1e-4)
    np.testing.assert_allclose(first.targets, second.targets, atol=1e-4)


def test_contexts_do_not_know_the_future(walks):
    other = walks | {"tracks": walks["tracks"].copy()}
    other["tracks"][walks["scene"] == "eth", OBSERVED:] += RNG.normal(size=(STEPS - OBSERVED, 2)).astype(np.float32)
    for space in ("raw", "latent"):
        first, second = (pedestrians.build(arrays, "eth", space, "heading") for arrays in (walks, other))
        np.testing.assert_array_equal(first.contexts, second.contexts)
        assert not np.array_equal(first.targets[first.test], second.targets[second.test])


def test_in_latent_space_past_and_future_of_a_constant_velocity_are_one_path():
    velocity = np.array([0.4, 0.1])
    for positions in (8, 13):
        walk = velocity * np.arange(positions)[None, :, None]
        expected = velocity * np.arange(1, 8)[:, None] / 7
        np.testing.assert_allclose(pedestrians.path(walk)[0], expected)


def test_a_path_passes_through_the_positions_that_it_is_made_of():
    walk = RNG.normal(size=(2, 8, 2)).cumsum(axis=1)
    np.testing.assert_allclose(pedestrians.path(walk), (walk[:, 1:] - walk[:, :1]) / 7)


def test_latents_are_read_in_metres_and_one_space_wider_than_another_reads_the_same(walks):
    domain = pedestrians.build(walks, "eth", "latent", "heading")
    rows = domain.test[:5]

    def embed(targets, stretch=1.0):
        """Longer paths further round a circle; `stretch` is how far."""
        angle = stretch * np.linalg.norm(targets[:, -1].astype(float), axis=-1) / 4
        return np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    def scores(stretch):
        u = embed(domain.targets[rows] * 0.8, stretch)[:, None]
        return domain.score(u, np.ones((5, 1), bool), rows, lambda targets: embed(targets, stretch))

    narrow, wide = scores(0.5), scores(1.0)
    assert (narrow["error"] < wide["error"]).all()
    np.testing.assert_allclose(narrow["minADE"], wide["minADE"])
    np.testing.assert_allclose(narrow["relative"], wide["relative"], rtol=0.5)
    assert (narrow["minADE"] > 0).all()


def test_an_unknown_scene_or_frame_is_named(walks):
    with pytest.raises(JepaError, match="scene is 'zara3', but must be one of eth"):
        pedestrians.build(walks, "zara3", "raw", "heading")
    with pytest.raises(JepaError, match="frame is 'north'"):
        pedestrians.build(walks, "eth", "raw", "north")


# ---- taxis ----


def test_no_cab_is_in_both_splits_and_the_seed_draws_them(roads):
    domains = [taxi.build(roads, "position", seed) for seed in (0, 1)]
    for domain in domains:
        assert not set(roads["cab"][domain.train]) & set(roads["cab"][domain.test])
        assert len(set(roads["cab"][domain.test])) == 8
    assert set(roads["cab"][domains[0].test]) != set(roads["cab"][domains[1].test])


def test_a_position_says_nothing_of_how_the_cab_got_there(roads):
    other = roads | {"tracks": roads["tracks"].copy()}
    other["tracks"][:, : OBSERVED - 1] += 100.0
    alone = [taxi.build(arrays, "position", 0).contexts for arrays in (roads, other)]
    np.testing.assert_array_equal(*alone)
    history = [taxi.build(arrays, "history", 0).contexts for arrays in (roads, other)]
    np.testing.assert_array_equal(history[0][:, -1], alone[0])
    assert not np.array_equal(*history)


def test_persistence_and_constant_velocity_are_in_metres(roads):
    domain = taxi.build(roads, "history", 0)
    still = domain.score(np.zeros_like(domain.targets[domain.test])[:, None], np.ones((len(domain.test), 1), bool),
                         domain.test, None)  # fmt: skip
    np.testing.assert_allclose(still["minADE"], domain.references["persistence"]["minADE"], rtol=1e-5)
    # Cabs drive 4 to 12 m/s along streets, so after 30 s they are 360 m away at most.
    assert (domain.references["persistence"]["minFDE"] <= 6 * 360 + 1).all()


def test_a_taxi_needs_a_known_context_and_more_than_one_cab(roads, tmp_path):
    with pytest.raises(JepaError, match="context is 'speed'"):
        taxi.build(roads, "speed", 0)
    with pytest.raises(JepaError, match="come from one cab"):
        taxi.build(roads | {"cab": np.zeros_like(roads["cab"])}, "position", 0)
    with pytest.raises(JepaError, match="space is 'latent'"):
        taxi.audit(roads, SETTINGS | {"space": "latent", "context": "position"}, 0, tmp_path, False)


# ---- audits and data ----


@pytest.mark.parametrize(
    "module, settings",
    [
        (pedestrians, {"scene": "hotel", "space": "raw"}),
        (pedestrians, {"scene": "hotel", "space": "latent"}),
        (taxi, {"context": "position"}),
        (taxi, {"context": "history"}),
    ],
)
def test_an_audit_compares_the_arms_and_the_codebook_ignores_contexts(walks, roads, tmp_path, module, settings):
    arrays = walks if module is pedestrians else roads
    record = module.audit(arrays, SETTINGS | settings, 0, tmp_path, False)
    metric = record["metric"]
    assert metric == "minADE"
    codebook = record["arms"]["codebook"]
    assert codebook["raw"] == codebook["shuffled"] and codebook["gated"] is None
    assert record["arms"]["mop"]["raw"][metric] > 0
    assert (
        set(record["references"])
        == {
            ("pedestrians", "raw"): {"constant velocity"},
            ("pedestrians", "latent"): set(),
            ("taxi", "raw"): {"constant velocity", "persistence"},
        }[module.__name__.rpartition(".")[2], record["space"]]
    )
    json.dumps(record, allow_nan=False)


@pytest.fixture
def register(tmp_path, monkeypatch):
    """Register a dataset of these files on no reachable server: register(name, {file: path})."""
    monkeypatch.delenv("JEPA_DATA_MIRROR", raising=False)
    load = registry.load

    def make(dataset, files):
        path = tmp_path / f"registry-{dataset}.yaml"
        known = {name: {"trust": "bytes", "sha256": digest(file), "mirror_only": True} for name, file in files.items()}
        content = {dataset: {"urls": ["http://127.0.0.1:9/{file}"], "licence": "none", "files": known}}
        path.write_text(json.dumps(content))
        entries = load(path)
        monkeypatch.setattr(registry, "load", lambda: entries)

    return make


def prepared(module, out, **options):
    facts = module.prepare(out, **({"mirror": None, "seed": 0, "settings": {}, "progress": False} | options))
    with np.load(out, allow_pickle=False) as file:
        return facts, {key: file[key] for key in file}


def recordings(folder, monkeypatch):
    folder.mkdir()
    rows = np.stack([np.arange(21), np.ones(21), np.arange(21), np.zeros(21)], axis=1)
    names = [f"{name}.txt" for names in [*SCENES.values(), eth_ucy.TRAIN_ONLY] for name in names]
    for name in names:
        np.savetxt(folder / name, rows)
    monkeypatch.setattr(eth_ucy, "COUNTS", {scene: 2 * len(files) for scene, files in SCENES.items()})
    return {name: folder / name for name in names}


def test_pedestrians_come_from_the_mirror_and_are_official(register, tmp_path, monkeypatch):
    register("eth_ucy", recordings(tmp_path / "mirror", monkeypatch))
    facts, arrays = prepared(pedestrians, tmp_path / "out/eth_ucy.npz", source="auto", mirror=tmp_path / "mirror")
    assert (facts["source"], facts["tag"], facts["dataset"]) == ("mirror", "official", "ETH/UCY")
    assert facts["windows"] == len(arrays["tracks"]) == 16
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["eth_ucy.npz"]
    (tmp_path / "mirror/biwi_eth.txt").write_text("0 1 2 3\n")
    with pytest.raises(ChecksumError, match=r"biwi_eth\.txt"):
        prepared(pedestrians, tmp_path / "out/b.npz", source="auto", mirror=tmp_path / "mirror")


def test_without_the_recordings_synthetic_walks_stand_in_under_their_own_name(register, tmp_path, monkeypatch, capsys):
    register("eth_ucy", recordings(tmp_path / "elsewhere", monkeypatch))
    facts, arrays = prepared(pedestrians, tmp_path / "a.npz", source="auto")
    assert (facts["source"], facts["tag"], facts["dataset"]) == ("generate", "mechanism", "synthetic walks")
    assert "synthetic walks are generated with seed 0, because biwi_eth.txt" in capsys.readouterr().err
    again = prepared(pedestrians, tmp_path / "b.npz", source="generate")[1]
    other = prepared(pedestrians, tmp_path / "c.npz", source="generate", seed=1)[1]
    np.testing.assert_array_equal(arrays["tracks"], again["tracks"])
    assert not np.array_equal(arrays["tracks"], other["tracks"])
    with pytest.raises(NetworkError):
        prepared(pedestrians, tmp_path / "d.npz", source="download")
    with pytest.raises(JepaError, match="source of eth_ucy is mirror"):
        prepared(pedestrians, tmp_path / "d.npz", source="mirror")


def test_taxis_come_from_the_npz_of_the_mirror_and_from_streets_without_it(register, tmp_path, capsys):
    (tmp_path / "mirror").mkdir()
    path = tmp_path / "mirror" / cabs.NPZ
    n = 30
    t = np.tile(60 * np.arange(n), 2)
    fixes = {"lat": 37.7 + t * 1e-4, "lon": np.full(2 * n, -122.4), "occupied": np.ones(2 * n), "t": t}
    np.savez(path, **fixes, cab=np.repeat([0, 1], n))
    register("cabspotting_sf40", {cabs.NPZ: path, cabs.ARCHIVE: path})
    facts, arrays = prepared(taxi, tmp_path / "out/a.npz", source="auto", mirror=tmp_path / "mirror")
    assert (facts["source"], facts["tag"], facts["dataset"]) == ("mirror", "kind", "San Francisco cabs")
    assert set(arrays["cab"]) == {0, 1} and facts["windows"] == len(arrays["tracks"])
    facts, arrays = prepared(taxi, tmp_path / "out/b.npz", source="auto")
    assert (facts["source"], facts["tag"], facts["dataset"]) == ("generate", "mechanism", "synthetic road walks")
    assert facts["windows"] == len(arrays["tracks"]) == cabs.CABS * 100
    assert "because cabspottingdata.tar.gz" in capsys.readouterr().err


def test_streets_turn_at_crossings_only(roads):
    # Where a cab keeps its street between two fixes it moves along an axis.
    steps = np.diff(roads["tracks"].astype(float), axis=1)
    on_axis = (np.abs(steps) < 1e-3).any(axis=-1)
    assert 0.1 < on_axis.mean() < 0.95
    assert (np.abs(steps).sum(axis=-1) < 361).all()
