"""Trained weights as safetensors, complete or absent; nothing is unpickled."""

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from jepa.errors import JepaError
from jepa.files import atomic_path


def save_weights(model, folder, fingerprint):
    """Write folder/model.safetensors. fingerprint: text that names what was trained, kept in the header."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_path(folder / "model.safetensors") as temporary:
        save_file(tensors, temporary, metadata={"fingerprint": fingerprint})


def load_weights(model, folder, fingerprint):
    """Load folder/model.safetensors into `model`.

    fingerprint: that of the config.json beside it; recipes that differ in training alone have the same tensors. Raises
    JepaError when the file is damaged, of another model, or not finite.
    """
    path = folder / "model.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get("fingerprint")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if found != fingerprint:
            raise RuntimeError("it was trained with other settings, data or seed")
        broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
        if broken:
            raise RuntimeError(f"its tensor {broken[0]} is not finite")
        model.load_state_dict(tensors)
    except (RuntimeError, SafetensorError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise JepaError(f"{path} does not fit its config.json ({reason}); train the cell again.") from None
