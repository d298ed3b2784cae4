"""How much each teacher counts. `fixed` needs no training, `learned` is trained beside the student, `protocol` is what all keep.

As the papers print them, learned weights drift to the easiest teacher, because that is where `sum(weight * loss)` is smallest,
and nothing opposes it (AM-RADIO, section 4.4, reports it of AMTML-KD). The printed forms are here under names that end in
`-as-printed`; those without learn on *relative* losses (each divided by its own running mean), are pulled towards the uniform
distribution, and kept over a floor.
"""

from collections.abc import Callable, Mapping
from functools import partial

from agglo.distill.balance.fixed import (
    AdaLossBalancer,
    RandomBalancer,
    SequentialBalancer,
    StaticBalancer,
    TeacherDropBalancer,
    UniformBalancer,
)
from agglo.distill.balance.learned import (
    AmtmlBalancer,
    AttentionBalancer,
    MlpBalancer,
    PrintedAttentionBalancer,
    PrintedMlpBalancer,
    UncertaintyBalancer,
)
from agglo.distill.balance.protocol import Balancer, Sizes

BALANCERS: Mapping[str, Callable[[Sizes], Balancer]] = {
    "uniform": UniformBalancer,
    "static": StaticBalancer,
    "random": RandomBalancer,
    "adaloss": AdaLossBalancer,
    "teacher-drop": TeacherDropBalancer,
    "sequential": SequentialBalancer,
    "uncertainty": UncertaintyBalancer,
    "mlp": MlpBalancer,
    "mlp-as-printed": PrintedMlpBalancer,
    "mlp-shared": partial(MlpBalancer, is_shared=True),
    "mlp-shared-as-printed": partial(PrintedMlpBalancer, is_shared=True),
    "attention": AttentionBalancer,
    "attention-as-printed": PrintedAttentionBalancer,
    "attention-of-teachers": partial(AttentionBalancer, has_teacher_keys=True),
    "attention-of-teachers-as-printed": partial(PrintedAttentionBalancer, has_teacher_keys=True),
    "amtml-kd": AmtmlBalancer,
}

GIVEN = frozenset({"uniform", "static", "random", "sequential"})
"""Those whose weights do not follow from what is learned: somebody chose them, chance draws them, or turns are taken."""

BY_SCALE = frozenset({"adaloss", "uncertainty"})
"""Those that make up for losses of different scale: their weights may differ by any factor while all teachers count alike."""


def make_balancer(name: str, sizes: Sizes) -> Balancer:
    """Return balancer `name` for teachers and a student of these sizes."""
    return BALANCERS[name](sizes)


__all__ = ["BALANCERS", "BY_SCALE", "GIVEN", "AttentionBalancer", "Balancer", "Sizes", "make_balancer"]
