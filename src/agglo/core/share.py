"""Which part of some work one of several processes takes. They need not know of each other: who takes what follows from numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Pieces `rank, rank + world, …` of what is numbered through.

    Attributes:
        rank: of this process, from 0.
        world: processes in all.
    """

    rank: int = 0
    world: int = 1

    @property
    def is_all(self) -> bool:
        """Whether there is nobody else."""
        return self.world == 1

    def takes(self, piece: int) -> bool:
        """Return whether piece number `piece` is this process's."""
        return piece % self.world == self.rank


ALL = Share()
"""Everything: the share of one who is alone."""
