"""Which recipes to run where not all may be run: those that could add most to the Pareto front.

Of each recipe a sketch is known: the size nearly and the work roughly, for neither depends on how
well a network is fitted; the loss where trees are cut; what rounds weights alone is thought to lose
nothing until it is made. Each recipe is given the benefit of the doubt: a little less work than
thought, and where something is fitted no more loss than is likely, less so where a model's fits
have lost less than that, or than the recipe that it goes on from. What it could add to the
hypervolume is then about an upper bound. The most for its time is run next, whichever model's, as a
share of what that model could reach, until the budget is spent or none could add much, even if it
lost far less than thought. What came of each lowers the bounds of the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.core.schema import Task

LEAST = 0.002  # of the hypervolume so far: what could add less is not run
POINTS = 0.05  # of accuracy, or of an error itself: that much worse and a variant is worthless
DOUBT = 0.08  # of the work that is saved: where hardly any is, hardly any is in doubt
LEAST_HOPE = 0.125  # where budget is left, this share of what is likely may be all that is lost
HASTE = 0.75  # power of the seconds: at 1 what is dear waits until it can no longer be afforded
BESIDE = 0.5  # of the most for its time: what comes to as much is run beside it
SKETCH_S, REFUSED_S = 0.026, 0.06  # that a sketch takes, about; a recipe that does not apply
Point = tuple[float, float, float]  # size, work and loss: 1 is what makes a variant worthless


@dataclass(frozen=True)
class Sketch:
    """What is known of a recipe's variant.

    size and work: as shares of the fp32 graph's; loss: of the metric, as a share of what makes a
    variant worthless, 0 where weights are rounded alone, None where it has yet to be fitted;
    likely: then, what it is thought to lose; steps: its techniques with their parameters; begins:
    the seconds that each of its first steps is thought to take, unless another recipe has begun so;
    seconds: those of the rest.
    """

    size: float
    work: float
    loss: float | None
    seconds: float
    steps: Sequence[str] = ()
    begins: Sequence[float] = ()
    likely: float = 0.0


@dataclass
class Search:
    """What is known of a model's recipes so far.

    sketches: by label, of the recipes that can be made; refused: why the others do not apply; done:
    those that were run, with what they lost; spent_s: what these are thought to have taken; hope:
    the share of what fits are thought to lose that they are taken to.
    """

    sketches: dict[str, Sketch]
    refused: dict[str, str] = field(default_factory=dict)
    done: dict[str, Sketch] = field(default_factory=dict)
    spent_s: float = 0.0
    hope: float = 1.0

    def best(self, left_s: float) -> tuple[float, str] | None:
        """Return the recipe that could add most for its time, and how much, as a share of what all
        could reach; None: none is worth it, or none can be afforded. A model's first is made
        whatever it takes.
        """
        left_s = left_s if self.done else float("inf")
        left = [self._at_best(s) for label, s in self.sketches.items() if label not in self.done]
        most = hypervolume([*self._reached()[0], *left])
        rates = [
            (gain / most / seconds**HASTE, label)
            for label, gain in self.gains().items()
            if (seconds := cost(self.sketches[label], self.done)) <= left_s and self._worth(gain)
        ]
        return max(rates, key=lambda rate: rate[0], default=None)

    def tell(self, label: str, loss: float | None) -> None:
        """Take in what a recipe that was run lost; None: it came to nothing."""
        self.spent_s += cost(self.sketches[label], self.done)
        self.done[label] = replace(self.sketches[label], loss=1.0 if loss is None else loss)

    def gains(self) -> dict[str, float]:
        """Return the hypervolume that each recipe that was not run could add at most."""
        points, before = self._reached()
        return {
            label: hypervolume([*points, self._at_best(sketch)]) - before
            for label, sketch in self.sketches.items()
            if label not in self.done
        }

    def reasons(self) -> dict[str, tuple[str, str]]:
        """Return for each recipe that was not run its status, and why not."""
        _, before = self._reached()
        found = {label: ("not_applicable", why) for label, why in self.refused.items()}
        for label, gain in self.gains().items():
            share = gain / (before + gain) if gain else 0.0
            why = f"{share:.1%} to the front (hypervolume)"
            if self._worth(gain):
                why = f"it could add {why}; compress.budget is spent"
            else:
                why = f"it could add at most {why}"
            found[label] = ("skipped", why)
        return found

    def _reached(self) -> tuple[list[Point], float]:
        points = [point(s) for s in self.done.values()]
        return points, hypervolume(points)

    def _worth(self, gain: float) -> bool:
        return gain > 0 and gain >= LEAST * (self._reached()[1] + gain)

    def _at_best(self, sketch: Sketch) -> Point:
        """Return where a variant would be that is given the benefit of the doubt."""
        known = any((s.size, s.work) == (sketch.size, sketch.work) for s in self.done.values())
        doubt = 0.0 if known else DOUBT
        work = sketch.work * (1 - doubt * max(1 - sketch.work, 0.0))
        if sketch.loss is not None:
            return sketch.size, work, sketch.loss
        earlier = [
            s.loss or 0.0 for s in self.done.values() if s.steps == sketch.steps[: len(s.steps)]
        ]
        return sketch.size, work, max([self.hope * self._gentleness() * sketch.likely, *earlier])

    def _gentleness(self) -> float:
        """Return what a model's fits lost beside what they were thought to, at most 1; nearly 1
        while little is known.
        """
        fitted = [s for label, s in self.done.items() if self.sketches[label].loss is None]
        lost = sum(min(max(s.loss or 0.0, 0.0), 1.0) for s in fitted)
        return min((1 + lost) / (1 + sum(s.likely for s in fitted)), 1.0)


@dataclass
class Running:
    """A recipe that is being run: what it could add for its time; the seconds that it is thought to
    take, and when it is thought to end, on the search's own clock.
    """

    label: str
    rate: float
    seconds: float
    ends_s: float


@dataclass
class Searches:
    """The order in which the recipes of all models are run. budget_s: seconds for all of them.

    Of each model one runs at a time; results are taken in in the order in which they are thought to
    come, so that what is run depends on no measured time.
    """

    models: dict[str, Search]
    budget_s: float
    running: dict[str, Running] = field(default_factory=dict)  # by model
    clock_s: float = 0.0

    def following(self) -> list[tuple[str, str]]:
        """Return the models and recipes to start now, beside what is running."""
        while True:
            started = self._started()
            hope = min(search.hope for search in self.models.values())
            if started or self.running or hope <= LEAST_HOPE:
                return started
            for search in self.models.values():
                search.hope = hope / 2

    def _started(self) -> list[tuple[str, str]]:
        left = self.budget_s - sum(s.spent_s for s in self.models.values())
        left -= sum(run.seconds for run in self.running.values())
        idle = {model: s for model, s in self.models.items() if model not in self.running}
        found = {model: best for model, s in idle.items() if (best := s.best(left))}
        rates = [rate for rate, _ in found.values()]
        most = max(rates + [run.rate for run in self.running.values()], default=0.0)
        started = []
        for model, (rate, label) in sorted(found.items(), key=lambda one: -one[1][0]):
            search = self.models[model]
            seconds = cost(search.sketches[label], search.done)
            if rate >= BESIDE * most and (seconds <= left or not search.done):
                self.running[model] = Running(label, rate, seconds, self.clock_s + seconds)
                started.append((model, label))
                left -= seconds
        return started

    def first(self) -> tuple[str, str] | None:
        """Return the model and recipe that is thought to end first of those running."""
        model = min(self.running, key=lambda name: self.running[name].ends_s, default=None)
        return None if model is None else (model, self.running[model].label)

    def tell(self, model: str, loss: float | None) -> None:
        """Take in what the recipe of a model that was running lost; None: it came to nothing."""
        run = self.running.pop(model)
        self.clock_s = max(self.clock_s, run.ends_s)
        self.models[model].tell(run.label, loss)


def begin(sketches: dict[str, dict[str, dict[str, Any]]], budget: float) -> Searches:
    """Return the search over all models' sketched recipes within a share of the time that all would
    take, what the sketches took included.

    sketches: by model, as `sketches.json` has them.
    """
    models = {model: _begun(found) for model, found in sketches.items()}
    whole = sketching = 0.0
    for search in models.values():
        every: dict[str, Sketch] = {}
        for label, sketch in search.sketches.items():
            whole += cost(sketch, every)
            every[label] = sketch
        whole += REFUSED_S * len(search.refused)
        sketching += SKETCH_S * len(every)
    return Searches(models, budget * whole - sketching)


def _begun(found: dict[str, dict[str, Any]]) -> Search:
    return Search(
        {n: Sketch(**s) for n, s in found.items() if "reason" not in s},
        {n: s["reason"] for n, s in found.items() if "reason" in s},
    )


def cost(sketch: Sketch, done: dict[str, Sketch]) -> float:
    """Return the seconds that a recipe is thought to take beside those that are done."""
    return sketch.seconds + sum(
        seconds
        for count, seconds in enumerate(sketch.begins, 1)
        if not any(s.steps[:count] == sketch.steps[:count] for s in done.values())
    )


def share_lost(before: float | None, after: float | None, task: Task) -> float:
    """Return how much of what makes a variant worthless it lost; below 0: it gained.

    before, after: accuracy, or an error (regression).
    """
    if before is None or after is None:
        return 1.0
    return (before - after) / POINTS if task == "classification" else (after / before - 1) / POINTS


def point(sketch: Sketch) -> Point:
    """Return size, work and loss."""
    return sketch.size, sketch.work, sketch.loss or 0.0


def hypervolume(points: list[Point]) -> float:
    """Return the volume between points and (1, 1, 1), which is the fp32 graph at its worst."""
    kept = sorted((p for p in points if max(p) < 1), key=lambda p: p[2])
    total = 0.0
    for at, (_, _, loss) in enumerate(kept):
        following = kept[at + 1][2] if at + 1 < len(kept) else 1.0
        total += (following - loss) * _area([(x, y) for x, y, _ in kept[: at + 1]])
    return total


def _area(points: list[tuple[float, float]]) -> float:
    """Return the area between points and (1, 1)."""
    total, lowest = 0.0, 1.0
    for x, y in sorted(points):
        if y < lowest:
            total += (1 - x) * (lowest - y)
            lowest = y
    return total
