"""The learning rate as a pure function of the step, so that there is no scheduler state to save."""

import math

from agglo.train.plan import Plan


def learning_rate_at(step: int, plan: Plan) -> float:
    """Return the rate of step `step` (from 0): linear warm-up, then half a cosine down to the final rate.

    Warm-up gives `peak * (step + 1) / warmup_steps`; the last step has exactly `final_learning_rate`.
    """
    if step < plan.warmup_steps:
        return plan.learning_rate * (step + 1) / plan.warmup_steps
    span = max(1, plan.steps - 1 - plan.warmup_steps)
    progress = min(1.0, (step - plan.warmup_steps) / span)
    swing = 0.5 * (1 + math.cos(math.pi * progress))
    return plan.final_learning_rate + (plan.learning_rate - plan.final_learning_rate) * swing
