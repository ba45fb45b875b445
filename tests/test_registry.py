"""The registry of official datasets."""

import re

import pytest

from jepa.data import registry
from jepa.errors import JepaError

ENTRY = """
set:
  urls: [{url}]
  files:
    a.npz: {facts}
  licence: MIT
"""


def load(tmp_path, text):
    path = tmp_path / "registry.yaml"
    path.write_text(text)
    return registry.load(path)


def one(tmp_path, url="https://example.org/{file}", facts="{trust: tofu}"):
    return load(tmp_path, ENTRY.replace("{url}", f'"{url}"').replace("{facts}", facts))


@pytest.mark.parametrize("name", ["medium-stitch", "large-stitch", "teleport-navigate"])
def test_every_point_maze_has_its_two_files_at_both_sources(name):
    files = registry.entry(f"pointmaze-{name}").files
    assert [file.name for file in files] == [f"pointmaze-{name}-v0.npz", f"pointmaze-{name}-v0-val.npz"]
    for file in files:
        official, hub = file.urls
        assert official == f"https://rail.eecs.berkeley.edu/datasets/ogbench/{file.name}"
        assert re.fullmatch(
            rf"https://huggingface.co/datasets/zhouzypaul/ogbench_datasets/resolve/[0-9a-f]{{40}}/{file.name}",
            hub,
        )


def test_only_known_checksums_are_claimed():
    known = {
        file.name: file.trust for entry in registry.load().values() for file in entry.files if file.trust != "tofu"
    }
    walks = ("biwi_eth", "biwi_hotel", "crowds_zara01", "crowds_zara02", "crowds_zara03", "students001", "students003")
    videos = ("vtest.avi", "bikes.mp4", "carphone_pristine.mp4", "bigbuckbunny.mp4")
    assert known == {
        "pointmaze-large-stitch-v0.npz": "published",
        "pusht.zip": "published",
        "pusht_cchi_v7_lowdim.npz": "bytes",
        "dinov2_vits14_pretrain.pth": "published",
        **{f"{name}.txt": "bytes" for name in (*walks, "uni_examples")},
        "cabspotting_sf40.npz": "bytes",
        "train_32x32.mat": "published",
        "test_32x32.mat": "published",
        "t10k-images-idx3-ubyte.gz": "bytes",
        "t10k-labels-idx1-ubyte.gz": "bytes",
        "train-images-idx3-ubyte.gz": "published",
        **dict.fromkeys(videos, "bytes"),
    }


def test_a_file_that_only_a_mirror_has_has_no_address():
    official, lowdim = registry.entry("pusht_human").files
    assert official.urls == ("https://diffusion-policy.cs.columbia.edu/data/training/pusht.zip",)
    assert lowdim.urls == ()


def test_an_unknown_dataset_is_answered_with_the_known_ones():
    with pytest.raises(JepaError, match="pointmaze-large-stitch, pointmaze-medium-stitch"):
        registry.entry("pointmaze-giant-stitch")


def test_a_revision_on_the_hub_becomes_its_download_link():
    assert registry.resolve("hf://datasets/owner/repo@0123abc/folder/x.npz") == (
        "https://huggingface.co/datasets/owner/repo/resolve/0123abc/folder/x.npz"
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("set: {urls: [https://x.org/a], files: {a: {trust: tofu}}}", "'licence' is missing"),
        (
            "set: {urls: [https://x.org/a], files: {a: {trust: tofu}}, licence: MIT, sha: 1}",
            "unknown field 'sha'",
        ),
        ("set: {urls: https://x.org/a, files: {a: {trust: tofu}}, licence: MIT}", "list of addresses"),
        (
            "set: {urls: [https://x.org/a], files: {a: {trust: tofu}, b: {trust: tofu}}, licence: MIT}",
            "{file}",
        ),
        ("set: {urls: [https://x.org/a], files: {../a: {trust: tofu}}, licence: MIT}", "file's name"),
        ("set: 3", "expected the fields"),
        ("[1, 2", "cannot be read"),
        ("", "no datasets"),
    ],
)
def test_a_mistake_in_the_registry_is_named(tmp_path, text, complaint):
    with pytest.raises(JepaError, match=re.escape(complaint)):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        ("{trust: blind}", "trust is 'blind'"),
        ("{trust: published}", "every other trust needs one"),
        (f"{{trust: tofu, md5: {'a' * 32}}}", "no checksum is known"),
        ("{trust: published, sha256: abc}", "64 lower-case"),
        ("{trust: tofu, bytes: -1}", "positive"),
    ],
)
def test_a_mistake_about_a_file_is_named(tmp_path, facts, complaint):
    with pytest.raises(JepaError, match=complaint):
        one(tmp_path, facts=facts)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/{file}", "hf://models/owner/repo@1/a"])
def test_only_web_addresses_are_sources(tmp_path, url):
    with pytest.raises(JepaError, match="address"):
        one(tmp_path, url=url)
