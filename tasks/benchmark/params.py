"""Parameters of `benchmark`: engines, batch sizes, and how many samples a figure rests on."""

from pydantic import Field, field_validator

from tasks.core import entries
from tasks.core.entries import Entry
from tasks.core.plugins import Plugin, PluginParams


class Params(PluginParams):
    """The protocol of the measurement."""

    engines: list[Entry] = Field(
        default=[
            "native",
            "torch_eager",
            "onnx_runtime",
            "onnx_runtime_cuda",
            "onnx_runtime_tensorrt",
            "open_vino",
            "tensor_rt",
        ],
        min_length=1,
        description="each runs every variant that it can; what it cannot, the table says why",
    )
    batch_sizes: list[int] = Field(default=[1, 64], min_length=1, description="rows a call")
    samples: int = Field(default=1000, ge=20, description="calls timed at the smallest batch size")
    samples_more: int = Field(
        default=200, ge=20, description="calls timed at each larger batch size"
    )
    rounds: int = Field(
        default=20, ge=10, description="interleaved; each times every variant, shuffled"
    )
    warm_up: int = Field(default=20, ge=20, description="calls before the first timed one")
    threads: int = Field(default=1, ge=1, description="of every engine")
    time_budget_s: float = Field(
        default=10,
        gt=0,
        description="for all timed calls; slow variants get fewer samples to fit it",
    )
    drift_limit: float = Field(
        default=0.1,
        gt=0,
        description="of the fp32 p50 between the halves; above, it is measured again",
    )
    repeats: int = Field(
        default=1, ge=0, le=5, description="how often it is measured again at most"
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="of every interval")
    time_limit_s: float = Field(default=900, gt=0, description="for the whole benchmark")

    @field_validator("engines")
    @classmethod
    def _known(cls, engines: list[Entry]) -> list[Entry]:
        problems = [problem for entry in engines for problem in entries.problems("engine", entry)]
        found = [e if isinstance(e, str) else next(iter(e), None) for e in engines]
        problems += sorted({f"{n}: stands there twice" for n in found if found.count(n) > 1})
        if problems:
            raise ValueError("\n".join(problems))
        return engines

    @field_validator("batch_sizes")
    @classmethod
    def _positive(cls, sizes: list[int]) -> list[int]:
        if min(sizes) < 1 or len(set(sizes)) < len(sizes):
            raise ValueError("expected different batch sizes of 1 or more")
        return sorted(sizes)

    def plugins(self) -> list[Plugin]:
        """Return the engines as plugins."""
        return [entries.plugin_of("engine", entry) for entry in self.engines]
