"""Kinds of domain by name. A kind's module has what stands here; its libraries are imported when it is asked for.

prepare(out, *, source, mirror, seed, settings, progress) -> facts    write the arrays of a dataset as npz
audit(arrays, settings, seed, work, progress) -> record               every arm on them
ARRAYS                                                                layout of that npz, see base.load_arrays
"""

from jepa.errors import JepaError

KINDS = (
    "pedestrians",
    "taxi",
    "digits",
    "inpainting",
    "conformers",
    "video",
    "dino_port",
    "vjepa2",
    "antmaze",
)

OFFICIAL = {  # registry entries that a kind looks for; where none can be had, something generated stands in
    "pedestrians": ("eth_ucy",),
    "taxi": ("cabspotting_sf40",),
    "digits": ("svhn_train", "svhn_test", "mnist_t10k"),
    "inpainting": ("fashion_mnist", "mnist_t10k"),
    "video": ("video_small",),
    "antmaze": ("antmaze-teleport-navigate",),
}


def module(kind):
    """The module of a kind. Raises JepaError, naming the kinds, for an unknown name.

    Each import is written out, so that the hash of a script's code follows it (see jepa.provenance.code_hash).
    """
    if kind == "pedestrians":
        from jepa.domains import pedestrians as found
    elif kind == "taxi":
        from jepa.domains import taxi as found
    elif kind == "digits":
        from jepa.domains import digits as found
    elif kind == "inpainting":
        from jepa.domains import inpainting as found
    elif kind == "conformers":
        from jepa.domains import conformers as found
    elif kind == "video":
        from jepa.domains import video as found
    elif kind == "dino_port":
        from jepa.domains import dino_port as found
    elif kind == "vjepa2":
        from jepa.domains import vjepa2 as found
    elif kind == "antmaze":
        from jepa.domains import antmaze as found
    else:
        raise JepaError(f"There is no kind of domain called {kind!r}; choose one of {', '.join(KINDS)}.")
    return found
