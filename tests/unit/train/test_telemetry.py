import time
from types import SimpleNamespace

from tasks.core.telemetry import sampling


class FakeNvml:
    """Answers like pynvml with one device that does not state its power."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def __init__(self, broken=False):
        self.broken, self.open = broken, 0

    def nvmlInit(self):
        if self.broken:
            raise self.NVMLError
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetUtilizationRates(self, handle):
        return SimpleNamespace(gpu=75)

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(used=3 * 2**20)

    def nvmlDeviceGetTemperature(self, handle, kind):
        return 61

    def nvmlDeviceGetPowerUsage(self, handle):
        raise self.NVMLError


def test_samples_come_while_the_block_runs():
    nvml = FakeNvml()
    with sampling("cuda", every_s=0.01, nvml=nvml) as samples:
        time.sleep(0.1)
    assert samples is not None
    count = len(samples)
    assert count >= 3
    assert {k: v for k, v in samples[0].items() if k != "s"} == {
        "utilisation": 0.75,
        "memory_mib": 3.0,
        "temperature_c": 61.0,
    }
    assert nvml.open == 0
    time.sleep(0.05)
    assert len(samples) == count


def test_nothing_is_sampled_on_the_cpu_or_without_a_driver():
    with sampling("cpu", nvml=FakeNvml()) as samples:
        assert samples is None
    with sampling("cuda", nvml=FakeNvml(broken=True)) as samples:
        assert samples is None
