"""Fetching a maze dataset from a mirror or a server: in this order, both files or none, nothing unverified."""

import json
import time

import pytest

from jepa.data.download import ChecksumError, NetworkError, digest
from jepa.data.fetch import fetch, sources
from jepa.errors import JepaError
from maze_files import (  # noqa: F401
    BOTH,
    DATASET,
    TRAIN,
    VAL,
    arrays,
    data_fixture,
    files,
    generator_fixture,
    get,
    mirror_fixture,
    register_fixture,
    small_fixture,
    surroundings,
    write,
)
from servers import Server, closed_port, hangs, holds, refuses, sends

# ---- mirror ----


def test_a_mirror_is_searched_at_any_depth_and_comes_first(register, generator, small, mirror, data):
    facts = get(data, mirror=mirror)
    assert (facts["source"], facts["tag"], facts["seed"]) == ("mirror", "official", None)
    assert facts["path"] == {TRAIN: str(mirror / "some/where" / TRAIN), VAL: str(mirror / VAL)}
    assert facts["trust"] == {TRAIN: "unverified", VAL: "unverified"} and "unverified" in facts["message"]
    assert facts["sha256"][BOTH[1]] == digest(mirror / "some/where" / TRAIN)
    assert files(data) == BOTH
    assert not generator


def test_the_mirror_can_come_from_the_environment(register, small, mirror, data, monkeypatch):
    monkeypatch.setenv("JEPA_DATA_MIRROR", str(mirror))
    assert get(data, source="mirror")["source"] == "mirror"


def test_a_verified_mirror_file_says_so(register, small, mirror, data):
    register("https://example.invalid/{file}", sha256=digest(mirror / "some/where" / TRAIN))
    assert get(data, source="mirror", mirror=mirror)["trust"] == {TRAIN: "published", VAL: "unverified"}


@pytest.mark.parametrize("source", ["auto", "mirror"])
def test_a_mirror_file_with_a_wrong_checksum_is_an_error_under_every_source(register, generator, mirror, data, source):
    register("https://example.invalid/{file}", sha256="0" * 64)
    with pytest.raises(ChecksumError, match="wrong file"):
        get(data, source=source, mirror=mirror)
    assert files(data) == [] and not generator
    assert (mirror / "some/where" / TRAIN).exists()


def test_of_two_mirror_files_the_checksum_chooses_and_without_one_the_user_must(register, small, mirror, data):
    write(mirror / TRAIN, **arrays(seed=9))
    with pytest.raises(JepaError, match="different files of one name"):
        get(data, source="mirror", mirror=mirror)
    right = mirror / "some/where" / TRAIN
    register("https://example.invalid/{file}", sha256=digest(right))
    assert get(data, source="mirror", mirror=mirror)["path"][TRAIN] == str(right)


def test_a_link_out_of_the_mirror_is_refused_and_one_inside_is_fine(register, small, mirror, data, tmp_path):
    (mirror / VAL).rename(mirror / "blob")
    (mirror / VAL).symlink_to("blob")
    assert get(data, source="mirror", mirror=mirror)["source"] == "mirror"
    (mirror / "blob").rename(tmp_path / "blob")
    (mirror / VAL).unlink()
    (mirror / VAL).symlink_to(tmp_path / "blob")
    with pytest.raises(JepaError, match="leads out of the mirror"):
        get(data, source="mirror", mirror=mirror)


def test_a_mirror_that_is_asked_for_must_exist_and_be_complete(register, mirror, data):
    with pytest.raises(JepaError, match="no mirror is set.*data.source to auto"):
        get(data, source="mirror")
    with pytest.raises(JepaError, match="is no folder"):
        get(data, source="auto", mirror=data / "nowhere")
    (mirror / VAL).unlink()
    with pytest.raises(JepaError, match=f"lacks {VAL}"):
        get(data, source="mirror", mirror=mirror)
    assert files(data) == []


def test_an_official_name_alone_makes_no_official_data(register, mirror, data):
    facts = get(data, mirror=mirror)
    assert facts["tag"] == "kind" and "official size" in facts["message"]


# ---- download ----


def test_a_download_is_official_pinned_and_leaves_nothing_behind(register, generator, small, mirror, data):
    bodies = {TRAIN: (mirror / "some/where" / TRAIN).read_bytes(), VAL: (mirror / VAL).read_bytes()}
    with Server(holds({name: sends(body) for name, body in bodies.items()}), name="{file}") as server:
        register(closed_port().replace("data.npz", "{file}"), server.url)
        facts = get(data)
        assert facts["url"] == {name: server.url.replace("{file}", name) for name in (TRAIN, VAL)}
    assert (facts["source"], facts["tag"]) == ("download", "official")
    assert facts["trust"] == {TRAIN: "tofu", VAL: "tofu"}
    assert files(data) == sorted([*BOTH, "pins.json"])
    assert set(json.loads((data / "pins.json").read_text())) == {TRAIN, VAL}
    assert not generator


def test_a_server_that_changes_a_pinned_file_stops_everything(register, generator, small, mirror, data):
    good, val = (mirror / "some/where" / TRAIN).read_bytes(), (mirror / VAL).read_bytes()
    with Server(holds({TRAIN: sends(good), VAL: sends(val)}), name="{file}") as server:
        register(server.url)
        before = get(data)["sha256"]
        server.replies = [holds({TRAIN: sends(val), VAL: sends(val)})]
        with pytest.raises(ChecksumError, match="pins.json"):
            get(data)
    assert {name: digest(data / name) for name in BOTH} == before
    assert files(data / "downloads") == [f"{TRAIN}.rejected"]
    assert not generator


def test_invalid_content_from_a_server_is_an_error_even_under_auto(register, generator, data):
    with Server(sends(b"PK\x03\x04 and no more"), name="{file}") as server:
        register(server.url)
        with pytest.raises(JepaError, match="no npz file; kept aside"):
            get(data)
    assert not generator and not (data / BOTH[0]).exists()


def test_without_network_auto_says_so_and_generates(register, generator, data, capsys):
    before = time.monotonic()
    facts = get(data)
    assert time.monotonic() - before < 15.0  # one try to connect, not one after another until patience ends
    assert (facts["source"], facts["tag"], facts["seed"]) == ("generate", "same", 3)
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "no mirror is set" in said and "could not be downloaded" in said
    assert facts["message"] in said
    assert files(data) == BOTH


def test_without_network_download_is_an_error_that_says_what_to_do(register, generator, data):
    with pytest.raises(NetworkError, match="JEPA_DATA_MIRROR.*generate"):
        get(data, source="download")
    assert files(data) == [] and not generator


def test_a_source_with_one_of_the_two_files_is_no_source(register, generator, mirror, data):
    with Server(holds({VAL: sends((mirror / VAL).read_bytes())}), name="{file}") as server:
        register(server.url)
        with pytest.raises(NetworkError, match="HTTP 404"):
            get(data, source="download")
        assert not (data / BOTH[0]).exists()
        assert get(data)["source"] == "generate"


# ---- which sources there are, and which answer ----


def test_unknown_names_are_answered_with_the_known_ones(data):
    with pytest.raises(JepaError, match="one of auto, mirror, download, generate"):
        get(data, source="internet")
    with pytest.raises(JepaError, match="pointmaze-large-stitch"):
        fetch("pointmaze-giant", data / "a.npz", data / "b.npz", seed=0)


def test_sources_are_listed_with_their_answers_quickly(register, mirror):
    with Server(refuses(404), name="{file}") as empty, Server(hangs(9), name="{file}") as mute:
        register(empty.url, mute.url)
        before = time.monotonic()
        answers = sources(DATASET, mirror, seconds=0.3)
        assert time.monotonic() - before < 1.0
    assert [name for name, _ in answers][::3] == ["mirror", "generate"]
    assert "has 2 of 2 files" in answers[0][1]
    assert "404" in answers[1][1] and "no answer" in answers[2][1]
    assert "not set" in sources(DATASET)[0][1]
    assert "is no folder" in sources(DATASET, "/nowhere")[0][1]
    assert "no dataset called" in sources("pointmaze-giant")[0][1]
