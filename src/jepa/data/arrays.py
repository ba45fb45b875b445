"""Arrays in npz and HDF5 files: read in plain, never unpickled, never more than the memory holds; HDF5 written."""

import zipfile
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import psutil

from jepa.errors import JepaError
from jepa.files import atomic_path


def read_npz(path, what, names=None):
    """Arrays of an npz file by name. names: those that are needed, None for all that there are.

    what: of which the file should be, for the message. Raises JepaError when the file is missing, is not what it
    should be, or the arrays would not fit into the free memory: a few kB can inflate to many GB.
    """
    with _file_of(path, what):
        sizes = _sizes(path)
        names = sizes if names is None else names
        check_memory(sum(sizes.get(name, 0) for name in names))
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}


def npz_names(path, what):
    """The names of an npz file's arrays. what, errors: as of read_npz; no array is read."""
    with _file_of(path, what):
        return list(_sizes(path))


@contextmanager
def _file_of(path, what):
    """Every error that reading the file may raise, as a JepaError."""
    if not Path(path).is_file():
        raise JepaError(f"{path} does not exist; run the rule that writes it.")
    try:
        yield
    except Exception as error:  # numpy, zipfile and zlib raise a dozen kinds for damaged files
        reason = str(error) or type(error).__name__
        raise JepaError(f"{path} is no file of {what} ({reason}); delete it and run the rule that writes it.") from None


def _sizes(path):
    """Bytes of an npz file's arrays in memory, by name."""
    with zipfile.ZipFile(path) as file:
        return {member.filename.removesuffix(".npy"): member.file_size for member in file.infolist()}


def read_hdf5(file, names):
    """Whole datasets of an open HDF5 file, in the order of `names`.

    Raises KeyError where one is missing, and ValueError for one that is none, whose values lie in other files (HDF5
    may point at any file of the machine), or that would not fit into the free memory.
    """
    found = [file[name] for name in names]
    for name, dataset in zip(names, found, strict=True):
        plain = isinstance(dataset, h5py.Dataset) and not dataset.external and not dataset.is_virtual
        if not plain or dataset.file.filename != file.filename:
            raise ValueError(f"{name} is no dataset of its own")
    check_memory(sum(dataset.size * dataset.dtype.itemsize for dataset in found))
    return [dataset[()] for dataset in found]


@contextmanager
def new_hdf5(path):
    """Yield an HDF5 file in memory that is written to `path`, complete or not at all, when the block succeeds.

    Not on the disk from the start: where a disk fills up, HDF5 may crash the process as it ends.
    """
    with atomic_path(path) as temporary, h5py.File("memory", "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        temporary.write_bytes(file.id.get_file_image())


def check_memory(size):
    """Raise ValueError when `size` bytes are more than the memory that is free."""
    free = psutil.virtual_memory().available
    if size > free:
        raise ValueError(f"it would take {size / 2**30:.1f} GiB of memory, of which {free / 2**30:.1f} GiB are free")
