"""A clean history of blocks at inference, with its keys and values."""

from dataclasses import dataclass

import torch


@dataclass
class Prefix:
    """Made by a model's `start` and `extend`, read by its `query`.

    z: (N, P, d) clean latents, actions: (N, P - 1, da) normalised action blocks; P is at most the model's T.
    cache: keys and values, a pair a layer, of the first `encoded` blocks; the model fills it at the next query, in
    the same pass, so that extending a prefix costs no forward pass of its own.
    """

    model: torch.nn.Module
    z: torch.Tensor
    actions: torch.Tensor
    cache: list | None = None
    encoded: int = 0

    @property
    def last(self):
        """The current latent z_t: (N, d)."""
        return self.z[:, -1]

    def __len__(self):
        return self.z.shape[1]

    def repeat(self, candidates):
        """The same history for `candidates` candidates of each row: N to N * candidates rows, row by row."""
        self.model.settle(self)
        return self._mapped(lambda x: x.repeat_interleave(candidates, 0))

    def select(self, rows):
        """The histories of some rows only. rows: (n,) indices or (N,) bool."""
        return self._mapped(lambda x: x[rows])

    def extended(self, action, z, T):
        """With one more block; beyond T blocks the oldest is dropped and the keys are computed anew."""
        z = torch.cat([self.z, z.unsqueeze(1)], 1)
        actions = torch.cat([self.actions, action.unsqueeze(1)], 1)
        if z.shape[1] > T:
            return Prefix(self.model, z[:, 1:], actions[:, 1:])
        return Prefix(self.model, z, actions, self.cache, self.encoded)

    def _mapped(self, change):
        """This prefix with `change` applied to everything that has rows."""
        cache = self.cache and [tuple(change(x) for x in pair) for pair in self.cache]
        return Prefix(self.model, change(self.z), change(self.actions), cache, self.encoded)
