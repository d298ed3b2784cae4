"""Masks of a picture, by structure name, at the picture's own size."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float

from agglo.predict.model_folder import Model, load_model
from agglo.predict.prompted import PromptedPredictor, embed, picture_of
from agglo_runtime.finish import are_present, logit_of, masks_from_logits
from agglo_runtime.geometry import Letterbox


class Segmentation(NamedTuple):
    """Masks of a picture at its own size, and how sure the network was: its mean probability inside each mask (NaN where empty).

    Where the network tells presence, that is times the probability that the structure is there at all. It is no calibrated chance
    of being right: a network can be sure and wrong, above all on pictures unlike its training.
    """

    masks: Bool[np.ndarray, "structures rows cols"]
    confidence: Float[np.ndarray, " structures"]


class Seen(NamedTuple):
    """What the networks say of a picture: mask logits on the decoder's grid, logits of presence (None where they do not tell), and
    the letterbox that leads back to the picture."""

    masks: Float[np.ndarray, "structures h w"]
    presence: Float[np.ndarray, " structures"] | None
    letterbox: Letterbox


class Predictor:
    """A model ready to segment. Not for training: its parts are in eval mode and no gradient is kept."""

    def __init__(self, model: Model) -> None:
        """Take what `load_model` gives."""
        self.student = model.student.eval().to(memory_format=torch.channels_last)
        self.decoder = model.decoder.eval()
        self.config = model.config
        self._prompts = model.prompts

    @property
    def device(self) -> torch.device:
        """Where it runs: the CPU, unless it was moved."""
        return next(self.student.parameters()).device

    def to(self, device: torch.device) -> "Predictor":
        """Move it to another device; pictures and masks stay numpy's. Return itself."""
        for part in (self.student, self.decoder, self._prompts):
            if part is not None:
                part.to(device)
        return self

    @property
    def structures(self) -> tuple[str, ...]:
        """Names of what it segments, in the order of `masks`."""
        return self.config.structures

    def predict(
        self, image: np.ndarray | str | Path, *, is_inverted: bool = False
    ) -> dict[str, Bool[np.ndarray, "rows cols"]]:
        """Return the mask of every structure, at the picture's own size; a structure that is not there has an empty mask.

        Args:
            image: grey `[H, W]` (uint8, uint16, or floats, which are stretched to their range), or an image file.
            is_inverted: swap black and white first, for a picture with white bone where `config.polarity` is `bone_black`.
                Nothing tells the two apart here: unsaid, such a picture gets masks that mean nothing.

        Raises:
            ImageError: it cannot be read, or is not a grey picture.
        """
        masks = self.masks(picture_of(image, is_inverted=is_inverted))
        return dict(zip(self.structures, masks, strict=True))

    def masks(
        self, image: np.ndarray, *, is_inverted: bool = False
    ) -> Bool[np.ndarray, "structures rows cols"]:
        """Return all masks of a grey picture as one array; `is_inverted` as for `predict`."""
        seen, config = self.look(picture_of(image, is_inverted=is_inverted)), self.config
        return masks_from_logits(
            seen.masks,
            seen.letterbox,
            threshold=config.threshold,
            presence=seen.presence,
            presence_threshold=config.presence_threshold,
        )

    def segment(self, image: np.ndarray) -> Segmentation:
        """Return the masks of a grey picture together with the mean probability inside each."""
        seen, config = self.look(image), self.config
        undone = seen.letterbox.undo(seen.masks)
        there = are_present(len(undone), seen.presence, threshold=config.presence_threshold)
        masks = (undone > logit_of(config.threshold)) & there[:, None, None]
        confidence = np.full(len(masks), np.nan)
        for index, mask in enumerate(masks):
            if mask.any():
                confidence[index] = np.mean(_probability(undone[index][mask]))
        return Segmentation(
            masks, confidence if seen.presence is None else confidence * _probability(seen.presence)
        )

    def logits(self, image: np.ndarray) -> tuple[Float[np.ndarray, "structures h w"], Letterbox]:
        """Return mask logits on the decoder's grid, there or not, and the letterbox that leads back to the picture."""
        seen = self.look(image)
        return seen.masks, seen.letterbox

    def prompted(self) -> PromptedPredictor:
        """Return the same model, ready to be asked by boxes and clicks.

        Raises:
            PromptError: it was made without a decoder for them.
        """
        return PromptedPredictor(self.student, self._prompts, self.config)

    @torch.inference_mode()
    def look(self, image: np.ndarray) -> Seen:
        """Return all that the networks say of a grey picture."""
        features, letterbox = embed(self.student, self.config, image)
        found = self.decoder.decode(features)
        presence = None if found.presence is None else found.presence[0].float().cpu().numpy()
        return Seen(found.masks[0].float().cpu().numpy(), presence, letterbox)


def _probability(logits: Float[np.ndarray, "*size"]) -> Float[np.ndarray, "*size"]:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))


def load(folder: str | Path) -> Predictor:
    """Load a model folder, ready to `predict`.

    Args:
        folder: what `agglo run` wrote to `RUN/model`, or a copy of it.

    Raises:
        ModelFolderError: the folder cannot be used as it is.
    """
    return Predictor(load_model(Path(folder)))
