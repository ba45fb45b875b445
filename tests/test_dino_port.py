"""The DINO-WM port: the predictor's contract, winner take all, windows of visits, and frames that show the point."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from jepa.domains.base import load_arrays
from jepa.domains.dino_port import (
    ARRAYS,
    audit,
    by_branching,
    cell_means,
    held_out_episodes,
    prepare,
    scores,
    visit_windows,
)
from jepa.domains.maze_view import FREE, POINT, TELEPORT, UNIT, WALL, draw_maze
from jepa.envs.point_maze import maze_graph
from jepa.errors import JepaError
from jepa.models.dino_wm import DinoWM
from jepa.models.dino_wm_mixture import ACTION_DIM, CodebookWorldModel, MixtureHead, PortedWorldModel
from jepa.models.transformer import CachedAttention

T, P, C = 3, 16, 8
SETTINGS = {
    "domain": "dino-port",
    "kind": "dino_port",
    "arms": {
        "dense": {"kind": "ensemble", "K": 1},
        "mop": {"kind": "mop", "K": 4, "lambda_route": 1.0, "lambda_bal": 0.1},
        "codebook": {"kind": "codebook", "K": 4, "lambda_bal": 0.1},
    },
    "patches": {"size": 16, "width": 4, "depth": 2},
    "predictor": {"T": T, "width": 16, "depth": 1, "heads": 2, "mlp": 32, "dropout": 0.0},
    "training": {"steps": 4, "batch_size": 8, "lr": 1e-3, "lr_floor": 0.1, "weight_decay": 0.0},
    "gate": 0.5,
}


ENCODER = {"encoder": {"kind": "random", "seed": 0} | SETTINGS["patches"]}


def ported(K, seed=0, **lambdas):
    torch.manual_seed(seed)
    return PortedWorldModel(SETTINGS | ENCODER, K, **lambdas)


def features(rows=5, frames=T + 1, seed=1):
    return torch.randn(rows, frames, P * C, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    out = tmp_path_factory.mktemp("port") / "dino-port.npz"
    facts = prepare(out, source="auto", mirror=None, seed=0, settings={"episodes": 10}, progress=False)
    return load_arrays(out, ARRAYS), facts


# The predictor


def test_the_predictor_returns_what_it_was_given():
    net, z = ported(4), features()[:, :-1]
    out = net.predict(z, z.new_zeros(5, T, ACTION_DIM))
    assert out.shape == z.shape
    u, log_pi = net.token_head.answer
    assert u.shape == (5, T, 4, P * C) and torch.allclose(log_pi.exp().sum(-1), torch.ones(5, T))
    best = u.gather(2, log_pi.argmax(-1)[..., None, None].expand(-1, -1, 1, P * C))[:, :, 0]
    assert torch.equal(out, best)


def test_with_one_head_it_is_the_plain_world_model():
    net, z = ported(1), features()
    torch.manual_seed(0)
    plain = DinoWM(SETTINGS | ENCODER, ACTION_DIM)
    shared = {k: v for k, v in net.state_dict().items() if not k.startswith("token_head")}
    head = {"token_head.weight": net.token_head.heads.weight, "token_head.bias": net.token_head.heads.bias}
    plain.load_state_dict(shared | head)
    zeros = z.new_zeros(5, T, ACTION_DIM)
    assert torch.allclose(net.predict(z[:, :-1], zeros), plain.predict(z[:, :-1], zeros), atol=1e-6)
    half = 0.5 * F.mse_loss(plain.predict(z[:, :-1], zeros), z[:, 1:])
    assert torch.allclose(net.loss(z)[0], half, atol=1e-6)


def test_only_the_nearest_head_pays():
    net, z = ported(4, lambda_route=0.0, lambda_bal=0.0), features(1, T + 1)
    with torch.no_grad():
        u, _ = net.answers(z[:, :-1])
        winners = ((u - z[:, 1:, None]) ** 2).mean(-1).argmin(-1).unique()
    net.loss(z)[0].backward()
    paid = net.token_head.heads.weight.grad.unflatten(0, (4, -1)).abs().amax((1, 2)) > 0
    assert paid.nonzero().flatten().tolist() == winners.tolist()


def test_heads_and_router_see_no_later_frame():
    net, z = ported(4).eval(), features()[:, :-1]
    later = z.clone()
    later[:, -1] += 1
    with torch.no_grad():
        for before, after in zip(net.answers(z), net.answers(later), strict=True):
            assert torch.allclose(before[:, :-1], after[:, :-1], atol=1e-6)
            assert not torch.allclose(before[:, -1], after[:, -1], atol=1e-3)


def test_the_head_serves_the_planners_call_for_the_last_frame():
    net, z = ported(4).eval(), features()[:, :-1]
    actions = z.new_zeros(5, T, ACTION_DIM)
    with torch.no_grad():
        whole = net.predict(z, actions)
        last = net.next_latents(z, actions, 0, CachedAttention(None, net._mask(0, T)), last=True)
    assert torch.allclose(last, whole[:, -1:], atol=1e-6)


def test_a_codebook_answers_every_context_alike():
    torch.manual_seed(0)
    book = CodebookWorldModel(P * C, 4)
    u, log_pi = book.answers(features()[:, :-1])
    v, _ = book.answers(features(seed=2)[:, :-1])
    assert torch.equal(u, v) and torch.allclose(log_pi.exp(), torch.full((5, T, 4), 0.25))
    assert torch.isfinite(book.loss(features())[0])


def test_a_mixture_of_heads_learns_two_outcomes_where_one_head_averages():
    torch.manual_seed(0)
    x, tokens = torch.randn(64, 1, 1, 8), torch.tensor([[-1.0], [1.0]])
    y = tokens[torch.arange(64) % 2][:, None, None]  # (64, 1, 1, 1): two outcomes, whatever x
    head = MixtureHead(2, 8, 1)
    optimiser = torch.optim.Adam(head.parameters(), 0.05)
    for _ in range(200):
        head(x)
        error = ((head.answer[0] - y.flatten(2)[:, :, None]) ** 2).mean(-1)
        optimiser.zero_grad()
        error.min(-1).values.mean().backward()
        optimiser.step()
    assert error.min(-1).values.mean() < 0.05 and error.mean() > 1


# Scores


def test_scores_of_known_errors():
    errors = np.array([[[1.0, 3.0], [4.0, 2.0]]])
    pi = np.array([[[0.9, 0.1], [0.5, 0.5]]])
    found = scores(errors, np.array([[1.0, 2.0]]), pi, 0.5)
    assert found == {
        "winner": 1.5,
        "mean_head": 2.5,
        "ratio": 2.5 / 1.5,
        "mean_prediction": 1.5,
        "chosen": 2.5,
        "active": 1.5,
    }


def test_active_heads_by_branching():
    found = by_branching(np.array([1, 2, 2, 3]), np.array([2, 3, 3, 4]))
    assert np.isclose(found["correlation"], 1) and found["by_successors"]["3"] == {"states": 2, "active": 2.0}
    assert by_branching(np.ones(3), np.array([2, 3, 4]))["correlation"] is None


# The frames


def test_the_view_shows_walls_cells_teleports_and_the_point():
    graph, size = maze_graph("teleport"), 96
    rows, columns = graph.ids.shape
    pixel = UNIT * max(rows, columns) / size

    def at(frame, xy):
        x, y = ((np.asarray(xy) + 1.5 * UNIT) / pixel).astype(int)
        return tuple(frame[:, y, x].tolist())

    far, wall = graph.centres[0], UNIT * (np.argwhere(graph.ids < 0)[:, ::-1] - 1.0)
    frame = draw_maze(far[None], graph.ids, graph.inbound, size)[0]
    assert frame.shape == (3, size, size) and frame.dtype == np.uint8
    assert at(frame, far) == POINT and all(at(frame, xy) == WALL for xy in wall)
    for cell in range(1, len(graph.cells)):
        assert at(frame, graph.centres[cell]) == (TELEPORT if cell in graph.inbound else FREE)


def test_visits_are_moves_of_the_maze(prepared):
    arrays, facts = prepared
    graph = maze_graph("teleport")
    assert facts["tag"] == "mechanism" and facts["visits"] == len(arrays["cell"])
    assert np.array_equal(graph.cell_of(arrays["position"]), arrays["cell"])
    same = arrays["episode"][1:] == arrays["episode"][:-1]
    assert graph.edges[arrays["cell"][:-1][same], arrays["cell"][1:][same]].mean() > 0.95
    assert np.array_equal(arrays["successors"], graph.edges.sum(1))


def test_windows_stay_in_their_episode_and_the_split_is_by_episode(prepared):
    episode = prepared[0]["episode"]
    windows, held_out = visit_windows(episode, T)
    assert (episode[windows] == episode[windows[:, :1]]).all()
    assert not set(episode[windows[held_out]].flat) & set(episode[windows[~held_out]].flat)
    assert held_out_episodes(np.arange(10)).tolist() == [False] * 8 + [True] * 2


def test_a_record_has_every_arm_on_the_same_windows(prepared, tmp_path):
    record = audit(prepared[0], SETTINGS, 0, tmp_path, progress=False)
    arms = record["arms"]
    assert record["metric"] == "winner" and record["better"] == "lower"
    assert arms["dense"]["raw"]["ratio"] == 1 and arms["dense"]["active"] == 1
    assert arms["mop"]["raw"]["ratio"] > 1 and arms["mop"]["gated"]["winner"] >= arms["mop"]["raw"]["winner"]
    assert arms["codebook"]["raw"]["winner"] == arms["codebook"]["shuffled"]["winner"]
    assert arms["codebook"]["gated"] is None and not list(tmp_path.iterdir())
    assert sum(g["states"] for g in record["extra"]["branching"]["mop"]["by_successors"].values()) == record["n_test"]
    assert audit(prepared[0], SETTINGS, 0, tmp_path, progress=False) == record
    changed = audit(prepared[0], SETTINGS | {"predictors": {"mop": {"K": 6}}}, 0, tmp_path, progress=False)["arms"]
    assert changed["mop"]["parameters"] > arms["mop"]["parameters"] and changed["dense"] == arms["dense"]


def test_cell_means_are_of_the_training_rows():
    z = torch.tensor([[1.0], [3.0], [5.0], [7.0]])
    means = cell_means(z, np.array([0, 0, 2, 2]), np.array([True, True, True, False]))
    assert means.tolist() == [[2.0], [0.0], [5.0]]


def test_too_few_episodes_are_refused(prepared, tmp_path):
    arrays = {k: v[:3] if k in ("position", "cell", "episode") else v for k, v in prepared[0].items()}
    with pytest.raises(JepaError, match="generate more"):
        audit(arrays, SETTINGS, 0, tmp_path, progress=False)
