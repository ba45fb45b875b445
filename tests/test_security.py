"""What a file, a name or a server may not do to the machine."""

import ast
import io
import os
import re
import shlex
import subprocess
import sys
import tarfile
import venv
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bad_input import files_of
from conftest import ROOT, Workflow
from good_files import walk
from jepa.data import arrays, cabs, push_t_files, registry, transfer
from jepa.errors import JepaError
from jepa.reporting.measurements import COLUMNS
from jepa.reporting.tables import write_table

SOURCES = [*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")]
RULES = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
# Python in the rules is plain Python between Snakemake's own words; what is looked for there is looked for as text.
FORBIDDEN = re.compile(
    r"\b(eval|exec|os\.system|os\.popen|pickle|marshal|shelve|dill|joblib)\b|shell=True|yaml\.(unsafe_)?load\b"
)


def dotted(node):
    """`a.b.c` of a name or an attribute, else an empty text."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def given(call, name):
    """The constant that a call gives for an argument by name, else None."""
    return next((k.value.value for k in call.keywords if k.arg == name and isinstance(k.value, ast.Constant)), None)


def dangers(tree):
    """Every place of a module that could run what it reads, or write where an archive says: [(line, what), ...]."""
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = dotted(call.func)
        last = name.rpartition(".")[2]
        if name in ("eval", "exec", "compile", "os.system", "os.popen", "__import__"):
            found.append((call.lineno, name))
        if name in ("pickle.load", "pickle.loads", "pickle.Unpickler", "pd.read_pickle", "marshal.loads"):
            found.append((call.lineno, name))
        if name == "torch.load" and given(call, "weights_only") is not True:
            found.append((call.lineno, "torch.load without weights_only=True"))
        if name in ("np.load", "numpy.load") and given(call, "allow_pickle") is not False:
            found.append((call.lineno, "np.load without allow_pickle=False"))
        if name in ("yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"):
            found.append((call.lineno, name))
        # As a method, but for the one function of ours that is called so.
        if "." in name and last in ("extract", "extractall", "unpack_archive") and name != "crossings.extract":
            found.append((call.lineno, f"{name}, which writes what an archive names"))
        if given(call, "shell") is True:
            found.append((call.lineno, f"{name} with shell=True"))
        if given(call, "verify") is False:
            found.append((call.lineno, f"{name} without verifying certificates"))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_runs_what_it_reads(path):
    assert dangers(ast.parse(path.read_text())) == []


def test_the_search_finds_what_it_looks_for():
    code = """
eval(x); exec(x); os.system(x); pickle.loads(x); torch.load(x); torch.load(x, weights_only=False); np.load(x)
np.load(x, allow_pickle=True); yaml.load(x, yaml.Loader); yaml.unsafe_load(x); archive.extractall()
subprocess.run(x, shell=True); requests.get(x, verify=False)
"""
    assert len(dangers(ast.parse(code))) == 13
    harmless = "np.load(x, allow_pickle=False); torch.load(x, weights_only=True); model.eval(); yaml.safe_load(x)"
    assert dangers(ast.parse(harmless)) == []


def test_the_one_loader_of_yaml_is_the_safe_one():
    import yaml

    from jepa.config_file import _SafeLoader

    assert issubclass(_SafeLoader, yaml.constructor.SafeConstructor)
    assert not issubclass(_SafeLoader, yaml.constructor.FullConstructor)


def test_the_one_unpickler_knows_no_name():
    """DINO-WM's lengths are a pickle; ours reads numbers and lists and refuses every name that one asks for."""
    import pickle

    content = pickle.dumps(os.getcwd)
    with pytest.raises(pickle.UnpicklingError, match="asks for posix.getcwd"):
        push_t_files._PlainUnpickler(io.BytesIO(content)).load()
    assert push_t_files._PlainUnpickler(io.BytesIO(pickle.dumps([3, 4]))).load() == [3, 4]


def commands(path):
    """The shell commands of a file of rules."""
    return re.findall(r'^    shell:\n((?:        ".*"\n?)+)', path.read_text(), re.M)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_everything_that_a_rule_puts_into_a_command_is_quoted(path):
    text = path.read_text()
    assert not FORBIDDEN.search(text)
    assert text.count("\n    shell:\n") == len(commands(path)) and "\n    run:" not in text
    for command in commands(path):
        bare = [
            field for field in re.findall(r"\{([^{}]*)\}", command) if field != "threads" and not field.endswith(":q")
        ]
        assert not bare, f"{path.name}: write {{{bare[0]}:q}}, so that no name means anything to a shell"


def test_there_are_as_many_commands_as_rules_with_a_log():
    assert (
        sum(len(commands(path)) for path in RULES) == sum(path.read_text().count("\n    log:") for path in RULES) > 20
    )


def test_a_quoted_list_is_as_many_words():
    from snakemake.utils import format as fill

    input = ["two words", "it's", "$HOME; `ls`", "wörld & co"]
    assert shlex.split(fill("{input:q}")) == input
    assert fill("{output:q}", output=[]) == ""


HOSTS = "http://ufldl.stanford.edu/", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"


def test_files_come_by_https_or_with_a_checksum():
    """Two hosts offer no https: their files count with a published checksum only. A file without a known checksum comes
    by https and is pinned at its first use."""
    for entry in registry.load().values():
        for file in entry.files:
            assert all(url.startswith(("https://", *HOSTS)) for url in file.urls), file
            assert file.trust == "tofu" or file.sha256 or file.md5
            if file.trust == "tofu":
                assert all(url.startswith("https://") for url in file.urls), file


def test_an_http_address_without_a_checksum_is_refused(tmp_path):
    path = tmp_path / "registry.yaml"
    entry = "a: {{urls: ['{}://x.org/{{file}}'], files: {{a.npz: {{trust: tofu}}}}, licence: MIT}}"
    path.write_text(entry.format("http"))
    with pytest.raises(JepaError, match="http:// address needs a checksum"):
        registry.load(path)
    (tmp_path / "other.yaml").write_text(entry.format("https"))
    assert registry.load(tmp_path / "other.yaml")


@pytest.mark.parametrize(
    "stops",
    [["https://a.org/x", "http://b.org/x"], ["https://a.org/x", "http://b.org/x", "https://c.org/x"]],
    ids=["to http", "by way of http"],
)
def test_a_redirect_that_leaves_encryption_is_refused(tmp_path, monkeypatch, stops):
    *history, last = [SimpleNamespace(url=stop) for stop in stops]

    class Response(SimpleNamespace):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    response = Response(url=last.url, history=history, status_code=200, ok=True, headers={}, raw=io.BytesIO(b"evil"))
    monkeypatch.setattr(transfer.requests, "get", lambda *_, **__: response)
    monkeypatch.setattr(transfer, "_connect", lambda *_: None)
    with pytest.raises(transfer.Unusable, match="unencrypted"):
        transfer.retrieve(stops[0], tmp_path / "x.part", retries=0, timeout=(1, 1), backoff=0, progress=False)
    assert not list(tmp_path.iterdir())


NAMES = ["../evil", "/tmp/evil", "pusht/x.zarr/../../../evil", "pusht/x.zarr/data/state/../../../../evil"]


@pytest.mark.parametrize(
    "reader", [push_t_files.demonstrations, lambda path: push_t_files.convert(path, path.parent / "o")]
)
def test_a_zip_with_names_that_climb_writes_nothing(tmp_path, reader):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in/pusht.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in NAMES:
            file.writestr(name, "x" * 1000)
    before = files_of(tmp_path)
    with pytest.raises(JepaError, match="pusht.zip"):
        reader(path)
    assert files_of(tmp_path) == before and not os.path.exists("/tmp/evil")


def test_a_zarr_array_is_unpacked_by_no_codec_that_runs_code(tmp_path):
    path = tmp_path / "pusht.zip"
    facts = (
        '{"shape": [1], "chunks": [1], "dtype": "<f4", "filters": null, "order": "C", "compressor": {"id": "pickle"}}'
    )
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("p/x.zarr/data/state/.zarray", facts)
        file.writestr("p/x.zarr/data/state/0", b"cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(JepaError, match="packed by 'pickle', not by one of blosc"):
        push_t_files.demonstrations(path)


def test_a_zip_that_inflates_beyond_the_free_memory_is_not_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "zeros.npz", a=np.zeros(2**20, np.uint8))
    assert (tmp_path / "zeros.npz").stat().st_size < 2000
    assert len(arrays.read_npz(tmp_path / "zeros.npz", "zeros")["a"]) == 2**20
    monkeypatch.setattr(arrays.psutil, "virtual_memory", lambda: SimpleNamespace(available=2**19))
    with pytest.raises(JepaError, match="zeros.npz is no file of zeros .it would take .* GiB of memory"):
        arrays.read_npz(tmp_path / "zeros.npz", "zeros")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_a_tar_with_links_reads_no_file_of_the_machine(tmp_path, kind):
    path = tmp_path / "cabspottingdata.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("cabspottingdata/new_a.txt")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    before = files_of(tmp_path)
    with pytest.raises(JepaError, match="not the Cabspotting archive"):
        cabs.read_archive(path)
    assert files_of(tmp_path) == before


def test_text_from_data_is_no_tag_in_a_table(tmp_path):
    """Names are restricted by the schema (test_bad_config.py); what files say of themselves is escaped."""
    evil = "<script>alert(1)</script>"
    row = dict.fromkeys(COLUMNS, "") | {"paper": "mop", "table": "table3", "row": "mop"}
    known = pd.read_csv(ROOT / "paper/mop.csv", dtype=str, keep_default_na=False)
    known = known[(known["table"] == "table3") & (known["row"] == "mop")]
    rows = [row | {"column": column, "text": evil, "scale": evil, "published_text": evil} for column in known["column"]]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "t.csv", index=False)
    write_table(tmp_path / "t.csv", *(tmp_path / f"t.{kind}" for kind in ("out.csv", "md", "tex")))
    page = (tmp_path / "t.md").read_text()
    assert "<script" not in page and "&lt;script" in page


def test_the_workflow_runs_in_folders_with_any_name(tmp_path):
    """The repository, its virtual environment and its data: blanks, quotes and letters that a shell would read."""
    folder = tmp_path / "wörld models & co"
    folder.mkdir()
    Workflow(folder)  # copies it there
    venv.create(folder / ".venv", symlinks=True)
    site = next((folder / ".venv/lib").glob("python*/site-packages"))
    paths = [path for path in sys.path if path.endswith("site-packages")]
    (site / "outside.pth").write_text("\n".join([*paths, str(ROOT / "src")]) + "\n")
    data = "it's dätä; $HOME"
    (folder / data / "smoke").mkdir(parents=True)
    walk(folder / data / "smoke/pointmaze-teleport-navigate.npz", "teleport")
    target = f"{data}/smoke/crossings/teleport.npz"
    command = [folder / ".venv/bin/python", "-m", "snakemake", "--cores", "1", target, "--config", "scale=smoke"]
    done = subprocess.run(
        [*command, f'data={{dir: "{data}"}}'], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / target).stat().st_size > 1000
