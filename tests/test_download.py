"""Downloads from servers that misbehave: what arrives is the file that was asked for, or nothing is used."""

import hashlib
import json
import random
import time

import pytest

from jepa.data.download import ChecksumError, NetworkError, download
from jepa.data.transfer import answer
from jepa.errors import JepaError
from servers import Server, closed_port, hangs, refuses, sends

BODY = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.npz"


def get(urls, path, **options):
    quick = {"timeout": (1.0, 0.2), "backoff": 0.01, "retries": 2, "progress": False}
    return download([urls] if isinstance(urls, str) else urls, path, **quick | options)


def files(path):
    return sorted(file.name for file in path.parent.iterdir())


def test_a_good_file_arrives_and_nothing_else_is_left(path):
    with Server(sends(BODY)) as server:
        assert get(server.url, path, sha256=SHA256, bytes=len(BODY)) == {"url": server.url, "sha256": SHA256}
    assert path.read_bytes() == BODY
    assert files(path) == ["data.npz"]


def test_a_truncated_transfer_resumes_where_it_broke(path):
    with Server(sends(BODY, cut=100_000), sends(BODY)) as server:
        get(server.url, path, sha256=SHA256)
        assert server.requests[1][2]["Range"] == "bytes=100000-"
    assert path.read_bytes() == BODY


def test_a_killed_server_leaves_a_part_that_a_later_run_completes(path):
    with Server(sends(BODY, cut=100_000), refuses(503)) as server:
        with pytest.raises(NetworkError, match="HTTP 503, 3 times"):
            get(server.url, path, sha256=SHA256)
        assert not path.exists()
        assert path.with_name("data.npz.part").stat().st_size == 100_000
        server.replies = [sends(BODY)]
        get(server.url, path, sha256=SHA256)
        assert server.requests[-1][2]["Range"] == "bytes=100000-"
    assert path.read_bytes() == BODY
    assert files(path) == ["data.npz"]


def test_a_complete_part_is_not_transferred_again(path):
    with Server(sends(BODY, cut=100_000), refuses(404)) as server:
        with pytest.raises(NetworkError):
            get(server.url, path)
        path.with_name("data.npz.part").write_bytes(BODY)
        asked = len(server.requests)
        get(server.url, path, sha256=SHA256)
        assert len(server.requests) == asked


def test_a_server_that_ignores_ranges_restarts_cleanly(path):
    with Server(sends(BODY, cut=100_000), sends(BODY, ranges=False)) as server:
        get(server.url, path, sha256=SHA256)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("heed_if_range", [True, False])
def test_a_file_that_changed_between_attempts_is_never_mixed(path, heed_if_range):
    changed = sends(OTHER, etag='"2"', heed_if_range=heed_if_range)
    with Server(sends(BODY, cut=100_000), changed) as server:
        get(server.url, path)
    assert path.read_bytes() == OTHER


def test_a_reply_that_resumes_elsewhere_is_not_appended(path):
    with Server(sends(BODY, cut=100_000), sends(BODY, shift=50_000), sends(BODY)) as server:
        get(server.url, path)
    assert path.read_bytes() == BODY


def test_a_resumed_transfer_that_ends_early_without_a_length_is_noticed(path):
    unmeasured = sends(BODY, measured=False, cut=50_000)
    with Server(sends(BODY, cut=100_000), unmeasured, sends(BODY)) as server:
        get(server.url, path)
        assert server.requests[2][2]["Range"] == "bytes=150000-"
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_without_a_strong_validator_nothing_is_resumed(path, etag):
    with Server(sends(BODY, cut=100_000, etag=etag), sends(BODY, etag=etag)) as server:
        get(server.url, path)
        assert "Range" not in server.requests[1][2]
    assert path.read_bytes() == BODY


def test_a_part_longer_than_the_file_is_dropped(path):
    with Server(sends(BODY, cut=100_000), refuses(404), sends(BODY)) as server:
        with pytest.raises(NetworkError):
            get(server.url, path)
        path.with_name("data.npz.part").write_bytes(BODY + b"more")
        get(server.url, path)
    assert path.read_bytes() == BODY


def test_a_server_that_cannot_serve_the_range_is_asked_for_everything(path):
    with Server(sends(BODY, cut=100_000), refuses(416), sends(BODY)) as server:
        get(server.url, path, sha256=SHA256)
        assert "Range" not in server.requests[2][2]
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("known", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"bytes": 5}])
def test_a_wrong_file_is_kept_aside_and_no_other_source_replaces_it(path, known):
    with Server(sends(BODY)) as server, Server(sends(BODY)) as second:
        with pytest.raises(ChecksumError, match="data.npz.rejected"):
            get([server.url, second.url], path, **known)
        assert not second.requests
    assert files(path) == ["data.npz.rejected"]
    assert path.with_name("data.npz.rejected").read_bytes() == BODY


def test_md5_alone_verifies(path):
    with Server(sends(BODY)) as server:
        get(server.url, path, md5=hashlib.md5(BODY).hexdigest())
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    "page",
    [sends(b"<p>Please log in.</p>", kind="text/html; charset=utf-8"), sends(b"\n<!DOCTYPE html><p>Log in.")],
)
def test_a_web_page_is_no_data(path, page):
    with Server(page) as portal, Server(sends(BODY)) as good:
        with pytest.raises(NetworkError, match="web page"):
            get(portal.url, path)
        assert files(path) == []
        assert get([portal.url, good.url], path)["url"] == good.url


def test_a_missing_file_is_not_asked_for_twice_and_the_next_source_is_used(path):
    with Server(refuses(404)) as empty, Server(sends(BODY)) as good:
        assert get([empty.url, good.url], path, sha256=SHA256)["url"] == good.url
        assert len(empty.requests) == 1


def test_a_server_error_is_asked_again_with_growing_pauses(path):
    with Server(refuses(503), refuses(502), sends(BODY)) as server:
        before = time.monotonic()
        get(server.url, path, backoff=0.05)
        assert time.monotonic() - before >= 0.15
    assert path.read_bytes() == BODY


def test_a_stall_is_noticed_and_resumed(path):
    with Server(sends(BODY, pause=(100_000, 1.0)), sends(BODY)) as server:
        before = time.monotonic()
        get(server.url, path, sha256=SHA256)
        assert time.monotonic() - before < 1.0


def test_a_drip_that_never_times_out_is_a_stall_too(path):
    with Server(sends(BODY, pause=(1, 0.05))) as server:
        before = time.monotonic()
        with pytest.raises(NetworkError, match="bytes per second"):
            get(server.url, path)
        assert time.monotonic() - before < 3.0


def test_a_server_that_never_replies_gives_way_to_the_next(path):
    with Server(hangs(1.0)) as mute, Server(sends(BODY)) as good:
        before = time.monotonic()
        assert get([mute.url, good.url], path)["url"] == good.url
        assert time.monotonic() - before < 0.9


def test_an_unreachable_server_is_noticed_at_once_and_named(path):
    before = time.monotonic()
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1.*refused.*does-not-exist\.invalid.*resolved"):
        get([closed_port(), "https://does-not-exist.invalid/data.npz"], path)
    assert time.monotonic() - before < 1.5


def test_a_name_resolver_that_hangs_does_not_hold_us_up(path, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: time.sleep(1.0))
    before = time.monotonic()
    with pytest.raises(NetworkError, match="nothing came within 0.2 s"):
        get("https://example.invalid/data.npz", path, timeout=(0.2, 0.2))
    assert time.monotonic() - before < 0.8


def test_a_full_disk_is_a_sentence(path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with Server(sends(BODY)) as server, pytest.raises(JepaError, match="No space left on device.*make room"):
        get(server.url, path)


def test_the_first_download_is_trusted_ever_after(path):
    pins = path.parent / "pins.json"
    with Server(sends(BODY)) as server:
        get(server.url, path, pins=pins)
        origin = server.url.removesuffix("/data.npz")
        assert json.loads(pins.read_text()) == {"data.npz": {origin: SHA256}}
        get(server.url, path, pins=pins)
        server.replies = [sends(OTHER)]
        with pytest.raises(ChecksumError, match="pins.json"):
            get(server.url, path, pins=pins)
    assert path.read_bytes() == BODY
    assert path.with_name("data.npz.rejected").read_bytes() == OTHER


def test_a_known_checksum_needs_no_pin(path):
    with Server(sends(BODY)) as server:
        get(server.url, path, sha256=SHA256, pins=path.parent / "pins.json")
    assert files(path) == ["data.npz"]


def test_content_that_fails_its_check_is_neither_used_nor_pinned(path):
    def check(part):
        if part.read_bytes() != BODY:
            raise JepaError("This is no dataset.")

    pins = path.parent / "pins.json"
    with Server(sends(OTHER)) as bad, Server(sends(BODY)) as good:
        with pytest.raises(JepaError, match="no dataset; kept aside") as caught:
            get(bad.url, path, pins=pins, check=check)
        assert not isinstance(caught.value, NetworkError)
        assert files(path) == ["data.npz.rejected"]
        get([bad.url, good.url], path, pins=pins, check=check)
        assert list(json.loads(pins.read_text())["data.npz"].values()) == [SHA256]


def test_asking_whether_a_source_answers_is_quick_and_never_raises():
    with Server(sends(BODY)) as good, Server(refuses(404)) as empty, Server(hangs(1.0)) as mute:
        assert answer(good.url) == "has the file (0.3 MB)"
        assert "404" in answer(empty.url)
        before = time.monotonic()
        assert answer(mute.url, 0.2).startswith("no answer: nothing came")
        assert answer(closed_port()).startswith("no answer")
        assert answer("https://does-not-exist.invalid/x").startswith("no answer")
        assert answer("nonsense").startswith("no answer")
        assert time.monotonic() - before < 0.9
