"""Counts the work of the networks whose latencies are published, from their papers' layers.

They are as ncnn's benchmark has them: 224 x 224 x 3 pixels, 1,000 classes, SqueezeNet 1.1 at 227,
ResNet-50 with the stride in a block's first convolution (the paper's; 3.86 G multiply-adds, where
the later variant with the stride in the second has 4.09).
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from tasks.core.profile import CLASSES, Work, convolution_class
from tasks.core.sizes import FLOAT_BYTES

CLASSES_OUT = 1000


class Shape(NamedTuple):
    """A square image of this many channels and pixels a side."""

    channels: int
    side: int

    @property
    def values(self) -> int:
        return self.channels * self.side**2


class Tally:
    """Adds up the work of layers as they are called; each gives back the shape of its output."""

    def __init__(self) -> None:
        self.macs = dict.fromkeys(CLASSES, 0)
        self.moved = 0
        self.weights = 0
        self.layers = 0

    def conv(
        self, x: Shape, channels: int, kernel: int, stride: int = 1, groups: int = 1, pad: int = -1
    ) -> Shape:
        """A convolution; without `pad` the side is that of "same" padding."""
        side = -(-x.side // stride) if pad < 0 else (x.side + 2 * pad - kernel) // stride + 1
        out = Shape(channels, side)
        weights = channels * (x.channels // groups) * kernel**2
        self.macs[convolution_class((kernel, kernel), stride, groups, x.channels)] += (
            weights * side**2
        )
        self._layer(x.values + out.values, weights + channels)
        return out

    def dense(self, inputs: int, outputs: int) -> int:
        """A fully connected layer; gives back its number of outputs."""
        self.macs["fully_connected"] += inputs * outputs
        self._layer(inputs + outputs, inputs * outputs + outputs)
        return outputs

    def pool(self, x: Shape, kernel: int, stride: int) -> Shape:
        """A pooling without padding, its last windows reaching past the edge (as Caffe has it)."""
        side = 1 if kernel == 0 else -(-(x.side - kernel) // stride) + 1
        return self.moves(x, Shape(x.channels, side))

    def moves(self, x: Shape, out: Shape, reads: int = 1) -> Shape:
        """Anything without weights that reads `reads` tensors of shape x and writes `out`."""
        self._layer(reads * x.values + out.values, 0)
        return out

    def _layer(self, values: int, weights: int) -> None:
        self.moved += values
        self.weights += weights
        self.layers += 1

    def work(self) -> Work:
        return Work(
            macs=dict(self.macs),
            activation_bytes=self.moved * FLOAT_BYTES,
            weight_bytes=self.weights * FLOAT_BYTES,
            operators=self.layers,
        )


def squeezenet(t: Tally, side: int = 227, edge: int = 1) -> None:
    """SqueezeNet 1.1 (Iandola et al. 2016, arXiv 1602.07360, and the authors' later release).

    `edge`: pixels of padding around the image of the last convolution, whose filters are of 1 x 1;
    ncnn's graph has one.
    """
    x = t.pool(t.conv(Shape(3, side), 64, 3, 2, pad=0), 3, 2)
    for squeeze, expand, halve in (
        *((16, 64, False), (16, 64, True), (32, 128, False), (32, 128, True)),
        *((48, 192, False), (48, 192, False), (64, 256, False), (64, 256, False)),
    ):
        narrow = t.conv(x, squeeze, 1)
        one, three = t.conv(narrow, expand, 1), t.conv(narrow, expand, 3)
        x = t.moves(one, Shape(2 * expand, three.side), reads=2)
        x = t.pool(x, 3, 2) if halve else x
    t.pool(t.conv(x, CLASSES_OUT, 1, pad=edge), 0, 1)


def mobilenet(t: Tally) -> None:
    """MobileNet v1 (Howard et al. 2017, arXiv 1704.04861, table 1)."""
    x = t.conv(Shape(3, 224), 32, 3, 2)
    for channels, stride in (
        *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
        *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
    ):
        x = t.conv(t.conv(x, x.channels, 3, stride, groups=x.channels), channels, 1)
    t.dense(t.pool(x, 0, 1).channels, CLASSES_OUT)


def mobilenetv2(t: Tally) -> None:
    """MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, table 2)."""
    x = t.conv(Shape(3, 224), 32, 3, 2)
    for expand, channels, count, first in (
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
        *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
    ):
        for index in range(count):
            stride, before = first if index == 0 else 1, x
            inner = t.conv(x, x.channels * expand, 1) if expand > 1 else x
            inner = t.conv(inner, inner.channels, 3, stride, groups=inner.channels)
            x = t.conv(inner, channels, 1)
            if before == x:
                t.moves(x, x, reads=2)
    t.dense(t.pool(t.conv(x, 1280, 1), 0, 1).channels, CLASSES_OUT)


def efficientnet_b0(t: Tally) -> None:
    """EfficientNet-B0 (Tan & Le 2019, arXiv 1905.11946, table 1), swish as an operator."""
    x = t.conv(Shape(3, 224), 32, 3, 2)
    t.moves(x, x)
    for expand, channels, count, first, kernel in (
        *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3)),
        *((6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)),
    ):
        for index in range(count):
            stride, before = first if index == 0 else 1, x
            inner = x
            if expand > 1:
                inner = t.conv(x, x.channels * expand, 1)
                t.moves(inner, inner)
            inner = t.conv(inner, inner.channels, kernel, stride, groups=inner.channels)
            t.moves(inner, inner)
            mean = t.pool(inner, 0, 1)
            fewer = t.conv(mean, before.channels // 4, 1)
            t.moves(fewer, fewer)
            t.conv(fewer, inner.channels, 1)
            t.moves(inner, inner)
            x = t.conv(inner, channels, 1)
            if before == x:
                t.moves(x, x, reads=2)
    x = t.conv(x, 1280, 1)
    t.dense(t.pool(t.moves(x, x), 0, 1).channels, CLASSES_OUT)


INCEPTION = (  # 1x1; 3x3 behind its reduction; 5x5 behind its own; behind pooling; halved after it
    *((64, 96, 128, 16, 32, 32, False), (128, 128, 192, 32, 96, 64, True)),
    *((192, 96, 208, 16, 48, 64, False), (160, 112, 224, 24, 64, 64, False)),
    *((128, 128, 256, 24, 64, 64, False), (112, 144, 288, 32, 64, 64, False)),
    *((256, 160, 320, 32, 128, 128, True), (256, 160, 320, 32, 128, 128, False)),
    (384, 192, 384, 48, 128, 128, False),
)


def googlenet(t: Tally) -> None:
    """GoogLeNet (Szegedy et al. 2015, arXiv 1409.4842, table 1), without the side classifiers."""
    x = t.pool(t.conv(Shape(3, 224), 64, 7, 2), 3, 2)
    x = t.conv(t.conv(t.moves(x, x), 64, 1), 192, 3)
    x = t.pool(t.moves(x, x), 3, 2)
    for one, reduce3, three, reduce5, five, pooled, halve in INCEPTION:
        t.conv(x, one, 1)
        t.conv(t.conv(x, reduce3, 1), three, 3)
        t.conv(t.conv(x, reduce5, 1), five, 5)
        t.conv(t.moves(x, x), pooled, 1)
        joined = Shape(one + three + five + pooled, x.side)
        x = t.moves(joined, joined)
        x = t.pool(x, 3, 2) if halve else x
    t.dense(t.pool(x, 0, 1).channels, CLASSES_OUT)


def resnet18(t: Tally) -> None:
    """ResNet-18 (He et al. 2016, arXiv 1512.03385, table 1)."""
    x = t.pool(t.conv(Shape(3, 224), 64, 7, 2), 3, 2)
    for channels, first in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for stride in (first, 1):
            before, x = x, t.conv(t.conv(x, channels, 3, stride), channels, 3)
            if before != x:
                t.conv(before, channels, 1, stride)
            t.moves(x, x, reads=2)
    t.dense(t.pool(x, 0, 1).channels, CLASSES_OUT)


def resnet50(t: Tally) -> None:
    """ResNet-50 (He et al. 2016, arXiv 1512.03385, table 1), the stride in the first 1 x 1."""
    x = t.pool(t.conv(Shape(3, 224), 64, 7, 2), 3, 2)
    for channels, count, first in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for index in range(count):
            stride, before = first if index == 0 else 1, x
            x = t.conv(t.conv(t.conv(x, channels, 1, stride), channels, 3), 4 * channels, 1)
            if before != x:
                t.conv(before, 4 * channels, 1, stride)
            t.moves(x, x, reads=2)
    t.dense(t.pool(x, 0, 1).channels, CLASSES_OUT)


def vgg16(t: Tally) -> None:
    """VGG-16 (Simonyan & Zisserman 2015, arXiv 1409.1556, table 1, column D)."""
    x = Shape(3, 224)
    for channels, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            x = t.conv(x, channels, 3)
        x = t.pool(x, 2, 2)
    t.dense(t.dense(t.dense(x.values, 4096), 4096), CLASSES_OUT)


NETWORKS: dict[str, Callable[[Tally], None]] = {
    builder.__name__: builder
    for builder in (
        *(squeezenet, mobilenet, mobilenetv2, efficientnet_b0),
        *(googlenet, resnet18, vgg16, resnet50),
    )
}


@cache
def work(network: str) -> Work:
    """Return what one image costs a published network."""
    tally = Tally()
    NETWORKS[network](tally)
    return tally.work()
