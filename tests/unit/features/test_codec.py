"""Codecs: what is rounded comes back nearly, one scale serves all channels, and what is frozen stays as it was."""

import hashlib
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agglo.core.errors import FeatureMismatch, StoreError
from agglo.core.seeds import generator
from agglo.features import NORMALISERS, Codec, CodedNormaliser, Moments, Storage, make_normaliser
from agglo.features.codec import CLIP_DEVIATIONS, LEVELS
from agglo.features.requantise import token_cosines
from agglo.features.rotation import dct, dct_givens, equalising_rotation
from agglo.features.shards import shard_bytes


def uneven_maps(dim: int, *, count: int = 6, seed: int = 3) -> np.ndarray:
    """Return maps whose channels differ in variance by a million, mixed, about a mean far from 0."""
    random = generator(seed, "uneven maps", dim)
    mixing, _ = np.linalg.qr(random.standard_normal((dim, dim)))
    tokens = random.standard_normal((count, 8, 16, dim)) * np.geomspace(0.01, 10, dim)
    return np.moveaxis(tokens @ mixing + 5, -1, 1).astype(np.float32)


def moments_of(maps: np.ndarray) -> Moments:
    return Moments.of(np.moveaxis(maps, 1, -1).reshape(-1, maps.shape[1]))


def cosines(codec: Codec, maps: np.ndarray) -> np.ndarray:
    back = codec.decode(codec.encode(maps)[0])
    return np.concatenate(
        [token_cosines(one, other, codec.mean) for one, other in zip(back, maps, strict=True)]
    )


WIDTHS = {"hadamard": 64, "hadamard, not a power of two": 12, "none known": 50, "odd": 15}


@pytest.mark.parametrize("dim", WIDTHS.values(), ids=WIDTHS)
def test_one_scale_serves_all_channels(dim: int) -> None:
    maps = uneven_maps(dim)
    codec = Codec.fit(moments_of(maps), Storage("int8"))
    assert codec.basis == ("hadamard" if dim in (64, 12) else "dct-givens")
    np.testing.assert_allclose(codec.rotation @ codec.rotation.T, np.eye(dim), atol=1e-5)
    codes, clipped = codec.encode(maps)
    assert codes.dtype == np.int8
    assert clipped < 1e-4
    variances = codes.astype(np.float64).var(axis=(0, 2, 3)) * codec.scale**2
    expected = moments_of(maps).covariance.trace() / dim
    np.testing.assert_allclose(variances, expected, rtol=0.01)
    assert codec.scale == pytest.approx(expected**0.5 * CLIP_DEVIATIONS / LEVELS, rel=1e-5)
    assert cosines(codec, maps).mean() > 0.9995


def test_without_the_rotation_one_scale_rounds_narrow_channels_away() -> None:
    deviations = np.geomspace(0.01, 10, 64)[:, None, None]
    maps = (generator(4, "axes").standard_normal((6, 64, 8, 16)) * deviations + 5).astype(np.float32)
    codec = Codec.fit(moments_of(maps), Storage("int8"))
    unturned = Codec(codec.mean, np.eye(64, dtype=np.float32), codec.scale, "int8", "hadamard", 1.0)
    turned_clipped, plain_clipped = (each.encode(maps)[1] for each in (codec, unturned))
    assert plain_clipped > 10 * turned_clipped + 1e-5
    wide = Codec(
        codec.mean, unturned.rotation, float(np.abs(maps - 5).max()) / LEVELS, "int8", "hadamard", 1.0
    )
    lost = (
        (codec.decode(codec.encode(maps)[0]) - maps).var(),
        (wide.decode(wide.encode(maps)[0]) - maps).var(),
    )
    assert lost[1] > 1.5 * lost[0]


PCA_CASES = {"all": (64, 1.0), "half": (32, 0.98), "few": (8, 0.7)}  # codes, variance kept at least


@pytest.mark.parametrize(("width", "kept"), PCA_CASES.values(), ids=PCA_CASES)
def test_fewer_codes_keep_the_leading_directions(width: int, kept: float) -> None:
    maps = uneven_maps(64)
    codec = Codec.fit(moments_of(maps), Storage("int8", width))
    codes, _ = codec.encode(maps)
    assert codes.shape == (6, width, 8, 16)
    assert kept - 1e-9 <= codec.energy <= 1 + 1e-9
    error = ((codec.decode(codes) - maps) ** 2).sum() / ((maps - codec.mean[:, None, None]) ** 2).sum()
    assert error == pytest.approx(1 - codec.energy, abs=1e-3)


@pytest.mark.parametrize("storage", [Storage("int8"), Storage("fp16", 12), Storage("int8", 12)], ids=str)
@pytest.mark.parametrize("normalise", NORMALISERS)
def test_one_matrix_does_what_codec_and_normaliser_do_in_turn(storage: Storage, normalise: str) -> None:
    maps = uneven_maps(20)
    moments = moments_of(maps)
    codec = Codec.fit(moments, storage)
    codes, _ = codec.encode(maps)
    coded = make_normaliser(normalise, moments, codec)
    assert isinstance(coded, CodedNormaliser)
    in_turn = make_normaliser(normalise, moments)(torch.from_numpy(codec.decode(codes)))
    torch.testing.assert_close(coded(torch.from_numpy(codes)), in_turn, atol=2e-3, rtol=1e-3)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6), dim=st.integers(2, 24), scale=st.floats(1e-3, 1e3), shift=st.floats(-50, 50)
)
def test_nothing_comes_back_further_off_than_half_a_step(
    seed: int, dim: int, scale: float, shift: float
) -> None:
    maps = (generator(seed).standard_normal((3, dim, 4, 5)) * scale + shift).astype(np.float32)
    codec = Codec.fit(moments_of(maps), Storage("int8"))
    codes, clipped = codec.encode(maps)
    back = codec.decode(codes)
    if clipped == 0:
        rounding = 1e-5 * (abs(shift) + scale * 10)
        furthest = np.linalg.norm(back - maps, axis=1).max()
        assert furthest <= 0.5 * codec.scale * dim**0.5 * 1.001 + rounding * dim
    assert (codec.encode(back)[0] == codes).mean() > 0.99  # what is a code already stays one


def test_values_beyond_the_outermost_level_are_clipped_and_counted() -> None:
    maps = uneven_maps(12)
    codec = Codec.fit(moments_of(maps), Storage("int8"))
    far = maps.copy()
    far[0, :, 0, 0] = 5 + 1000 * codec.rotation[3]
    codes, clipped = codec.encode(far)
    assert codes.max() == LEVELS
    assert codes.min() >= -LEVELS
    assert 1 / far.size <= clipped <= 12 / far.size


def test_samples_do_not_depend_on_which_others_are_there() -> None:
    maps = uneven_maps(12)
    codec = Codec.fit(moments_of(maps), Storage("int8"))
    assert (codec.encode(maps)[0][4] == codec.encode(maps[4:5])[0][0]).all()


def test_a_codec_comes_back_from_disk_bit_for_bit_and_is_never_written_over(tmp_path: Path) -> None:
    codec = Codec.fit(moments_of(uneven_maps(12)), Storage("int8", 4))
    assert codec.save_once(tmp_path / "codec.npz")
    assert not Codec.fit(moments_of(uneven_maps(12, seed=4)), Storage("int8", 4)).save_once(
        tmp_path / "codec.npz"
    )
    loaded = Codec.load(tmp_path / "codec.npz")
    assert (loaded.mean == codec.mean).all()
    assert (loaded.rotation == codec.rotation).all()
    assert (loaded.scale, loaded.basis, loaded.energy) == (codec.scale, codec.basis, codec.energy)


@pytest.mark.parametrize("place", [60, 400, 900])
def test_a_damaged_codec_is_refused(tmp_path: Path, place: int) -> None:
    file = tmp_path / "codec.npz"
    Codec.fit(moments_of(uneven_maps(12)), Storage("int8")).save_once(file)
    content = bytearray(file.read_bytes())
    content[place] ^= 0xFF
    file.write_bytes(bytes(content))
    with pytest.raises(StoreError, match=r"must be a codec, but cannot be read .* extract anew"):
        Codec.load(file)


CONSTANT = {"constant": np.ones((2, 4, 3, 3), np.float32), "one token": np.ones((1, 4, 1, 1), np.float32)}


@pytest.mark.parametrize("maps", CONSTANT.values(), ids=CONSTANT)
def test_features_that_do_not_vary_have_no_codec(maps: np.ndarray) -> None:
    with pytest.raises(FeatureMismatch, match=r"a codec needs features that vary over the pilot"):
        Codec.fit(moments_of(maps), Storage("int8"))


@pytest.mark.parametrize("order", [1, 2, 3, 15, 50, 92])
def test_the_cosine_basis_is_orthogonal(order: int) -> None:
    np.testing.assert_allclose(dct(order) @ dct(order).T, np.eye(order), atol=1e-12)


SPECTRA = {
    "steep": np.geomspace(1, 1e-8, 50),
    "one direction": np.array([1.0] + [0.0] * 14),
    "flat": np.ones(30),
    "two groups": np.array([4.0] * 5 + [1.0] * 45),
}


@pytest.mark.parametrize("variances", SPECTRA.values(), ids=SPECTRA)
def test_mended_cosines_equalise_any_spectrum(variances: np.ndarray) -> None:
    matrix = dct_givens(variances)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(len(variances)), atol=1e-10)
    np.testing.assert_allclose(np.diag((matrix * variances) @ matrix.T), variances.mean(), rtol=1e-8)


def test_a_width_without_a_hadamard_matrix_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert equalising_rotation(np.ones(64))[0] == "hadamard"
        assert not caplog.records
        assert equalising_rotation(np.ones(50))[0] == "dct-givens"
    assert "no Hadamard matrix of order 50 is known" in caplog.text


def test_codes_and_their_shard_are_those_of_the_format() -> None:
    """Golden: made by hand of numbers that floats hold exactly; another hash is another format, and old stores are lost."""
    half = np.float32(0.5)
    rotation = half * np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], np.float32)
    codec = Codec(np.array([1, 2, 3, 4], np.float32), rotation, 0.25, "int8", "hadamard", 1.0)
    maps = np.arange(3 * 4 * 2 * 2, dtype=np.float32).reshape(3, 4, 2, 2) / 4
    codes, clipped = codec.encode(maps)
    assert clipped == 0
    assert codes[0].reshape(4, 4).tolist() == [[-8, -6, -4, -2], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert (codec.decode(codes) == maps).all()
    digest = hashlib.sha256(shard_bytes(codes, "plain")).hexdigest()
    assert digest[:16] == "7286c431aa7efdd2"
