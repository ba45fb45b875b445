"""Figures 2 and 3 and the panel on fan-out: drawn whole and empty, pooled by counts."""

import json

import numpy as np
import pytest

import synthetic_fanout
from jepa import cells
from jepa.errors import JepaError
from jepa.random import rng_of
from jepa.reporting import fanout_quantities, mop_beliefs, style
from jepa.reporting.layout import quantity_of
from jepa.reporting.mop_fanout import FANOUT
from jepa.reporting.mop_grid import MAZES
from jepa.reporting.records import Records

figures = pytest.mark.parametrize("name", mop_beliefs.DRAWINGS)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return synthetic_fanout.make(tmp_path_factory.mktemp("results"), seeds=2)


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    monkeypatch.setattr(mop_beliefs, "GRID", 20)


def draw(name, files, folder):
    with style.sheet():
        figure = mop_beliefs.DRAWINGS[name](Records(files), {})
        style.save(figure, folder / "figure.pdf", folder / "figure.png")
    return (folder / "figure.pdf").read_bytes(), (folder / "figure.png").read_bytes()


@figures
def test_equal_records_give_equal_bytes_of_only_the_arms_compared(name, files, tmp_path):
    needed = [path for path in files if path.parts[-3] in mop_beliefs.COMPARED and path.parts[-2] == mop_beliefs.MAZE]
    assert draw(name, files, tmp_path) == draw(name, needed, tmp_path)


@figures
@pytest.mark.filterwarnings("error")
def test_text_stays_text_and_empty_grids_are_drawn(name, files, tmp_path):
    pdf, _ = draw(name, files, tmp_path)
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf
    draw(name, [], tmp_path)
    draw(name, [path for path in files if path.parts[-3] == "mop"], tmp_path)


@figures
def test_a_model_without_active_heads_and_two_rows_are_drawn(name, files, tmp_path):
    silent = []
    for path in files:
        record = json.loads(path.read_text())
        if record["method"] == "mop" and record["maze"] == mop_beliefs.MAZE:
            for belief in record["beliefs"]["cells"]:
                belief["paths"] = []
            record["beliefs"]["teleport"] |= {"heads": [], "cosine": None}
        record["beliefs"]["cells"] = record["beliefs"]["cells"][:2]
        silent.append(tmp_path / "-".join(path.parts[-3:]))
        silent[-1].write_text(json.dumps(record))
    draw(name, silent, tmp_path)


def test_a_density_has_its_peak_at_one_and_adds_up():
    grid_x, grid_y = np.meshgrid(np.linspace(-1, 1, 81), np.linspace(-1, 1, 81))
    one = mop_beliefs.density([(0.5, 0)], [0.2], 0.1, grid_x, grid_y)
    assert one.max() == 1 and grid_x.flat[one.argmax()] == pytest.approx(0.5)
    two = mop_beliefs.density([(0.5, 0), (-0.5, 0)], [0.75, 0.25], 0.1, grid_x, grid_y)
    assert two[40, 20] == pytest.approx(1 / 3, rel=1e-3)  # at (-0.5, 0)
    assert not mop_beliefs.density(np.zeros((0, 2)), [], 0.1, grid_x, grid_y).any()


def test_close_neighbours_write_to_opposite_sides():
    pins = np.array([[0.0, 0.0], [0.0, 0.1], [3.0, 0.0], [0.0, 3.0]])
    assert mop_beliefs._sides(pins, 0)[:2] == ["right", "left"]
    assert mop_beliefs._sides(pins, 0)[3] == "center"


def test_shares_are_pooled_over_cells_before_they_are_divided(files):
    records = Records(files)
    read = [json.loads(path.read_text()) for path in files if path.parts[-3] == "dense"]
    counts = [r["fanout"]["gated"]["away"]["3"] for r in read if r["seed"] == 1]
    pooled = sum(c["recovered"] for c in counts) / sum(c["successors"] for c in counts)
    shares = fanout_quantities.by_seed(records, "dense", MAZES, "recovered", ways=("3",))
    assert shares[1] == pytest.approx(pooled) and set(shares) == {0, 1}
    measure = fanout_quantities.fanout(records, ("dense",), MAZES, "recovered 3", rng_of("test"))
    assert measure.value == pytest.approx(np.mean(list(shares.values()))) and measure.n == 2


def test_the_panel_measures_every_cell_and_the_knowing_arm_wins(files):
    records = Records(files)
    values = {}
    for row in FANOUT.rows:
        for column in FANOUT.columns:
            _, _, argument = quantity_of(row, column).partition(":")
            measure = fanout_quantities.fanout(records, row.methods, column.places, argument, rng_of("test"))
            assert measure.text == "undefined" or 0 <= measure.value <= 1  # a random walk has no rare successors
            values[row.key, column.key] = measure.value
    assert values["fanout mop", "fanout pooled"] == 1 > values["fanout dense", "fanout pooled"]
    empty = fanout_quantities.fanout(Records(), ("mop",), MAZES, "recovered", rng_of("test"))
    assert empty.text == "not run"


def test_fan_outs_are_told_apart_and_a_damaged_one_is_named(files, tmp_path):
    records = Records(files)
    assert len(records.get("fanout", "mop", "teleport")) == 2 and not records.get("audits", "mop", "teleport")
    damaged = tmp_path / "fanout-seed0.json"
    damaged.write_text(json.dumps({"method": "mop", "maze": "teleport", "seed": 0, "fanout": {}}))
    with pytest.raises(JepaError, match="beliefs"):
        Records([damaged])


def test_a_fan_out_is_a_path():
    path = cells.path_of("fanout", "laptop", "mop", "teleport", 1)
    assert path == "results/laptop/audits/mop/mop/teleport/fanout-seed1.json"
    config = {"scale": "laptop", "mop": {"arms": {"mop": {}}, "mazes": ["teleport"]}}
    cells.check_target(path, config)
    with pytest.raises(JepaError, match="seed"):
        cells.check_target(path.replace("fanout-seed1", "fanout1"), config)
