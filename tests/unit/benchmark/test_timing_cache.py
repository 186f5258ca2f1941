"""TensorRT's timing caches, kept."""

from tasks.benchmark import timing_cache

H100 = "NVIDIA H100 80GB HBM3"
KEY = (H100, "570.86.15", "11.0.0")


def test_each_gpu_driver_and_version_has_its_own():
    others = [("NVIDIA T4", *KEY[1:]), (H100, "580.1", "11.0.0"), (*KEY[:2], "11.1.0")]
    assert len({timing_cache.file(*key) for key in (KEY, *others)}) == 4
    assert timing_cache.file(*KEY).name == "NVIDIA-H100-80GB-HBM3_570.86.15_11.0.0.timing"


def test_it_is_kept_as_it_was_and_else_counts_as_none():
    place = timing_cache.file(*KEY)
    assert timing_cache.read(place) == b""
    timing_cache.keep(place, b"kernels")
    assert timing_cache.read(place) == b"kernels"
    assert place.stat().st_mode & 0o777 == 0o600
    place.write_bytes(place.read_bytes()[:-1])
    assert timing_cache.read(place) == b""
