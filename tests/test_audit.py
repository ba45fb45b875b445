"""Facts about the whole protocol, with world models whose answers are known."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.envs.point_maze import MAZES, maze_graph
from jepa.errors import JepaError
from jepa.evaluation import controls
from jepa.evaluation.audit import audit, audit_graph, build_contexts
from worlds import centre_contexts, codebook, embed_of, knowing, random_walk_log, split

mazes = pytest.mark.parametrize("maze", MAZES)
TOP = {"maze", "K", "gate", "match", "ceilings", "raw", "gated"}
CEILINGS = {"train_graph_realroute", "gated_cov_r", "n_heldout", "n_heldout_teleport"}
RATES = {"plan_all", "official_goal", "realroute", "realroute_found", "firstpath", "realroute_new"}
RATES |= {"realroute_known", "found_rate", "precision", "recall_train", "recall_heldout"}
ROUTES = RATES | {"n_edges", "distance"}
COVERAGE = {"cov_r", "cov_p", "cov_r_over_shuffle_off", "cov_r_over_shuffle_permuted", "match_sweep"}
READOUT = ROUTES | COVERAGE | {"n_distinct_decoded", "votes", "exclude_own"}


def audited(graph, predict, heldout, contexts=None):
    contexts = centre_contexts(graph) if contexts is None else contexts
    return audit(predict, embed_of(graph), graph, heldout, contexts)


@mazes
def test_the_record_is_json_with_the_same_keys_for_models_and_controls(maze):
    graph = maze_graph(maze)
    heldout = split(graph, 0)
    asked = (knowing(graph, graph.edges), embed_of(graph), graph, heldout, centre_contexts(graph))
    model = audit(*asked)
    control = audit_graph(*controls.displacement(graph), graph, heldout)
    for record in (model, control):
        assert json.loads(json.dumps(record, allow_nan=False)) == record
        assert set(record) == TOP and set(record["ceilings"]) == CEILINGS and set(record["raw"]) == READOUT
        assert record["maze"] == maze
        assert record["ceilings"]["n_heldout"] == round(0.2 * graph.edges.sum())
    assert set(model["gated"]) == READOUT | {"gate_sweep"} and control["gated"] is None
    assert (model["K"], model["gate"], model["match"]) == (8, 0.5, 0.65)
    for variant in ("votes", "exclude_own"):
        assert set(model["raw"][variant]) == {"plan_all", "realroute", "precision"}
        assert control["raw"][variant] is None


@mazes
def test_a_model_that_knows_the_truth_scores_one(maze):
    graph = maze_graph(maze)
    record = audited(graph, knowing(graph, graph.edges), split(graph, 0))
    for readout in (record["raw"], record["gated"]):
        for name in ("plan_all", "official_goal", "realroute", "realroute_found", "firstpath", "precision"):
            assert readout[name] == 1.0
        assert readout["votes"] == {"plan_all": 1.0, "realroute": 1.0, "precision": 1.0}
        assert readout["cov_r"] == (1.0 if maze == "teleport" else None)
    assert record["gated"]["exclude_own"]["precision"] == 1.0
    assert record["raw"]["exclude_own"]["precision"] < 1.0  # idle heads have to leave


@pytest.mark.parametrize("seed", range(8))
def test_a_perfect_model_of_the_training_edges_meets_both_ceilings(seed):
    graph = maze_graph("teleport")
    heldout = split(graph, seed)
    record = audited(graph, knowing(graph, graph.edges & ~heldout), heldout)
    assert record["gated"]["realroute"] == record["ceilings"]["train_graph_realroute"]
    assert record["gated"]["cov_r"] == pytest.approx(record["ceilings"]["gated_cov_r"])
    assert record["ceilings"]["n_heldout_teleport"] == round(6 * (1 - record["ceilings"]["gated_cov_r"]))


def test_coverage_precision_counts_real_moves_that_are_no_teleport_against_the_model():
    graph = maze_graph("teleport")
    record = audited(graph, knowing(graph, graph.edges), split(graph, 0))
    out = graph.edges[graph.inbound].sum()  # 6 teleports, 3 walks; the fourth walk is a teleport's edge too
    assert out == 9 and record["gated"]["cov_p"] == pytest.approx(6 / 9)
    assert record["raw"]["cov_p"] == pytest.approx(6 / 16)  # idle heads are wrong when they are not gated


def test_the_context_decides_for_a_model_and_not_for_a_codebook():
    graph = maze_graph("teleport")
    log = random_walk_log(graph, np.random.default_rng(0))
    contexts = build_contexts(log, graph, np.random.default_rng(1))
    heldout = split(graph, 0)
    codes = [*graph.destinations, *range(5)]
    book = audited(graph, codebook(graph, codes), heldout, contexts)
    assert book["raw"]["cov_r"] == 1.0
    assert book["raw"]["cov_r_over_shuffle_off"] == book["raw"]["cov_r_over_shuffle_permuted"] == 1.0
    assert book["raw"]["n_distinct_decoded"] == len(set(codes))
    assert book["raw"]["realroute"] < 0.2
    model = audited(graph, knowing(graph, graph.edges), heldout, contexts)
    assert model["raw"]["cov_r_over_shuffle_off"] > 5 and model["raw"]["cov_r_over_shuffle_permuted"] > 3


def test_the_codebook_plans_its_distinct_codes():
    graph = maze_graph("large-stitch")
    record = audited(graph, codebook(graph, [3, 3, 9, 20, 20, 20, 41, 44]), split(graph, 0))
    assert record["raw"]["plan_all"] == pytest.approx(record["raw"]["n_distinct_decoded"] / 46)
    assert record["raw"]["n_distinct_decoded"] == 5


@mazes
def test_one_head_is_the_same_raw_and_gated(maze):
    graph = maze_graph(maze)
    edges, _ = controls.majority(graph, np.zeros_like(graph.edges), graph.edges.astype(int))
    record = audited(graph, knowing(graph, edges, heads=1), split(graph, 0))
    gated = dict(record["gated"])
    sweep = gated.pop("gate_sweep")
    assert gated == record["raw"] and record["K"] == 1
    assert len({row["cov_r"] for row in sweep}) <= 1


@mazes
def test_a_model_and_the_graph_that_it_proposes_get_the_same_route_scores(maze):
    graph = maze_graph(maze)
    heldout = split(graph, 5)
    train, weight = controls.train_edges(graph, heldout)
    model = audited(graph, knowing(graph, train), heldout)["gated"]
    control = audit_graph(train, weight, graph, heldout)["raw"]
    assert {name: model[name] for name in ROUTES} == {name: control[name] for name in ROUTES}


@mazes
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), heads=st.integers(1, 5))
def test_any_model_gets_bounded_numbers_whatever_the_order_of_its_heads(maze, seed, heads):
    graph = maze_graph(maze)
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(len(graph.cells), heads, 6)) * 3  # norms do not matter
    z, pi = rng.normal(size=(len(graph.cells), 6)), rng.dirichlet(np.ones(heads), size=len(graph.cells))
    order = rng.permutation(heads)

    def record(k):
        return audit(
            lambda xy: (u[graph.cell_of(xy)][:, k], pi[graph.cell_of(xy)][:, k]),
            lambda xy: z[graph.cell_of(xy)],
            graph,
            split(graph, seed),
            centre_contexts(graph),
        )

    first = record(np.arange(heads))
    assert json.dumps(first, allow_nan=False) == json.dumps(record(order), allow_nan=False)
    for readout in (first["raw"], first["gated"]):
        for name in ("plan_all", "realroute", "firstpath", "precision", "cov_r", "cov_p", "recall_train"):
            assert readout[name] is None or 0 <= readout[name] <= 1


def test_contexts_lie_where_they_say():
    graph = maze_graph("teleport")
    log = random_walk_log(graph, np.random.default_rng(0))
    contexts = build_contexts(log, graph, np.random.default_rng(1), per_cell=16, inbound=100, off=80)
    assert contexts.inbound.shape == contexts.permuted.shape == (100, 2) and contexts.off.shape == (80, 2)
    assert np.isin(graph.cell_of(contexts.inbound), graph.inbound).all()
    assert not np.isin(graph.cell_of(contexts.off), graph.inbound).any()
    assert (graph.cell_of(contexts.positions) == contexts.cell).all()
    counts = np.bincount(contexts.cell, minlength=len(graph.cells))
    assert counts.max() == 16 and counts.min() > 0  # the dead cell too, which no crossing leaves


def test_contexts_depend_on_the_generator_only():
    graph = maze_graph("medium-stitch")
    log = random_walk_log(graph, np.random.default_rng(0), episodes=5)
    first, second = (build_contexts(log, graph, np.random.default_rng(7)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(vars(first).values(), vars(second).values(), strict=True))
    assert len(first.inbound) == len(first.permuted) == 0 and len(first.off) > 0


def test_the_permutation_keeps_the_natural_share_of_inbound_contexts():
    graph = maze_graph("teleport")
    log = random_walk_log(graph, np.random.default_rng(0))
    contexts = build_contexts(log, graph, np.random.default_rng(1), inbound=10**6)
    natural = np.isin(log.source, graph.inbound).mean()
    shuffled = np.isin(graph.cell_of(contexts.permuted), graph.inbound).mean()
    assert shuffled == pytest.approx(natural, abs=0.06)


@pytest.mark.parametrize(
    ("u", "pi"),
    [
        (np.ones((45, 3, 44)), np.ones((45, 3))),
        (np.ones((45, 3, 45)), np.ones((45, 2))),
        (np.full((45, 3, 45), np.nan), np.ones((45, 3))),
    ],
)
def test_a_model_of_the_wrong_shape_is_told_so(u, pi):
    graph = maze_graph("teleport")
    with pytest.raises(JepaError, match="predict must return"):
        audited(graph, lambda xy: (u, pi), split(graph, 0))


def test_an_encoder_with_nan_is_told_so():
    graph = maze_graph("teleport")

    def broken(xy):
        return np.full((len(xy), 4), np.nan)

    with pytest.raises(JepaError, match="NaN"):
        audit(None, broken, graph, split(graph, 0), centre_contexts(graph))


def test_a_prediction_of_zero_matches_no_destination():
    graph = maze_graph("teleport")

    def silent(xy):
        return np.zeros((len(xy), 2, 45)), np.full((len(xy), 2), 0.5)

    record = audited(graph, silent, split(graph, 0))
    assert record["raw"]["cov_r"] == record["raw"]["cov_p"] == 0.0
    assert record["raw"]["cov_r_over_shuffle_off"] is None


def test_a_whole_audit_takes_under_one_and_a_half_seconds():
    graph = maze_graph("teleport")
    log = random_walk_log(graph, np.random.default_rng(0))
    contexts = build_contexts(log, graph, np.random.default_rng(1))
    predict, heldout = knowing(graph, graph.edges), split(graph, 0)
    elapsed = []
    for _ in range(3):
        start = time.perf_counter()
        audited(graph, predict, heldout, contexts)
        elapsed.append(time.perf_counter() - start)
    assert min(elapsed) < 1.5
