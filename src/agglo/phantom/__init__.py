"""Synthetic lateral videofluoroscopic swallowing studies with exact labels: anatomy, a swallow in time, X-ray formation, truth.

Read in this order: `presets`, `person`, `spine`, `head`, `throat`, `swallow`, `bolus` say what there is; `canvas`, `skeleton`,
`moving`, `scene` put it on pixels; `unit` and `xray` take the picture; `visibility`, `truth`, `frame`, `study` hand it over.
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
