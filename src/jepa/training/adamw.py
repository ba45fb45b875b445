"""AdamW by torch's own kernel, without torch's class.

The class imports torch's compiler at its first step, which is longer than many a training here takes, and counts the
steps of every parameter by an operation of its own, a tenth of a small model's step. The numbers are the same to the
last bit.
"""

import torch

BETAS, EPSILON = (0.9, 0.999), 1e-8  # torch's defaults


class AdamW:
    """parameters: those of a module; weight_decay: decoupled (Loshchilov and Hutter 2019)."""

    def __init__(self, parameters, weight_decay):
        self.parameters, self.weight_decay = [p for p in parameters if p.requires_grad], weight_decay
        self.averages, self.squares = (
            [torch.zeros_like(p, memory_format=torch.preserve_format) for p in self.parameters] for _ in range(2)
        )
        self.steps = torch.zeros(len(self.parameters), device=self.parameters[0].device)  # of each parameter
        self._step = list(self.steps.unbind())  # views

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr):
        """Update every parameter that has a gradient."""
        used = [i for i, parameter in enumerate(self.parameters) if parameter.grad is not None]
        if len(used) == len(self.parameters):
            self.steps += 1
        else:
            self.steps[used] += 1
        torch._fused_adamw_(
            [self.parameters[i] for i in used],
            [self.parameters[i].grad for i in used],
            *([part[i] for i in used] for part in (self.averages, self.squares)),
            [],
            [self._step[i] for i in used],
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
        parts = {"step": self._step, "exp_avg": self.averages, "exp_avg_sq": self.squares}
        return {f"{i}.{name}": part[i] for i in range(len(self.parameters)) for name, part in parts.items()}

    def load(self, tensors):
        """Take over what `tensors` gave. Raises ValueError when it is of another model."""
        ours = self.tensors()
        if {name: t.shape for name, t in ours.items()} != {name: t.shape for name, t in tensors.items()}:
            raise ValueError("the state of its optimiser is of another model")
        for name, tensor in tensors.items():
            ours[name].copy_(tensor)
