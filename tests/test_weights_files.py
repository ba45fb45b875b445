"""Pretrained weights: the published bytes from a mirror or a server, or a sentence that says what is missing."""

import hashlib
import random
import subprocess
import sys

import pytest
import yaml

from conftest import ROOT
from jepa.data import registry
from jepa.data.download import ChecksumError, NetworkError, download
from jepa.data.weights_files import DATASET, obtain
from jepa.errors import JepaError
from servers import Server, closed_port, sends

NAME = "dinov2_vits14_pretrain.pth"
BODY = random.Random(0).randbytes(50_000)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("JEPA_DATA_MIRROR", raising=False)


@pytest.fixture
def official(monkeypatch):
    """official(url): a registry whose file is BODY, at `url`."""

    def at(url):
        file = registry.RemoteFile(NAME, (url,), "published", hashlib.sha256(BODY).hexdigest(), None, len(BODY))
        monkeypatch.setattr(registry, "load", lambda: {DATASET: registry.Entry(DATASET, (file,), "Apache-2.0", "")})

    return at


def test_the_real_entry_names_the_published_file():
    entry = registry.entry(DATASET)
    (file,) = entry.files
    assert file.name == NAME and file.bytes == 88_283_115 and entry.licence == "Apache-2.0"
    assert file.urls == (f"https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/{NAME}",)


@pytest.mark.parametrize("source", ["auto", "mirror"])
def test_a_mirror_is_asked_first(official, tmp_path, source):
    official(closed_port())
    (tmp_path / "mirror/deep").mkdir(parents=True)
    (tmp_path / "mirror/deep" / NAME).write_bytes(BODY)
    facts = obtain(source, tmp_path / "mirror", tmp_path / "out/w.pth")
    assert (tmp_path / "out/w.pth").read_bytes() == BODY
    assert facts["source"] == "mirror" and facts["path"].endswith(f"deep/{NAME}")
    assert facts["sha256"] == hashlib.sha256(BODY).hexdigest()


def test_a_wrong_file_in_the_mirror_is_refused(official, tmp_path):
    official(closed_port())
    (tmp_path / NAME).write_bytes(BODY[:-1] + b"x")
    with pytest.raises(ChecksumError, match="wrong file"):
        obtain("auto", tmp_path, tmp_path / "out/w.pth")
    assert not (tmp_path / "out/w.pth").exists()


def test_without_a_mirror_the_server_has_it(official, tmp_path):
    with Server(sends(BODY), name=NAME) as server:
        official(server.url)
        facts = obtain("auto", None, tmp_path / "out/w.pth", progress=False)
    assert (tmp_path / "out/w.pth").read_bytes() == BODY
    assert facts["source"] == "download" and facts["url"] == server.url


def test_a_wrong_file_from_the_server_is_refused(official, tmp_path):
    with Server(sends(BODY[::-1]), name=NAME) as server:
        official(server.url)
        with pytest.raises(ChecksumError, match="sent a wrong file"):
            obtain("download", None, tmp_path / "w.pth", progress=False)
    assert not (tmp_path / "w.pth").exists()


def test_what_cannot_be_had_is_said(official, tmp_path, monkeypatch):
    official(closed_port())
    quick = {"retries": 0, "timeout": (0.5, 0.5)}
    monkeypatch.setattr("jepa.data.official.download", lambda *a, **options: download(*a, **options, **quick))
    with pytest.raises(NetworkError, match="put dinov2_vits14_pretrain.pth into a mirror"):
        obtain("auto", tmp_path, tmp_path / "w.pth")
    with pytest.raises(JepaError, match="no mirror is set"):
        obtain("mirror", None, tmp_path / "w.pth")
    with pytest.raises(JepaError, match=f"lacks {NAME}"):
        obtain("mirror", tmp_path, tmp_path / "w.pth")
    with pytest.raises(JepaError, match="cannot be generated; set data.sources.dinov2_vits14"):
        obtain("generate", None, tmp_path / "w.pth")


def test_the_script_says_that_weights_cannot_be_generated(tmp_path):
    script = ROOT / "workflow/scripts/fetch_weights.py"
    out = [f"--out={tmp_path / 'w.pth'}", f"--provenance={tmp_path / 'w.json'}"]
    done = subprocess.run([sys.executable, script, "--source=generate", *out], capture_output=True, text=True)
    assert done.returncode == 2 and "cannot be generated; set data.sources.dinov2_vits14" in done.stderr
    assert not list(tmp_path.iterdir())


def test_where_they_cannot_be_had_the_failing_job_names_the_edit_with_which_the_table_is_made(workflow):
    target, table = "data/smoke/dinov2_vits14.pth", "results/smoke/tables/qantara/table1.md"
    smoke = ("--config", "scale=smoke", "--")

    def envs(*names):
        workflow.edit(lambda config: config["qantara"]["grids"]["dino-wm"].update(envs=list(names)))

    envs("two_room")
    assert workflow.planned(*smoke, table)["fetch_weights"] == 1
    proxy = closed_port().removesuffix("/data.npz")
    done = workflow.run(*smoke, target, variables={"HTTPS_PROXY": proxy, "NO_PROXY": ""})
    assert done.returncode != 0 and "Traceback" not in done.stdout
    said = " ".join(done.stdout.split())
    assert "could not be downloaded" in said and "`qantara.grids.dino-wm.envs` of your scale to []" in said, said
    envs()
    assert "fetch_weights" not in workflow.planned(*smoke, table)


def test_the_scale_that_fetches_weights_has_the_key_that_the_advice_names():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert config["scales"]["paper"]["qantara"]["grids"]["dino-wm"]["envs"]
    assert "scales.paper.qantara.grids.dino-wm.envs" in (ROOT / "workflow/scripts/fetch_weights.py").read_text()
