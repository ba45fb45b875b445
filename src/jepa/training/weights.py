"""Trained weights as safetensors, complete or absent; nothing is unpickled."""

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from jepa.errors import JepaError
from jepa.files import atomic_path, file_hash, read_json


def save_weights(model, folder, fingerprint):
    """Write folder/model.safetensors. Its header holds one text: `fingerprint`, which names what was trained, and the
    hash of folder/config.json, which is there already. (Two texts would be written in a random order.)
    """
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    metadata = {"fingerprint": f"{fingerprint} {file_hash(folder / 'config.json')}"}
    with atomic_path(folder / "model.safetensors") as temporary:
        save_file(tensors, temporary, metadata=metadata)


def read_config(folder):
    """folder/config.json. Raises JepaError when it is damaged, or not the one that the weights were written with.

    Two recipes may have tensors of the same shapes, so fitting shapes would not tell one's weights from the other's.
    """
    config, path = read_json(folder / "config.json"), folder / "model.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise JepaError(f"{path} cannot be read ({error}); train the cell again.") from None
    if metadata.get("fingerprint", "").rpartition(" ")[2] != file_hash(folder / "config.json"):
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
