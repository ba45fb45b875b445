"""AdamW by torch's own function, without torch's class.

The class imports torch's compiler at its first step, which is longer than many a training here takes. The numbers are
the same to the last bit.
"""

import torch
from torch.optim.adamw import adamw

BETAS, EPSILON = (0.9, 0.999), 1e-8  # torch's defaults


class AdamW:
    """parameters: those of a module; weight_decay: decoupled (Loshchilov and Hutter 2019)."""

    def __init__(self, parameters, weight_decay):
        self.parameters, self.weight_decay = [p for p in parameters if p.requires_grad], weight_decay
        self.states = [
            {
                "step": torch.zeros((), device=p.device),
                "exp_avg": torch.zeros_like(p, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(p, memory_format=torch.preserve_format),
            }
            for p in self.parameters
        ]

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr):
        """Update every parameter that has a gradient."""
        used = [(p, state) for p, state in zip(self.parameters, self.states, strict=True) if p.grad is not None]
        adamw(
            [p for p, _ in used],
            [p.grad for p, _ in used],
            *([state[name] for _, state in used] for name in ("exp_avg", "exp_avg_sq")),
            [],
            [state["step"] for _, state in used],
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=lr,
            weight_decay=self.weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def tensors(self):
        """What a resumed training needs, by name."""
        return {f"{i}.{name}": tensor for i, state in enumerate(self.states) for name, tensor in state.items()}

    def load(self, tensors):
        """Take over what `tensors` gave. Raises ValueError when it is of another model."""
        ours = self.tensors()
        if {name: t.shape for name, t in ours.items()} != {name: t.shape for name, t in tensors.items()}:
            raise ValueError("the state of its optimiser is of another model")
        for name, tensor in tensors.items():
            ours[name].copy_(tensor)
