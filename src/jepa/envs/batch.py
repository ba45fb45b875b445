"""n environments that step and render together, where the future is a function of the state and the actions alone."""

import numpy as np

from jepa.errors import JepaError


class Batch:
    """What the Simulators of such environments share.

    A subclass has `name`, state_dim, action_dim, action_low, action_high, and as static methods of whole batches
    `advance(states, actions)`, `draw(states, size)` and `success(states, goals)`.
    """

    def __init__(self, states):
        """states: (n, ds), where the environments begin."""
        self._state = np.array(states, dtype=np.float32)

    @property
    def state(self):
        """A copy of the states, (n, ds) float32."""
        return self._state.copy()

    def set_state(self, states, goals=None):
        """Place every environment exactly. states: (n, ds). goals: for environments that draw them; these do not.

        Raises JepaError for a wrong shape and for a state that `check` refuses.
        """
        states = np.array(states, dtype=np.float32)
        if states.shape != self._state.shape:
            raise JepaError(f"{self.name} states have the shape {states.shape}; give {self._state.shape}.")
        self.check(states)
        self._state = states

    def check(self, states):
        """Raise JepaError for a state that cannot be."""
        wrong = np.flatnonzero(~np.isfinite(states).all(-1))
        if len(wrong):
            raise JepaError(f"{self.name} state {wrong[0]} is not finite; look for a damaged file of episodes.")

    def step(self, actions, active=None):
        """One step. actions: (n, da). active: (n,) bool, those that move; None for all. Returns the new states."""
        active = np.ones(len(self._state), dtype=bool) if active is None else np.asarray(active, dtype=bool)
        self._state[active] = self.advance(self._state[active], np.asarray(actions)[active])
        return self.state

    def frames(self, size, index=None):
        """Frames of the environments `index`, (m,) int or (n,) bool; None for all. (m, 3, size, size) uint8."""
        return self.draw(self._state if index is None else self._state[index], size)

    def reached(self, goals):
        """Success of every environment. goals: (n, ds) states. Returns (n,) bool."""
        return self.success(self._state, goals)
