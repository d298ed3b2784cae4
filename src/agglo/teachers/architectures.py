"""Sizes of the families, as keyword arguments of their `build_encoder`: the published ones and those of the lab."""

HIERA_TINY = {
    "hidden_size": 96,
    "num_attention_heads": 1,
    "blocks_per_stage": [1, 2, 7, 2],
    "embed_dim_per_stage": [96, 192, 384, 768],
    "num_attention_heads_per_stage": [1, 2, 4, 8],
    "window_size_per_stage": [8, 4, 14, 7],
    "global_attention_blocks": [5, 7, 9],
    "window_positional_embedding_background_size": [7, 7],
}
HIERA_SMALL = {
    **HIERA_TINY,
    "blocks_per_stage": [1, 2, 11, 2],
    "global_attention_blocks": [7, 10, 13],
}
HIERA_BASE_PLUS = {
    "hidden_size": 112,
    "num_attention_heads": 2,
    "blocks_per_stage": [2, 3, 16, 3],
    "embed_dim_per_stage": [112, 224, 448, 896],
    "num_attention_heads_per_stage": [2, 4, 8, 16],
    "window_size_per_stage": [8, 4, 14, 7],
    "global_attention_blocks": [12, 16, 20],
    "window_positional_embedding_background_size": [14, 14],
}
HIERA_LARGE = {
    "hidden_size": 144,
    "num_attention_heads": 2,
    "blocks_per_stage": [2, 6, 36, 4],
    "embed_dim_per_stage": [144, 288, 576, 1152],
    "num_attention_heads_per_stage": [2, 4, 8, 16],
    "window_size_per_stage": [8, 4, 16, 8],
    "global_attention_blocks": [23, 33, 43],
    "window_positional_embedding_background_size": [7, 7],
}
HIERA_LAB = {
    "hidden_size": 32,
    "num_attention_heads": 1,
    "blocks_per_stage": [1, 2, 5, 1],
    "embed_dim_per_stage": [32, 64, 128, 256],
    "num_attention_heads_per_stage": [1, 2, 4, 8],
    "window_size_per_stage": [8, 8, 16, 8],
    "global_attention_blocks": [5],
    "window_positional_embedding_background_size": [8, 8],
    "mlp_ratio": 3.0,
}
HIERA_LAB_LARGE = {
    "hidden_size": 64,
    "num_attention_heads": 1,
    "blocks_per_stage": [1, 2, 8, 2],
    "embed_dim_per_stage": [64, 128, 256, 512],
    "num_attention_heads_per_stage": [1, 2, 4, 8],
    "window_size_per_stage": [8, 8, 16, 8],
    "global_attention_blocks": [5, 8],
    "window_positional_embedding_background_size": [8, 8],
}
VIT_BASE_14 = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 518,
    "patch_size": 14,
}
VIT_LARGE_14 = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 518,
    "patch_size": 14,
}
VIT_GIANT_14 = {
    "hidden_size": 1536,
    "num_hidden_layers": 40,
    "num_attention_heads": 24,
    "image_size": 518,
    "patch_size": 14,
    "use_swiglu_ffn": True,
}
REGISTERS = {"num_register_tokens": 4}
VIT_LAB_14 = {
    "hidden_size": 192,
    "num_hidden_layers": 6,
    "num_attention_heads": 3,
    "mlp_ratio": 3,
    "image_size": 224,
    "patch_size": 14,
}
VIT_LAB_LARGE_14 = {
    "hidden_size": 384,
    "num_hidden_layers": 8,
    "num_attention_heads": 6,
    "mlp_ratio": 4,
    "image_size": 224,
    "patch_size": 14,
}
SWIN_TINY = {"embed_dim": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24), "window_size": 7}
SWIN_LAB = {
    "embed_dim": 48,
    "depths": (2, 2, 4, 1),
    "num_heads": (2, 4, 8, 16),
    "window_size": 7,
    "mlp_ratio": 3.0,
    "drop_path_rate": 0.0,
}
RESNET_50 = {"layers": (3, 4, 6, 3)}
CLIP_LARGE_14 = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "hidden_act": "quick_gelu",
}
CLIP_HUGE_14 = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "image_size": 378,
    "patch_size": 14,
    "hidden_act": "quick_gelu",
}
SAM_BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "mlp_dim": 3072,
    "global_attn_indexes": [2, 5, 8, 11],
}
SAM_LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "mlp_dim": 4096,
    "global_attn_indexes": [5, 11, 17, 23],
}
SAM_HUGE = {
    "hidden_size": 1280,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "mlp_dim": 5120,
    "global_attn_indexes": [7, 15, 23, 31],
}
