"""AdamW with the house's parameter groups: no decay on vectors, own rates by name."""

from torch import nn
from torch.optim import AdamW

from agglo.train.plan import Plan
from agglo.train.task import Task


def make_optimizer(task: Task, plan: Plan) -> AdamW:
    """Return AdamW over the parameters of `task` that ask for gradients, grouped by rate scale and decay.

    Groups come in the order in which their first parameter is met, so that a saved state fits when loaded again.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in task.named_parameters():
        if not parameter.requires_grad:
            continue
        scale = _scale_of(name, task)
        is_plain = parameter.ndim <= 1 or name.startswith(task.undecayed())
        groups.setdefault((scale, 0.0 if is_plain else plan.weight_decay), []).append(parameter)
    return AdamW(
        [
            {"params": members, "weight_decay": decay, "scale": scale}
            for (scale, decay), members in groups.items()
        ],
        lr=plan.learning_rate,
        betas=plan.betas,
        fused=True,
    )


def _scale_of(name: str, task: Task) -> float:
    scales = task.learning_rate_scales()
    fitting = [prefix for prefix in scales if name.startswith(prefix)]
    return scales[max(fitting, key=len)] if fitting else 1.0


def set_learning_rate(optimizer: AdamW, rate: float) -> None:
    """Give every group `rate` times its own scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
