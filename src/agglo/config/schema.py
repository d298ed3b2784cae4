"""Every knob of a run: its name, range, default and unit. Frozen and strict: what is not named here is refused.

Paths are taken relative to the working directory. Names of parts (teachers, students, losses) are checked where the parts are
built, so that adding one needs no change here.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from agglo.config.decoder import DecoderConfig
from agglo.config.section import FolderName, Fraction, Positive, Section
from agglo.config.split import SplitConfig
from agglo.config.stages import AlignConfig, DistilConfig, LightConfig, SupervisedConfig


class PhantomConfig(Section):
    """A synthetic dataset, made by the run itself."""

    patients: Positive = 30
    frames: Positive = Field(16, description="per swallow, evenly over it")
    swallows: Positive = Field(1, description="per patient, each recorded before the same unit")
    size_px: Annotated[int, Field(ge=64, multiple_of=32)] = 512
    seed: Annotated[int, Field(ge=0, lt=1_000_000_000)] = 1
    preset: str = "standard"
    masks: Literal["exact", "visible", "annotator"] = Field(
        "exact",
        description="the labels: true outlines, what can be seen of them, or as a person might draw them",
    )
    raters: tuple[Literal["exact", "visible", "annotator"], ...] = Field(
        (), description="further kinds of mask, kept beside the labels as raters"
    )


class ExtraFrames(Section):
    """Unlabelled frames of another dataset that join stage 1."""

    folder: Path
    polarity: Literal["as_is", "bone_black"] = "as_is"


class DataConfig(Section):
    """Where frames come from: a folder, or a phantom made by the run."""

    folder: Path | None = None
    phantom: PhantomConfig | None = None
    structures: tuple[str, ...] | None = Field(
        None, description="a choice of the dataset's structures; all by default"
    )
    polarity: Literal["as_is", "bone_black"] = "as_is"
    split: SplitConfig = SplitConfig()
    unlabelled: tuple[ExtraFrames, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> "DataConfig":
        if (self.folder is None) == (self.phantom is None):
            raise ValueError(
                "exactly one of `folder` and `phantom` must be given; beside a folder of your own, `data.phantom=null` takes a "
                "recipe's phantom away"
            )
        return self


class ViewsConfig(Section):
    """Ranges that views are drawn from (`data.views.ViewRecipe`)."""

    per_frame: Positive = Field(2, description="stored views of each frame in stage 1")
    first_is_identity: bool = True
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 12.0
    zoom: tuple[float, float] = (0.85, 1.3)
    aspect: Annotated[float, Field(ge=1)] = 1.08
    shift: Fraction = 0.08
    flip_probability: Fraction = 0.5
    gamma: tuple[float, float] = (0.7, 1.4)
    gain: tuple[float, float] = (0.85, 1.15)
    offset: tuple[float, float] = (-0.06, 0.06)
    invert_probability: Fraction = 0.0


class TeacherConfig(Section):
    """A teacher of the catalogue (`agglo teachers`), or of your own (`timm:`, `hf:`, `python:`; docs/teachers.md)."""

    name: str
    weights: Path | None = Field(
        None, description="file or folder; by default the shipped ones, or the hub's"
    )
    label: FolderName | None = Field(
        None,
        description="what it is called in this run, for one teacher with several weights; by default its name",
    )
    input_px: Positive | None = Field(None, description="by default the catalogue's")
    map: str | None = Field(
        None,
        description="which of its maps (`agglo teachers` lists them); by default the usual one",
        exclude_if=lambda value: value is None,  # what was made before there was a choice stays valid
    )
    mode: Literal["stored", "online"] | None = Field(
        None,
        description="whether it looks once for all or at each batch anew; by default as `store.mode` says",
        exclude_if=lambda value: value is None,
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="bf16: autocast, refused where what the teacher sees would differ too much",
        exclude_if=lambda value: value == "fp32",
    )

    @property
    def key(self) -> str:
        """What it is called in this run, also as a folder: of `timm:NAME` and the like only letters, digits and . _ - are kept."""
        return self.label or re.sub(r"[^A-Za-z0-9._-]+", "-", self.name)


class StoreConfig(Section):
    """How the teachers' features are kept (docs/store.md)."""

    mode: Literal["stored", "online"] = Field(
        "stored", description="online: keep none, and let the teachers look at each batch (docs/extract.md)"
    )
    dtype: Literal["fp16", "int8", "int8-zstd"] = Field(
        "fp16", description="int8: a quarter of fp32's bytes; int8-zstd: a fifth, slower to read"
    )
    pca: Positive | None = Field(
        None, description="codes a token, at most every teacher's width; by default all"
    )
    folder: Path | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="of a store that several runs share (docs/extract.md); by default each run has its own",
    )
    pilot_views: Positive = Field(
        256,
        description="views of the train split, evenly spread, that int8's scale and online teachers' normalisers are fitted to",
    )


class StudentConfig(Section):
    """The encoder that is trained and kept."""

    name: str = "repvit"
    neck: str | None = Field(None, description="by default the student's usual one")
    init: str = Field(
        "random",
        description="random | imagenet | a path: a student's file, a model folder, or timm's file of the backbone",
    )
    input_px: Annotated[int, Field(ge=64, multiple_of=32)] = 512


class FurtherTest(Section):
    """A further dataset that is scored whole, such as a simulated unit that nothing was trained on."""

    name: FolderName
    folder: Path | None = None
    phantom: PhantomConfig | None = None
    held_out: str | None = Field(
        None, description="a phantom test set that nothing is trained on, such as v1"
    )
    stride: Positive = Field(1, description="of its labelled frames every so many-th is scored")

    @model_validator(mode="after")
    def _one_source(self) -> "FurtherTest":
        if sum(each is not None for each in (self.folder, self.phantom, self.held_out)) != 1:
            raise ValueError("exactly one of `folder`, `phantom` and `held_out` must be given")
        if self.name in {"test", "align", "light", "supervised"}:
            raise ValueError(f"a further test set must not be called {self.name!r}")
        return self


class EvaluateConfig(Section):
    """How test is scored."""

    hd95_mode: Literal["pooled", "max"] = "pooled"
    min_visible: Fraction = Field(0.5, description="headline scores are on structures at least this visible")
    pictures: Annotated[int, Field(ge=0)] = Field(2, description="each of best, median and worst frames")
    also: tuple[FurtherTest, ...] = Field((), description="further test sets, scored by the same models")

    @model_validator(mode="after")
    def _tests_differ(self) -> "EvaluateConfig":
        names = [further.name for further in self.also]
        if len(set(names)) < len(names):
            raise ValueError(f"further test sets (`also`) must differ by `name`, got {names}")
        return self


class ReportConfig(Section):
    """What the report may show."""

    images: Literal["none", "phantom", "all"] = "phantom"


class DeviceConfig(Section):
    """Where it runs."""

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Literal["auto"] | Positive = Field(
        "auto", description="processes that train; auto: as many as torchrun or srun has started"
    )
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    threads: Annotated[int, Field(ge=0)] = 0
    workers: Annotated[int, Field(ge=0)] = 0


class Recipe(Section):
    """A whole run."""

    name: str
    out: Path = Field(description="the run folder")
    seed: Annotated[int, Field(ge=0)] = 0
    data: DataConfig
    views: ViewsConfig = ViewsConfig()
    teachers: Annotated[tuple[TeacherConfig, ...], Field(min_length=1)]
    store: StoreConfig = StoreConfig()
    student: StudentConfig = StudentConfig()
    distill: DistilConfig
    decoder: DecoderConfig = DecoderConfig()
    align: AlignConfig
    light: LightConfig | None = Field(None, exclude_if=lambda value: value is None)
    supervised: SupervisedConfig = SupervisedConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    report: ReportConfig = ReportConfig()
    device: DeviceConfig = DeviceConfig()

    @property
    def features(self) -> Path:
        """Folder of the feature store: the run's own, or one that several runs share."""
        return self.store.folder or self.out / "features"

    def is_online(self, teacher: TeacherConfig) -> bool:
        """Return whether a teacher of the recipe looks at each batch anew instead of once for all."""
        return (teacher.mode or self.store.mode) == "online"

    @model_validator(mode="after")
    def _teachers_differ(self) -> "Recipe":
        names = [teacher.key for teacher in self.teachers]
        if len(set(names)) < len(names):
            raise ValueError(f"teachers must differ by name or `label`, got {names}")
        return self
