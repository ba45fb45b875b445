"""A conda channel, a folder of wheels and a `conda` that the tests make themselves: nothing is downloaded."""

import asyncio
import hashlib
import io
import json
import os
import shlex
import sys
import tarfile
import zipfile
from pathlib import Path

import pip

STAND_IN = Path(__file__).parent / "conda_stand_in.py"
SITE = "lib/python3.11/site-packages"


def package(channel, name, version, files, links=None, depends=()):
    """Write a package; files: {path: bytes}, links: {path: file that it points to}."""
    folder = channel / "linux-64"
    folder.mkdir(parents=True, exist_ok=True)
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "subdir": "linux-64"}
    listed = [(path, "hardlink", data) for path, data in files.items()]
    listed += [(path, "softlink", target.read_bytes()) for path, target in (links or {}).items()]
    paths = [
        {"_path": path, "path_type": kind, "sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
        for path, kind, data in listed
    ]
    metadata = {
        "info/index.json": json.dumps(index | {"depends": list(depends)}).encode(),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
    }
    with tarfile.open(folder / f"{name}-{version}-0.tar.bz2", "w:bz2", compresslevel=1) as archive:
        for path, data in (files | metadata).items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for path, target in (links or {}).items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, str(target)
            archive.addfile(entry)


def pip_archive():
    """The pip that runs here, compiled, as one zip file: Python imports it from there."""
    folder, file = Path(pip.__file__).parent, io.BytesIO()
    with zipfile.PyZipFile(file, "w") as archive:
        archive.writepy(folder)
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc", ".exe"):
                archive.write(path, path.relative_to(folder.parent))
    return file.getvalue()


def write_channel(channel):
    """What envs/*.yaml asks conda for: this machine's Python as an environment of its own, pip, and an empty libegl."""
    import rattler.index

    python = Path(sys._base_executable).resolve()
    home = f"home = {python.parent}\ninclude-system-site-packages = false\n".encode()
    package(channel, "python", "3.11.99", {"pyvenv.cfg": home}, {"bin/python": python}, depends=["pip"])
    archive = {f"{SITE}/pip.zip": pip_archive(), f"{SITE}/pip.pth": b"pip.zip\n"}
    package(channel, "pip", "1.0", archive)
    package(channel, "libegl", "1.0", {"share/libegl": b""})
    asyncio.run(rattler.index.index_fs(channel, write_zst=False, write_shards=False))


def write_wheel(folder, name, version):
    """A wheel whose one module holds its version."""
    stem = f"{name.replace('-', '_')}-{version}"
    files = {
        f"{name.replace('-', '_')}.py": f"__version__ = {version!r}\n",
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{stem}.dist-info/RECORD"])
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for path, text in (files | {f"{stem}.dist-info/RECORD": record}).items():
            wheel.writestr(path, text)


def write_conda(folder):
    """Put the stand-in into folder/bin, beside the script that Snakemake activates environments with."""
    (folder / "bin").mkdir(parents=True)
    command = shlex.join([sys.executable, str(STAND_IN), str(folder)])
    (folder / "bin/conda").write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    os.chmod(folder / "bin/conda", 0o755)
    (folder / "bin/activate").write_text('export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n')
