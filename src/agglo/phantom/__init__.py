"""Synthetic lateral videofluoroscopic swallowing studies with exact labels: anatomy, a swallow in time, X-ray formation, truth.

Read in this order: `presets`, `person`, `spine`, `head`, `throat`, `swallow`, `bolus`, `airway` say what there is (`sampling` draws
it, `pose` puts it together, `kinematics` measures it); `canvas`, `skeleton`, `distractors`, `moving`, `scene` put it on pixels;
`unit`, `xray`, `exposure`, `noise`, `codec` take the picture; `visibility`, `truth`, `frame`, `views`, `recording`, `study` hand it
over; `annotator`, `cohort`, `workers` make many of them.
"""

from agglo.phantom.frame import PhantomFrame
from agglo.phantom.presets import PRESETS, Preset, preset_hash
from agglo.phantom.structures import EXTRAS, GROUPS, STRUCTURES
from agglo.phantom.study import Study, render_study, sample_study
from agglo.phantom.truth import Truth

__all__ = [
    "EXTRAS",
    "GROUPS",
    "PRESETS",
    "STRUCTURES",
    "PhantomFrame",
    "Preset",
    "Study",
    "Truth",
    "preset_hash",
    "render_study",
    "sample_study",
]
