"""The instrument that holds the phantom against real frames and the literature: one module for each part, and the page they fill.

Read in this order: `common`, `grey`, `noise`, `motion`, `patches`, `transfer`, `sheets` measure; `charts` draws; `page` writes.
Nothing here is part of the package `agglo`: it uses it as anybody would.
"""
