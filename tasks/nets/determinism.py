"""Torch made deterministic while a network is fitted."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def reproducible(seed: int, threads: int, device: str = "cpu") -> Iterator[None]:
    """Make torch deterministic on its own seed and thread count; all is as before afterwards."""
    import torch
    from torch.utils import deterministic as module

    deterministic: Any = module
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic with it
    before = (torch.get_deterministic_debug_mode(), torch.get_num_threads())
    benchmark, fill = torch.backends.cudnn.benchmark, deterministic.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[0] if device == "cuda" else []):
        torch.manual_seed(seed)
        torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms imports inductor
        torch.backends.cudnn.benchmark = False
        deterministic.fill_uninitialized_memory = False  # 14 % of a fit, and nothing reads it
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(before[0])
            torch.backends.cudnn.benchmark = benchmark
            deterministic.fill_uninitialized_memory = fill
            torch.set_num_threads(before[1])
