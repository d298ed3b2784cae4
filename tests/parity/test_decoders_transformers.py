"""Decoders against transformers' SAM2: positions, prompts, and upscaling as transposed convolutions."""

import pytest
import torch
import torch.nn.functional as F

from agglo.core.shapes import StudentFeatures
from agglo.decoders import PromptDecoder
from agglo.decoders.positions import FourierPositions
from agglo.decoders.structures import Upscaling

transformers = pytest.importorskip("transformers")

VISION = {
    "hidden_size": 8,
    "blocks_per_stage": [1, 1, 1, 1],
    "embed_dim_per_stage": [8, 16, 32, 64],
    "num_attention_heads_per_stage": [1, 2, 4, 8],
    "window_size_per_stage": [8, 4, 4, 2],
    "global_attention_blocks": [2],
}


@pytest.fixture(scope="module")
def sam2_model():
    torch.manual_seed(0)
    vision = transformers.Sam2VisionConfig(
        backbone_config=transformers.Sam2HieraDetConfig(**VISION),
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[64, 64], [32, 32], [16, 16]],
    )
    config = transformers.Sam2Config(
        vision_config=vision,
        prompt_encoder_config=transformers.Sam2PromptEncoderConfig(image_size=256),
        mask_decoder_config=transformers.Sam2MaskDecoderConfig(dynamic_multimask_via_stability=False),
    )
    return transformers.Sam2Model(config).eval()


@pytest.fixture(scope="module")
def decoder(sam2_model):
    built = PromptDecoder(image_size=256).eval()
    built.prompt_encoder.load_state_dict(sam2_model.prompt_encoder.state_dict())
    built.mask_decoder.load_state_dict(sam2_model.mask_decoder.state_dict())
    sam2_model.shared_image_embedding.load_state_dict(sam2_model.prompt_encoder.shared_embedding.state_dict())
    return built


@pytest.fixture(scope="module")
def embedding():
    return torch.randn(2, 256, 16, 16, generator=torch.Generator().manual_seed(1))


def as_sam2(embedding):
    """Give an embedding as `Sam2Model` wants it: behind high-resolution features, here zeros."""
    batch = embedding.shape[0]
    return [torch.zeros(batch, 32, 64, 64), torch.zeros(batch, 64, 32, 32), embedding]


@torch.no_grad()
def test_boxes_as_in_sam2(sam2_model, decoder, embedding):
    boxes = torch.tensor([[[10.0, 20.0, 100.0, 200.0], [0.0, 0.0, 60.0, 60.0]]]).repeat(2, 1, 1)
    expected = sam2_model(image_embeddings=as_sam2(embedding), input_boxes=boxes, multimask_output=False)
    torch.testing.assert_close(
        decoder(embedding, boxes), expected.pred_masks.squeeze(2), rtol=1e-4, atol=1e-4
    )


@torch.no_grad()
def test_points_as_in_sam2(sam2_model, decoder, embedding):
    points = torch.tensor([[[[30.0, 40.0], [200.0, 90.0]]]]).repeat(2, 1, 1, 1)
    labels = torch.tensor([[[1, 0]]]).repeat(2, 1, 1)
    expected = sam2_model(
        image_embeddings=as_sam2(embedding), input_points=points, input_labels=labels, multimask_output=False
    )
    found = decoder.decode_points(embedding, points, labels)
    torch.testing.assert_close(found, expected.pred_masks.squeeze(2), rtol=1e-4, atol=1e-4)


def test_decoder_has_the_size_of_sam2s():
    parameters = sum(parameter.numel() for parameter in PromptDecoder().parameters())
    assert parameters == 4_215_109 + 6_220


def test_positions_as_in_sam2(sam2_model):
    positions = FourierPositions(256)
    positions.directions.copy_(sam2_model.shared_image_embedding.positional_embedding)
    expected = sam2_model.get_image_wide_positional_embeddings()
    torch.testing.assert_close(positions(16, 16), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_upscaling_as_two_transposed_convolutions():
    torch.manual_seed(0)
    upscaling = Upscaling(32, (6, 4))
    features = StudentFeatures(torch.zeros(0, 1, 1, 1), torch.randn(2, 6, 5, 7), torch.randn(2, 4, 10, 14))
    decoded = torch.randn(2, 32, 5, 7)

    def doubled(layer, given, channels):
        kernel = layer.weight.reshape(2, 2, channels, -1).permute(3, 2, 0, 1)
        shifts = layer.bias.reshape(2, 2, channels).permute(2, 0, 1)
        rows, cols = given.shape[-2:]
        return F.conv_transpose2d(given, kernel, stride=2) + shifts.repeat(1, rows, cols)

    def pointwise(layer, given):
        return F.conv2d(given, layer.weight[:, :, None, None], layer.bias)

    finer = doubled(upscaling.to_stride4, decoded + pointwise(upscaling.lateral8, features.stride8), 8)
    finer = finer + pointwise(upscaling.lateral4, features.stride4)
    finer = upscaling.norm(finer.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    expected = F.gelu(doubled(upscaling.to_stride2, F.gelu(finer), 4))
    found = upscaling(decoded.permute(0, 2, 3, 1), features)
    arranged = found.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
    torch.testing.assert_close(arranged, expected, rtol=1e-4, atol=1e-5)
