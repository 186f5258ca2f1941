import json
import platform

from tasks.benchmark import machine
from tasks.core import processor


def test_it_describes_the_machine_without_its_name():
    found = machine.describe(("numpy", "no-such-library"))
    assert found["cores"] >= 1
    assert found["memory_mib"] > 100
    assert found["cpu"]
    assert list(found["libraries"]) == ["numpy"]
    assert platform.node() not in json.dumps(found)


def test_the_processor_is_read_from_what_linux_says(tmp_path, monkeypatch):
    said = tmp_path / "cpuinfo"
    said.write_text("model name\t: A Processor\nflags\t\t: fpu avx2 avx512_vnni\n\nflags\t: none\n")
    monkeypatch.setattr(processor, "CPUINFO", said)
    processor.processor.cache_clear()
    try:
        assert processor.processor() == ("A Processor", ("avx2", "avx512_vnni"))
        monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
        processor.processor.cache_clear()
        assert processor.processor()[1] == ()
    finally:
        processor.processor.cache_clear()
