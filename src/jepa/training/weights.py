"""Trained weights as safetensors, complete or absent; nothing is unpickled."""

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from jepa.errors import JepaError
from jepa.files import atomic_path


def save_weights(model, folder, fingerprint):
    """Write folder/model.safetensors. fingerprint: text that names what was trained, kept in the header."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_path(folder / "model.safetensors") as temporary:
        save_file(tensors, temporary, metadata={"fingerprint": fingerprint})


def load_weights(model, folder):
    """Load folder/model.safetensors into `model`. Raises JepaError when the file is damaged or of another model."""
    try:
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except (RuntimeError, SafetensorError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise JepaError(
            f"{folder}/model.safetensors does not fit its config.json ({reason}); train the cell again."
        ) from None
