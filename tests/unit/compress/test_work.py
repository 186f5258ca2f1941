"""What a graph is thought to cost: orders that hold on every processor."""

import pytest

from tasks.compress import work
from tasks.core.profile import Layer


def on(monkeypatch: pytest.MonkeyPatch, *has: str) -> None:
    monkeypatch.setattr(work, "processor", lambda: ("a processor", has))


def convolution(channels: int, inputs: int) -> Layer:
    return Layer("conv_3x3", channels, inputs, window=9, places=196)


def test_channels_are_computed_in_blocks(monkeypatch):
    forty, forty_eight = convolution(40, 40), convolution(48, 48)
    on(monkeypatch, "avx2", "avx512f")
    assert work.in_float(forty) == work.in_float(forty_eight)
    on(monkeypatch, "avx2")
    assert work.in_float(forty) < work.in_float(forty_eight)


def test_an_image_of_one_channel_is_no_block(monkeypatch):
    on(monkeypatch, "avx2", "avx512f")
    assert work.in_float(convolution(16, 1)) == work.in_float(convolution(16, 16)) / 16


def test_integers_are_sooner_where_the_processor_has_them_and_channels_are_many(monkeypatch):
    wide, narrow = convolution(64, 64), convolution(8, 8)
    shares = {}
    for has in (("avx2",), ("avx2", "avx512f", "avx512_vnni")):
        on(monkeypatch, *has)
        shares[len(has)] = [work.on_integers(x) / work.in_float(x) for x in (wide, narrow)]
    assert shares[3][0] < 0.4 < shares[1][0] < 0.8
    assert shares[3][1] > 1, "a few channels are no sooner on integers"
