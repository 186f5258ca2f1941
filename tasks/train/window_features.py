"""What trees see of a window: last values, means and spreads of the recent past, a season ago, and
how far a cycle of the calendar has turned.

One row a step of the horizon: what the origin knows, then what belongs to the step. Computed in
double precision and rounded once, so that the graph gives the same bits and no row changes sides at
a threshold.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tasks.core.graph import Graph
from tasks.core.sequence import Sequence

FIRST_SPAN = 3  # steps; each next span is twice as long, up to the context
LAGS = 12  # values of the target, the latest first
OTHER_LAGS = 3  # of each channel, where the target's past is not seen
NEAR = 3  # steps on each side of the same step a season ago


@dataclass(frozen=True)
class Layout:
    """Which features there are, for a sequence; summaries: means and spreads among them."""

    sequence: Sequence
    summaries: bool = True

    @property
    def spans(self) -> list[int]:
        """Return the lengths of the recent pasts, in steps."""
        if not self.summaries:
            return []
        context, spans = self.sequence.context, []
        span = FIRST_SPAN
        while span < context:
            spans.append(span)
            span *= 2
        return [*spans, context] if context > 1 else []

    @property
    def moving(self) -> int:
        """Return how many channels are not known in advance; they come first."""
        return len(self.sequence.channels) - len(self.sequence.known)

    @property
    def leading(self) -> list[int]:
        """Return the channels that are seen most closely: the target, or all that tell it."""
        return [0] if self.sequence.own_past else list(range(self.moving))

    @property
    def lags(self) -> int:
        """Return how many of the last values of a leading channel are seen."""
        return min(LAGS if self.sequence.own_past else OTHER_LAGS, self.sequence.context)

    def cycles(self) -> list[tuple[str, int, int]]:
        """Return the calendar's cycles, with the places of sine and cosine in what is known.

        Trees split one number at a time: they see how far a cycle has turned instead of the two.
        """
        known = self.sequence.known
        return [
            (cycle, known.index(sine), known.index(f"cosine of {cycle}"))
            for sine in known
            if (cycle := sine.removeprefix("sine of ")) != sine and f"cosine of {cycle}" in known
        ]

    @property
    def plain(self) -> list[int]:
        """Return the places in what is known of the columns that are no calendar's."""
        turning = {at for _, *both in self.cycles() for at in both}
        return [at for at in range(len(self.sequence.known)) if at not in turning]

    @property
    def last(self) -> list[int]:
        """Return the channels whose last value is seen."""
        return [*range(self.moving), *(self.moving + at for at in self.plain)]

    def seasons(self) -> list[np.ndarray]:
        """Return for one and two seasons ago the steps of the context of each step, (horizon,).

        A season is as many whole ones as it takes to come before the origin; those that reach
        beyond the context are left out, and all where the target's past is not seen.
        """
        season, ahead, found = self.sequence.season, self.sequence.ahead, []
        if not self.sequence.own_past:
            return found
        for more in range(2):
            back = season * (np.ceil(ahead / season).astype(int) + more)
            at = self.sequence.context - 1 + ahead - back
            if (at >= 0).all():
                found.append(at)
        return found

    def near(self, at: np.ndarray) -> np.ndarray:
        """Return the steps around these that lie in the context, (horizon, 2 NEAR + 1)."""
        around = at[:, None] + np.arange(-NEAR, NEAR + 1)
        return np.clip(around, 0, self.sequence.context - 1)

    def columns(self) -> Iterator[tuple[str, list[int]]]:
        """Give each feature's name, and the columns of X that it is made of."""
        s, channels = self.sequence, len(self.sequence.channels)

        def of(channel: int, span: int) -> list[int]:
            return [t * channels + channel for t in range(s.context - span, s.context)]

        for channel in self.last:
            yield f"{s.channels[channel]} last", of(channel, 1)
        for channel in self.leading:
            for lag in range(1, self.lags):
                yield f"{s.channels[channel]} lag {lag}", of(channel, lag + 1)[:1]
        for span in self.spans:
            for channel in range(self.moving):
                yield f"{s.channels[channel]} mean {span}", of(channel, span)
            for what in ("spread", "least", "most"):
                for channel in self.leading:
                    yield f"{s.channels[channel]} {what} {span}", of(channel, span)
        first = s.past_size + s.horizon * len(s.known)
        for at, name in enumerate(s.static):
            yield name, [first + at]
        ahead = [s.past_size + t * len(s.known) for t in range(s.horizon)]
        for at in self.plain:
            yield f"{s.known[at]} of the step", [step + at for step in ahead]
        for cycle, *both in self.cycles():
            yield f"turn of the {cycle}", [step + at for at in both for step in ahead]
        if s.horizon > 1:
            yield "step", []
        for seasons, steps in enumerate(self.seasons(), 1):
            yield f"{s.channels[0]} {seasons} season ago", [int(t) * channels for t in steps]
            around = sorted({int(t) * channels for t in self.near(steps).ravel()})
            yield f"{s.channels[0]} around {seasons} season ago", around


def of_origins(layout: Layout, X: np.ndarray) -> np.ndarray:
    """Return what each origin knows, (n, feature) float32; X: (n, feature) float32."""
    s = layout.sequence
    past = s.past(X)
    parts = [past[:, -1, layout.last]]
    if layout.lags > 1:
        lags = past[:, -layout.lags : -1, layout.leading][:, ::-1]  # (n, lag, channel)
        parts.append(lags.swapaxes(1, 2).reshape(len(X), lags.shape[1] * lags.shape[2]))
    for span in layout.spans:
        recent = past[:, -span:].astype(np.float64)
        parts.append(recent[:, :, : layout.moving].sum(1) / span)
        near = recent[:, :, layout.leading]  # (n, span, channel)
        apart = near - near[:, -1:]
        mean = apart.sum(1) / span
        spread = np.sqrt(np.maximum((apart**2).sum(1) / span - mean**2, 0))
        parts += [spread, near.min(1), near.max(1)]
    parts.append(X[:, s.past_size + s.horizon * len(s.known) :])
    return np.concatenate([p.astype(np.float32) for p in parts], axis=1)


def of_steps(layout: Layout, X: np.ndarray) -> np.ndarray:
    """Return what belongs to each step of the horizon, (n, horizon, feature) float32."""
    s = layout.sequence
    future = s.future(X)
    parts = [future[:, :, layout.plain]]
    for _, sine, cosine in layout.cycles():
        cosines = future[:, :, cosine]  # 0 at the beginning of the cycle, to 4 at its end
        turn = np.where(future[:, :, sine] < 0, np.float32(3) + cosines, np.float32(1) - cosines)
        parts.append(turn[:, :, None])
    if s.horizon > 1:
        steps = np.arange(1, s.horizon + 1, dtype=np.float32)
        parts.append(np.broadcast_to(steps[None, :, None], (len(X), s.horizon, 1)))
    for at in layout.seasons():
        near, target = layout.near(at), s.target(X)
        around = target[:, near].astype(np.float64).sum(2) / near.shape[1]
        parts += [target[:, at][:, :, None], around[:, :, None]]
    return np.concatenate([p.astype(np.float32) for p in parts], axis=2)


def rows(layout: Layout, X: np.ndarray, steps: np.ndarray | None = None) -> np.ndarray:
    """Return the features of each origin's steps, (n * step, feature) float32.

    steps: (n, step) which steps of the horizon, from 0; None: all of them, in order.
    """
    base, own = of_origins(layout, X), of_steps(layout, X)
    if steps is not None:
        own = np.take_along_axis(own, steps[:, :, None], axis=1)
    shared = np.broadcast_to(base[:, None], (*own.shape[:2], base.shape[1]))
    return np.concatenate([shared, own], axis=2).reshape(-1, base.shape[1] + own.shape[2])


def add(layout: Layout, graph: Graph) -> str:
    """Return the tensor of `rows` of the graph's X: (N * horizon, feature) float32."""
    s = layout.sequence
    shape = graph.constant([-1, s.context, len(s.channels)], np.int64)
    past = graph.add("Reshape", _columns(graph, "X", 0, s.past_size, 1), shape)
    base = graph.joined(list(_origins(layout, graph, past)))
    rows = graph.add("Shape", "X", start=0, end=1)
    steps = graph.constant([s.horizon], np.int64)
    one = graph.constant([1], np.int64)
    spread = graph.add("Concat", rows, steps, one, axis=0)
    wide = graph.add("Expand", graph.add("Unsqueeze", base, one), spread)
    both = graph.add("Concat", wide, *_steps(layout, graph, past), axis=2)
    width = len(list(layout.columns()))
    return graph.add("Reshape", both, graph.constant([-1, width], np.int64))


def _columns(graph: Graph, tensor: str, first: int, end: int, axis: int) -> str:
    places = [graph.constant([v], np.int64) for v in (first, end, axis)]
    return graph.add("Slice", tensor, *places)


def _origins(layout: Layout, graph: Graph, past: str) -> Iterator[str]:
    """Give the tensors of `of_origins`, (N, feature) each."""
    s, axis = layout.sequence, graph.constant([1], np.int64)
    last = graph.add("Squeeze", _columns(graph, past, s.context - 1, s.context, 1), axis)
    yield graph.add("Gather", last, graph.constant(layout.last, np.int64), axis=1)
    if layout.lags > 1:
        channels = len(s.channels)
        lags = [
            (s.context - 1 - lag) * channels + channel
            for channel in layout.leading
            for lag in range(1, layout.lags)
        ]
        yield graph.add("Gather", "X", graph.constant(lags, np.int64), axis=1)
    for span in layout.spans:
        recent = graph.cast(_columns(graph, past, s.context - span, s.context, 1), "float64")
        count = graph.constant(span, np.float64)
        total = graph.add("ReduceSum", recent, axis, keepdims=0)
        mean = graph.add("Div", total, count)
        yield graph.cast(_columns(graph, mean, 0, layout.moving, 1), "float32")
        near = _columns(graph, recent, 0, len(layout.leading), 2)  # (N, span, channel)
        apart = graph.add("Sub", near, _columns(graph, near, span - 1, span, 1))
        middle = graph.add("Div", graph.add("ReduceSum", apart, axis, keepdims=0), count)
        square = graph.add("ReduceSum", graph.add("Mul", apart, apart), axis, keepdims=0)
        variance = graph.add(
            "Sub", graph.add("Div", square, count), graph.add("Mul", middle, middle)
        )
        floor = graph.constant(0.0, np.float64)
        yield graph.cast(graph.add("Sqrt", graph.add("Max", variance, floor)), "float32")
        for operator in ("ReduceMin", "ReduceMax"):
            yield graph.cast(graph.add(operator, near, axis, keepdims=0), "float32")
    if s.static:
        first = s.past_size + s.horizon * len(s.known)
        yield _columns(graph, "X", first, first + len(s.static), 1)


def _steps(layout: Layout, graph: Graph, past: str) -> Iterator[str]:
    """Give the tensors of `of_steps`, (N, horizon, feature) each."""
    s = layout.sequence
    if s.known:
        end = s.past_size + s.horizon * len(s.known)
        flat = _columns(graph, "X", s.past_size, end, 1)
        future = graph.add("Reshape", flat, graph.constant([-1, s.horizon, len(s.known)], np.int64))
        if layout.plain:
            yield graph.add("Gather", future, graph.constant(layout.plain, np.int64), axis=2)
        for _, sine, cosine in layout.cycles():
            cosines = _columns(graph, future, cosine, cosine + 1, 2)
            second = graph.add("Add", graph.constant(3.0), cosines)
            first = graph.add("Sub", graph.constant(1.0), cosines)
            late = graph.add(
                "Less", _columns(graph, future, sine, sine + 1, 2), graph.constant(0.0)
            )
            yield graph.add("Where", late, second, first)
    if s.horizon > 1:
        rows = graph.add("Shape", "X", start=0, end=1)
        shape = graph.add("Concat", rows, graph.constant([1, 1], np.int64), axis=0)
        steps = np.arange(1, s.horizon + 1, dtype=np.float32)[None, :, None]
        yield graph.add("Expand", graph.constant(steps), shape)
    channels, two = len(s.channels), graph.constant([2], np.int64)
    for at in layout.seasons():
        places = graph.constant(at * channels, np.int64)
        yield graph.add("Unsqueeze", graph.add("Gather", "X", places, axis=1), two)
        near = layout.near(at)
        around = graph.add("Gather", "X", graph.constant(near * channels, np.int64), axis=1)
        total = graph.add("ReduceSum", graph.cast(around, "float64"), two, keepdims=1)
        yield graph.cast(
            graph.add("Div", total, graph.constant(near.shape[1], np.float64)), "float32"
        )


def shares(layout: Layout, gains: np.ndarray, features: int) -> np.ndarray:
    """Return gains of the features as shares of the columns of X they are made of, (feature,)."""
    found = np.zeros(features)
    for gain, (_, columns) in zip(gains, layout.columns(), strict=True):
        if columns:
            np.add.at(found, columns, gain / len(columns))
    return found / found.sum() if found.sum() > 0 else np.full(features, 1 / features)
