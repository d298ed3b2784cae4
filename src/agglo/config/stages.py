"""Knobs of the two stages: what their trainings share, what is matched and how, how masks are learned, and the bar beside them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agglo.config.norms import NormSection
from agglo.config.section import Fraction, Positive, Rate, Section


class TrainingConfig(Section):
    """The numbers of one training."""

    steps: Positive | None = None
    epochs: Positive | None = Field(None, description="instead of steps: passes over the samples")
    batch_size: Positive = Field(8, description="samples of a step, over all processes")
    accumulate: Positive = Field(
        1,
        description="parts into which a batch is cut to save memory; the step stays the same",
        exclude_if=lambda value: value == 1,
    )
    learning_rate: Rate = 1e-3
    final_learning_rate: Annotated[float, Field(ge=0, lt=1)] = 1e-5
    warmup_steps: Annotated[int, Field(ge=0)] = 50
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    betas: tuple[Rate, Rate] = (0.9, 0.999)
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    ema_decay: Rate | None = 0.99
    log_every: Positive = 10
    checkpoint_every_s: Annotated[float, Field(ge=0)] = 60.0

    @model_validator(mode="after")
    def _one_length(self) -> "TrainingConfig":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("exactly one of `steps` and `epochs` must be given")
        return self


class ThroughDecoderConfig(Section):
    """Masks that a teacher's own decoder draws from the student's features, against those it draws from the teacher's."""

    teacher: str = Field(description="a SAM 2 among the recipe's teachers, whose file holds its decoder")
    weight: Annotated[float, Field(gt=0)] = Field(0.1, description="beside the loss of features")
    prompts: Positive = Field(4, description="masks asked for in each picture")
    clicks: Positive = Field(
        2, description="for each of them; every further one where the two masks disagree"
    )


class DistilConfig(TrainingConfig, NormSection):
    """Stage 1."""

    loss: str = "am-radio"
    head: str = "mlp"
    normalise: str = "phi-s"
    balance: str = "attention"
    weights: dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        None, description="balance: static: how much each teacher counts, by name; only their ratios matter"
    )
    match: Literal["teacher", "student", "larger"] = Field(
        "teacher", description="on whose grid student and teacher meet"
    )
    shrink: Literal["average", "antialiased"] = Field(
        "average",
        description="how a map is brought to a coarser grid whose cells are no whole number of its own",
        exclude_if=lambda value: value == "average",  # runs made before there was a choice stay valid
    )
    summary: bool = Field(
        False,
        description="match the teachers' summary vectors too, of those that have one",
        exclude_if=lambda value: not value,
    )
    pool_share: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="of the pool's patients stage 1 learns from this share; those with labels come first",
        exclude_if=lambda value: value == 1,
    )
    through_decoder: ThroughDecoderConfig | None = Field(None, exclude_if=lambda value: value is None)
    on_collapse: Literal["warn", "stop"] = Field(
        "warn",
        description="what to do when one teacher takes all the weight, or one is no longer learned from",
    )

    @model_validator(mode="after")
    def _turns_are_known(self) -> "DistilConfig":
        if self.balance == "sequential" and self.steps is None:
            raise ValueError(
                "`balance: sequential` must go with `steps`, of which every teacher gets its share, got `epochs`"
            )
        return self


class AlignConfig(TrainingConfig):
    """Stage 2."""

    encoder: Literal["frozen", "finetune"] = "finetune"
    frozen_share: Fraction = Field(
        0.3, description="finetune: share of the steps before the encoder is trained too"
    )
    encoder_learning_rate_scale: Annotated[float, Field(gt=0, le=1)] = 0.3
    dice_weight: Annotated[float, Field(ge=0)] = 1.0
    validations: Positive = Field(5, description="scorings of val, evenly over the steps")
    val_frames: Positive = Field(32, description="frames of val that are scored, evenly over it")
    select: Literal["best", "last"] = Field(
        "best", description="which scoring of val gives the weights that are kept; both arms choose alike"
    )
    labelled_patients: Positive | None = Field(
        None, description="use the labels of this many training patients only"
    )
    prompts: bool = Field(
        False,
        description="also train SAM 2's prompt decoder, for boxes and clicks (docs/predict.md)",
        exclude_if=lambda value: not value,
    )
    features_weight: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="how much stage 1's loss goes on counting beside the masks' once the encoder is tuned",
    )

    @model_validator(mode="after")
    def _features_teach_somebody(self) -> "AlignConfig":
        if self.features_weight and (self.encoder == "frozen" or self.frozen_share == 1):
            raise ValueError(
                "`features_weight` must go with `encoder: finetune` and a `frozen_share` under 1, got an encoder that is frozen "
                "to the end: features could teach it nothing"
            )
        return self


class LightConfig(TrainingConfig):
    """A light decoder that learns from the aligned one what to say, on pictures without labels; for a CPU."""

    width: Positive = Field(64, description="channels inside")


class SupervisedConfig(NormSection):
    """The bar: the same student trained on masks alone, for the wall time that extracting, distilling and aligning took."""

    wall_time: Literal["equal", "none"] = "equal"
    learning_rate: Rate = 1e-3
