"""Figures 1 and 2 of Qantara: the same bytes for the same data, embedded text, refusal of damaged inputs."""

import json

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.reporting import contents, qantara_figures
from jepa.reporting.qantara_grid import ENVS

ROWS = np.array(["ground truth", "demo", "BC", "video-inverse"])


@pytest.fixture
def draws(tmp_path):
    rng = np.random.default_rng(0)
    mode = np.repeat(list(qantara_figures.MODES), 20)
    np.savez(tmp_path / "draws.npz", mode=mode, tau_a=rng.random(len(mode)), tau_z=rng.random(len(mode)))
    return tmp_path / "draws.npz"


def rollouts(folder, env, frames=None, **more):
    if frames is None:
        frames = np.random.default_rng(0).integers(0, 255, (4, 7, 8, 8, 3), dtype=np.uint8)
    path, tag = folder / f"{env}.npz", folder / f"{env}.provenance.json"
    np.savez(path, env=env, rows=ROWS, columns=np.arange(7), frames=frames, **more)
    tag.write_text(json.dumps({"dataset": env, "tag": "same"}))
    return path, tag


def draw(name, files, folder, tags=(), stem="figure"):
    pdf, png = folder / f"{stem}.pdf", folder / f"{stem}.png"
    qantara_figures.write_figure(name, files, pdf, png, "smoke", tags)
    return pdf.read_bytes(), png.read_bytes()


def test_equal_draws_give_equal_bytes(draws, tmp_path):
    first, second = draw("figure1", [draws], tmp_path, stem="a"), draw("figure1", [draws], tmp_path, stem="b")
    assert first == second and b"/FontFile2" in first[0] and b"/Type3" not in first[0]
    assert b"CreationDate" not in first[0] and b"Software" not in first[1]


def test_rollouts_of_any_environments_are_drawn(tmp_path):
    assert draw("figure2", [], tmp_path)
    for envs in (("two_room", "cube"), qantara_figures.ORDER):
        files, tags = zip(*(rollouts(tmp_path, env) for env in envs), strict=True)
        one = draw("figure2", files, tmp_path, tags, "a")
        assert one == draw("figure2", files[::-1], tmp_path, tags, "b")  # in the paper's order


def test_every_environment_has_a_place_in_figure_2():
    assert set(qantara_figures.ORDER) == set(ENVS)


def test_rollouts_without_a_data_tag_are_refused(tmp_path):
    with pytest.raises(JepaError, match="two_room"):
        draw("figure2", [rollouts(tmp_path, "two_room")[0]], tmp_path)


def test_the_protocol_is_drawn_and_an_unknown_one_refused(tmp_path):
    drawn = set()
    for more in ({}, {"protocol": "repaired"}, {"protocol": "released"}):
        path, tag = rollouts(tmp_path, "two_room", **more)
        drawn.add(draw("figure2", [path], tmp_path, [tag]))
    assert len(drawn) == 3
    path, tag = rollouts(tmp_path, "two_room", protocol="secret")
    with pytest.raises(JepaError, match="two_room.npz.*'secret'"):
        draw("figure2", [path], tmp_path, [tag])


def test_damaged_inputs_are_named(draws, tmp_path):
    wrong, tag = rollouts(tmp_path, "two_room", np.zeros((4, 7, 8, 8, 3)))
    with pytest.raises(JepaError, match="two_room.npz.*uint8"):
        draw("figure2", [wrong], tmp_path, [tag])
    np.savez(draws, mode=np.array(["sideways"]), tau_a=np.zeros(1), tau_z=np.zeros(1))
    with pytest.raises(JepaError, match="draws.npz.*sideways"):
        draw("figure1", [draws], tmp_path)
    draws.write_bytes(draws.read_bytes()[:100])
    with pytest.raises(JepaError, match="draws.npz"):
        draw("figure1", [draws], tmp_path)
    with pytest.raises(JepaError, match="figure1"):
        draw("figure99", [draws], tmp_path)


def test_what_is_drawn_is_what_the_snakefile_knows():
    assert tuple(qantara_figures.DRAWINGS) == contents.figures("qantara")
