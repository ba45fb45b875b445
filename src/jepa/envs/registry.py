"""Simulators by the name of their environment."""

from jepa.envs import two_room
from jepa.errors import JepaError

ENVIRONMENTS = {"two_room": two_room}


def simulator(env_name, n):
    """A batched Simulator of n environments. Raises JepaError, naming the environments, for an unknown name."""
    return _module(env_name).Simulator(n)


def render_states(env_name, states, size):
    """Frames of states. states: (N, ds). Returns (N, 3, size, size) uint8. Raises JepaError for an unknown name."""
    return _module(env_name).render(states, size)


def _module(env_name):
    if env_name not in ENVIRONMENTS:
        raise JepaError(f"There is no environment called {env_name!r}; choose one of {', '.join(ENVIRONMENTS)}.")
    return ENVIRONMENTS[env_name]
