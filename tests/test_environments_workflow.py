"""The environments in the workflow: what runs without OpenGL, what the paper scale would cost."""

import resource

import pytest

from jepa.data.episodes import Episodes

SMOKE = ("--config", "scale=smoke", "--")


def test_without_opengl_only_frames_fail_and_say_what_to_install(workflow):
    targets = [f"data/smoke/{name}.h5" for name in ("push_t", "frames/reacher-16")]
    done = workflow.run(*SMOKE, *targets, variables={"JEPA_GL": "none"})
    assert done.returncode != 0
    assert "install libegl1 or libosmesa6" in " ".join(done.stdout.split()), done.stdout[-3000:]
    assert "Traceback" not in done.stdout
    for env in ("push_t", "reacher"):
        assert len(Episodes.open(workflow.folder / f"data/smoke/{env}.h5").ep_len) >= 10
    assert not list((workflow.folder / "data/smoke/frames").glob("*"))


def test_the_paper_scale_is_planned_quickly_with_its_cost(workflow):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = workflow.run("-n", "all_tables", "--config", "scale=paper")
    assert done.returncode == 0, done.stdout[-2000:]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Five seconds of an ordinary core, twenty of one with 2 GHz of 2017.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 30
    forecast = done.stdout[done.stdout.rindex("scale paper: ") :]
    assert "x train_qantara" in forecast and "GPU-hours" in forecast and "disk about" in forecast
    assert "GPU-hours 0;" not in forecast


@pytest.mark.parametrize(
    ("cell", "rules"),
    [
        ("dino-wm/cube/seed0/cem-k4.json", {"fetch_weights", "render_frames"}),
        ("default/reacher/seed2/bc-k2.json", {"train_expert", "render_frames"}),
        ("gcbc/push_t/seed1/gcbc-k1.json", {"render_frames"}),
        ("gcbc/two_room/seed1/gcbc-k1.json", set()),
    ],
)
def test_a_cell_of_paper_scale_needs_its_data(workflow, cell, rules):
    jobs = workflow.planned(f"results/paper/evals/qantara/{cell}", "--config", "scale=paper")
    assert set(jobs) == {"generate_episodes", "freeze_manifest", "train_qantara", "evaluate_qantara"} | rules


def test_the_released_protocol_changes_training_and_pairs(workflow):
    """Every checkpoint, manifest and floor follows the protocol; the demonstrations do not."""
    cell = "results/smoke/evals/qantara/forward/two_room/seed0/bc-k2.json"
    assert workflow.run(*SMOKE, cell).returncode == 0
    workflow.edit(lambda config: config["qantara"].update(protocol="released"))
    assert workflow.planned(*SMOKE, cell) == {"freeze_manifest": 1, "train_qantara": 1, "evaluate_qantara": 1}
    assert workflow.run(*SMOKE, cell).returncode == 0
    assert '"protocol": "released"' in (workflow.folder / cell).read_text()
