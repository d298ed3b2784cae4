"""What a model costs per picture, part by part; and the one-pass, the light and SAM2's decoder (12 box prompts) side by side."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from agglo.bench.timing import in_turn, ratio, summary
from agglo.core.seeds import generator
from agglo.core.shapes import EMBEDDING_STRIDE_PX, StudentFeatures
from agglo.decoders import LightDecoder, PromptDecoder, StructureDecoder
from agglo.predict import Predictor, load
from agglo.recipes.context import Tell, tell_nobody
from agglo_runtime.finish import masks_from_logits
from agglo_runtime.prepare import prepare

NUM_PROMPTS = 12
LIGHT_WIDTH = 64
SIDE_PX = 512
SIDE_CELLS = SIDE_PX // EMBEDDING_STRIDE_PX


@torch.inference_mode()
def bench_model(folder: Path, *, rounds: int, tell: Tell = tell_nobody) -> dict[str, Any]:
    """Return milliseconds of preparation, encoder, decoder, finish and all, and of three decoders at 512 px and 64x64 cells."""
    predictor = load(folder)
    image = generator(0, "bench picture").integers(0, 256, (SIDE_PX, SIDE_PX), dtype=np.uint8)
    parts = in_turn(_parts(predictor, image), rounds=rounds, progress=tell("parts"))
    decoders = in_turn(_decoders(predictor), rounds=rounds, progress=tell("decoders"))
    return {
        "input_px": predictor.config.input_px,
        "structures": len(predictor.structures),
        "picture": list(image.shape),
        **{name: summary(times) for name, times in parts.items()},
        "at_512_px": {
            "cells": [SIDE_CELLS, SIDE_CELLS],
            **{name: summary(times) for name, times in decoders.items()},
            "one_pass_over_prompts": ratio(
                decoders["one_pass_12_structures"], decoders["sam2_12_box_prompts"]
            ),
            "light_over_one_pass": ratio(decoders["light_12_structures"], decoders["one_pass_12_structures"]),
        },
    }


def _parts(predictor: Predictor, image: np.ndarray) -> dict[str, Any]:
    config = predictor.config
    prepared, letterbox = prepare(image, size_px=config.input_px, mean=config.mean, std=config.std)
    batch = torch.from_numpy(prepared).to(memory_format=torch.channels_last)
    features = predictor.student(batch)
    logits = predictor.decoder(features)[0].numpy()
    return {
        "prepare": lambda: prepare(image, size_px=config.input_px, mean=config.mean, std=config.std),
        "encoder": lambda: predictor.student(batch),
        "decoder": lambda: predictor.decoder(features),
        "finish": lambda: masks_from_logits(logits, letterbox),
        "all": lambda: predictor.masks(image),
    }


def _decoders(predictor: Predictor) -> dict[str, Any]:
    """Return the decoders on the same embedding, 256 x 64 x 64; their weights play no part in their time."""
    cells = SIDE_CELLS
    student = predictor.student
    features = StudentFeatures(
        embedding=torch.randn(1, student.embed_dim, cells, cells),
        stride8=torch.randn(1, student.stride8_dim, cells, cells),
        stride4=torch.randn(1, student.stride4_dim, 2 * cells, 2 * cells),
    )
    own = predictor.config.decoder
    shared = {
        "num_structures": NUM_PROMPTS,
        "embed_dim": student.embed_dim,
        "high_res_dims": own.get("high_res_dims"),
        "presence": own.get("presence", False),
    }
    stride = own.get("grid_stride", EMBEDDING_STRIDE_PX)
    one_pass = StructureDecoder(**shared, grid_stride=stride).eval()
    light = LightDecoder(**shared, width=own.get("width", LIGHT_WIDTH)).eval()
    prompted = PromptDecoder(
        embed_dim=student.embed_dim, image_size=SIDE_PX, patch_size=EMBEDDING_STRIDE_PX
    ).eval()
    boxes = torch.tensor([[[10.0 * place, 20.0, 10.0 * place + 200, 260.0] for place in range(NUM_PROMPTS)]])
    return {
        "one_pass_12_structures": lambda: one_pass(features),
        "light_12_structures": lambda: light(features),
        "sam2_12_box_prompts": lambda: prompted(features.embedding, boxes),
    }
