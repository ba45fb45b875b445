"""Trained weights as safetensors, complete or absent; nothing is unpickled."""

import json

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from jepa.errors import JepaError
from jepa.files import atomic_path, file_hash, read_json


def save_weights(model, folder, fingerprint):
    """Write folder/model.safetensors, with the hash of folder/config.json, which is there already, in its header.

    fingerprint: text that names what was trained, kept in the header.
    """
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    trained = {"fingerprint": fingerprint, "config": file_hash(folder / "config.json")}
    with atomic_path(folder / "model.safetensors") as temporary:
        # Under one key: safetensors writes several in an order of chance, and files would differ.
        save_file(tensors, temporary, metadata={"trained": json.dumps(trained)})


def read_config(folder):
    """folder/config.json. Raises JepaError when it is damaged, or not the one that the weights were written with.

    Two recipes may have tensors of the same shapes, so fitting shapes would not tell one's weights from the other's.
    """
    config, path = read_json(folder / "config.json"), folder / "model.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            trained = json.loads((file.metadata() or {}).get("trained", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise JepaError(f"{path} cannot be read ({error}); train the cell again.") from None
    if not isinstance(trained, dict) or trained.get("config") != file_hash(folder / "config.json"):
        raise JepaError(f"{path} does not fit its config.json, which is of another training; train the cell again.")
    return config


def load_weights(model, folder):
    """Load folder/model.safetensors into `model`. Raises JepaError when the file is damaged or of another model."""
    path = folder / "model.safetensors"
    try:
        tensors = load_file(path)
        model.load_state_dict(tensors)
    except (RuntimeError, SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())
        raise JepaError(f"{path} does not fit its config.json ({reason[:300]}); train the cell again.") from None
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise JepaError(f"{path}: the tensor {name} holds values that are not finite; train the cell again.")
