"""Official files of any dataset: verified, from the mirror or the network, or an error that says what may stand in."""

import hashlib
import random

import pytest

from jepa.data import official, registry
from jepa.data.download import ChecksumError, NetworkError
from jepa.data.official import obtain
from jepa.errors import JepaError
from servers import Server, closed_port, sends

ONE, TWO = random.Random(0).randbytes(20_000), random.Random(1).randbytes(30_000)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("JEPA_DATA_MIRROR", raising=False)
    real = official.download
    quick = {"retries": 0, "timeout": (0.5, 0.5)}
    monkeypatch.setattr(official, "download", lambda *a, **options: real(*a, **options, **quick))


@pytest.fixture
def known(monkeypatch):
    """known(url_one, url_two): a registry whose dataset `pair` has one.txt and two.txt there (None: mirror only)."""

    def register(*urls, trust="published"):
        files = [
            registry.RemoteFile(
                name, (url,) if url else (), trust, None if trust == "tofu" else hashlib.sha256(body).hexdigest()
            )
            for name, body, url in zip(("one.txt", "two.txt"), (ONE, TWO), urls, strict=True)
        ]
        entry = registry.Entry("pair", tuple(files), "CC0", "")
        monkeypatch.setattr(registry, "load", lambda: {"pair": entry})

    return register


@pytest.fixture
def mirror(tmp_path):
    """mirror(name=content): a folder with these files, one level down."""

    def make(**contents):
        for name, content in contents.items():
            (tmp_path / "mirror/deep").mkdir(parents=True, exist_ok=True)
            (tmp_path / "mirror/deep" / f"{name}.txt").write_bytes(content)
        return tmp_path / "mirror"

    return make


def test_a_mirror_with_all_files_needs_no_network(known, mirror, tmp_path):
    known(closed_port(), closed_port())
    facts = obtain("pair", tmp_path / "out", mirror=mirror(one=ONE, two=TWO))
    assert facts["source"] == "mirror" and facts["licence"] == "CC0" and facts["message"] == "All checksums hold."
    assert {name: path.read_bytes() for name, path in facts["paths"].items()} == {"one.txt": ONE, "two.txt": TWO}
    assert all(path.parent == tmp_path / "out" for path in facts["paths"].values())
    assert facts["origin"]["one.txt"].endswith("deep/one.txt")
    assert facts["sha256"]["two.txt"] == hashlib.sha256(TWO).hexdigest()
    assert facts["trust"] == {"one.txt": "published", "two.txt": "published"}


def test_the_mirror_may_stand_in_the_environment(known, mirror, tmp_path, monkeypatch):
    known(closed_port(), closed_port())
    monkeypatch.setenv("JEPA_DATA_MIRROR", str(mirror(one=ONE, two=TWO)))
    assert obtain("pair", tmp_path / "out")["source"] == "mirror"


def test_files_that_the_mirror_lacks_are_downloaded(known, mirror, tmp_path):
    with Server(sends(ONE), name="one.txt") as one, Server(sends(TWO), name="two.txt") as two:
        known(one.url, two.url)
        facts = obtain("pair", tmp_path / "out", mirror=mirror(one=ONE), progress=False)
    assert facts["source"] == "download" and facts["origin"] == {"one.txt": one.url, "two.txt": two.url}
    assert facts["paths"]["two.txt"].read_bytes() == TWO


def test_one_file_can_be_asked_for_alone(known, mirror, tmp_path):
    known(closed_port(), closed_port())
    facts = obtain("pair", tmp_path / "out", mirror=mirror(two=TWO), files=["two.txt"])
    assert list(facts["paths"]) == ["two.txt"] and not (tmp_path / "out/one.txt").exists()
    with pytest.raises(JepaError, match=r"pair has no file 'three.txt'; the registry has one.txt, two.txt"):
        obtain("pair", tmp_path / "out", files=["three.txt"])


def test_a_wrong_file_is_an_error_wherever_it_comes_from(known, mirror, tmp_path):
    with Server(sends(ONE[::-1]), name="one.txt") as one:
        known(one.url, closed_port())
        with pytest.raises(ChecksumError, match="wrong file"):
            obtain("pair", tmp_path / "out", progress=False)
        with pytest.raises(ChecksumError, match="wrong file"):
            obtain("pair", tmp_path / "out", mirror=mirror(one=ONE[::-1], two=TWO))
    assert not (tmp_path / "out/one.txt").exists()


def test_what_cannot_be_had_is_a_network_error_so_that_something_may_stand_in(known, mirror, tmp_path):
    known(closed_port(), closed_port())
    with pytest.raises(NetworkError, match="put one.txt into a mirror folder"):
        obtain("pair", tmp_path / "out", mirror=mirror(two=TWO), progress=False)
    known(None, None)
    with pytest.raises(NetworkError, match=r"one.txt is on no server that we know; put one.txt into a mirror"):
        obtain("pair", tmp_path / "out", source="download", progress=False)


def test_a_mirror_that_was_asked_for_must_have_the_files(known, mirror, tmp_path):
    known(closed_port(), closed_port())
    with pytest.raises(JepaError, match=r"no mirror is set .* to hold one.txt, two.txt") as raised:
        obtain("pair", tmp_path / "out", source="mirror")
    assert not isinstance(raised.value, NetworkError)
    with pytest.raises(JepaError, match=r"lacks one.txt; add it or use auto"):
        obtain("pair", tmp_path / "out", source="mirror", mirror=mirror(two=TWO))
    with pytest.raises(JepaError, match="must be one of auto, mirror, download"):
        obtain("pair", tmp_path / "out", source="generate")


def test_without_a_checksum_the_first_download_is_the_one_that_counts(known, mirror, tmp_path):
    with Server(sends(ONE), sends(TWO), name="one.txt") as server:
        known(server.url, None, trust="tofu")
        facts = obtain("pair", tmp_path / "out", files=["one.txt"], progress=False)
        assert facts["trust"] == {"one.txt": "tofu"} and "No checksum is known for one.txt" in facts["message"]
        with pytest.raises(ChecksumError, match="differs from the first download"):
            obtain("pair", tmp_path / "out", files=["one.txt"], progress=False)
    facts = obtain("pair", tmp_path / "other", mirror=mirror(one=ONE), files=["one.txt"])
    assert facts["trust"] == {"one.txt": "unverified"}
