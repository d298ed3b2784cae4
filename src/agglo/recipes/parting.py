"""From a recipe's `data.split` to a split of a dataset."""

from agglo.config.split import SplitConfig
from agglo.data import Dataset, Split, split_by
from agglo.data.split_files import adopt_split
from agglo.data.strata import Dealing, deal


def parted(dataset: Dataset, config: SplitConfig) -> Split:
    """Part `dataset` as `config` says: by a file, by strata, or plainly."""
    if config.file is not None:
        return adopt_split(config.file, dataset)
    if config.by in ("time", "blocks"):
        return split_by(
            dataset, by=config.by, fractions=config.fractions, seed=config.seed, ranges=config.ranges
        )
    dealing = Dealing(config.strata, config.min_per_stratum, config.hold_out, config.folds, config.fold)
    return deal(dataset, dealing, by=config.by, fractions=config.fractions, seed=config.seed)
