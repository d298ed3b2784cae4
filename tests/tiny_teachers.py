"""The architectures of the catalogue's teachers in sizes that build in milliseconds."""

from dataclasses import replace

from agglo.teachers import entries

MAKERS = {  # family: (what makes an entry, architecture, rows and cols of an oblong input)
    "sam2": (
        entries.sam2,
        {
            "hidden_size": 8,
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [8, 16, 24, 32],
            "num_attention_heads_per_stage": [1, 2, 2, 4],
            "window_size_per_stage": [8, 4, 4, 2],
            "global_attention_blocks": [3],
        },
        (64, 96),
    ),
    "dinov2": (
        entries.rad_dino,
        {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 56,
            "patch_size": 14,
        },
        (42, 70),
    ),
    "registers": (
        entries.dinov2,
        {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 56,
            "patch_size": 14,
            "num_register_tokens": 4,
            "use_swiglu_ffn": True,
        },
        (42, 70),
    ),
    "medclip": (
        entries.medclip,
        {"embed_dim": 8, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 2, 4), "window_size": 2},
        (64, 96),
    ),
    "resnet": (entries.medclip_resnet, {"layers": (1, 1, 1, 1)}, (64, 96)),
    "clip": (
        entries.clip,
        {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 56,
            "patch_size": 14,
        },
        (42, 70),
    ),
    "sam": (
        entries.sam,
        {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "mlp_dim": 32,
            "image_size": 64,
            "window_size": 3,
            "global_attn_indexes": [1],
        },
        (64, 96),
    ),
}
INPUT_PX = {"sam2": 64, "dinov2": 56, "registers": 56, "medclip": 64, "resnet": 64, "clip": 56, "sam": 64}


def tiny_entry(kind):
    """Return a small teacher of a kind of `MAKERS`, not in the catalogue, whose weights are not pinned."""
    make, architecture, _ = MAKERS[kind]
    return make(
        f"tiny-{kind}",
        architecture,
        input_px=INPUT_PX[kind],
        num_parameters=0,
        licence="none needed",
        source="https://example.org",
        weights_file="weights.pt",
        is_shipped=False,
        sha256=None,
        labels_seen="none",
    )


def kind_of(entry):
    """Return which kind of `MAKERS` an entry of the catalogue is of."""
    return "registers" if "num_register_tokens" in entry.architecture else entry.family


def shrunk(entry):
    """Return an entry of the catalogue in a tiny size: all else is as it is."""
    tiny = tiny_entry(kind_of(entry))
    maps = {name: tiny.maps[name] for name in entry.maps}
    return replace(
        entry, architecture=tiny.architecture, dim=tiny.dim, maps=maps, summary_dim=tiny.summary_dim
    )


def oblong(entry):
    """Return rows and cols of an oblong input of the shrunk entry."""
    return MAKERS[kind_of(entry)][2]
