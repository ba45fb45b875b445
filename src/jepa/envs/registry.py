"""Simulators by the name of their environment. A simulator's library is imported when it is first asked for."""

from jepa.errors import JepaError

ENVIRONMENTS = ("push_t", "two_room", "cube", "reacher")
# Width of a state and of a raw action, as the simulators have them: known here without their libraries.
WIDTHS = {"push_t": (10, 2), "two_room": (2, 2), "cube": (41, 5), "reacher": (4, 2)}


def simulator(env_name, n):
    """A batched Simulator of n environments. Raises JepaError, naming the environments, for an unknown name."""
    return module(env_name).Simulator(n)


def render_states(env_name, states, size):
    """Frames of states. states: (N, ds). Returns (N, 3, size, size) uint8. Raises JepaError for an unknown name."""
    return module(env_name).render(states, size)


def use_quality(env_name, quality):
    """Draw the frames of an environment as a model knows them; None where there is only one way.

    Raises JepaError for a quality that the environment does not have.
    """
    if quality is not None:
        module(env_name).set_quality(quality)


def module(env_name):
    """The module of an environment: Simulator, render, reached. Raises JepaError for an unknown name."""
    if env_name == "two_room":
        from jepa.envs import two_room as found
    elif env_name == "push_t":
        from jepa.envs import push_t as found
    elif env_name == "cube":
        from jepa.envs import cube as found
    elif env_name == "reacher":
        from jepa.envs import reacher as found
    else:
        raise JepaError(f"There is no environment called {env_name!r}; choose one of {', '.join(ENVIRONMENTS)}.")
    return found
