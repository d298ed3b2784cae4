"""One page for people to read, made from what a run folder holds; no model and no dataset is ever opened here.

Read are (all but the first two optional; a missing one becomes a sentence on the page):

* `evaluate/table.json`, `evaluate/cases.csv`: the scores; `evaluate/supervised/` holds the same of the arm trained on masks alone,
  `evaluate/light/` of the light decoder.
* `recipe.yaml`, `environment.json`: what was asked for, and where it ran (any JSON object).
* `STAGE/stage.json` for the stages `features`, `distill`, `align`, `light`, `supervised`: its `facts` hold any of `frames`,
  `patients`, `labels` (a few words on which labels were used), `steps`, `wall_s`, `student_parameters`, `decoder_parameters`, and
  `ceiling_dice` by structure.
* `STAGE/log.jsonl` of `distill`, `align`, `light`, `supervised`: losses, weights, cosines and validation.
* `evaluate/teachers.json`: a list of objects with `name` and any of `family`, `licence`, `source`, `labels_seen`, `dim`,
  `input_px`, `stride_px`, `num_parameters`, `weights_sha256`.
* `evaluate/pictures.npz`, `evaluate/features.npz`: written and read by `pictures`, which defines them.
"""
