"""Where config meets constructors (`build`), and what each stage does with the parts. The only room that knows all others.

Stages: `dataset`, `extract`, `distill`, `align` (with the supervised arm), `evaluate`, `report`; `run` takes them in order, `stage`
and `context` are what they stand on, `parting`, `phantom` and `score` help them. The rest serves one verb each: `data`, `predict`,
`lab`, `store`, `catalogue`, `dry_run`.
"""
