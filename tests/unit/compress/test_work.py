"""What a layer is thought to cost: orders that were measured."""

from tasks.compress import work
from tasks.core.profile import Layer


def convolution(channels: int, inputs: int) -> Layer:
    return Layer("conv_3x3", channels, inputs, window=9, places=196)


def test_channels_are_computed_in_blocks():
    assert work.in_float(convolution(40, 40)) == work.in_float(convolution(48, 48))
    assert work.in_float(convolution(48, 48)) < work.in_float(convolution(49, 49))


def test_an_image_of_one_channel_is_no_block():
    assert work.in_float(convolution(16, 1)) == work.in_float(convolution(16, 16)) / 16


def test_integers_are_sooner_where_channels_are_many():
    shares = [
        work.on_integers(x) / work.in_float(x) for x in (convolution(64, 64), convolution(8, 8))
    ]
    assert shares[0] < 0.4
    assert shares[1] > 1
