"""What is known of a structure in a frame. Unlabelled is not absent: losses and metrics skip what nobody has looked at."""

from enum import IntEnum


class State(IntEnum):
    """Whether a structure was labelled in a frame, and what was found.

    `PRESENT`: outlined, the mask has pixels. `ABSENT`: looked for, not there; an empty mask is the truth. `UNLABELLED`: nobody
    has looked. `NOT_ASSESSABLE`: looked for, cannot be told (outside of the field, hidden, ambiguous).
    """

    UNLABELLED = 0
    PRESENT = 1
    ABSENT = 2
    NOT_ASSESSABLE = 3

    @property
    def word(self) -> str:
        """The word that stands for the state in a frame table."""
        return self.name.lower()

    @property
    def is_judged(self) -> bool:
        """Whether the mask, empty or not, is the truth: the only states that losses and metrics may use."""
        return self in (State.PRESENT, State.ABSENT)


STATE_OF_WORD = {"": State.UNLABELLED, **{state.word: state for state in State}}
"""State by the word in a frame table; a blank cell is unlabelled."""
