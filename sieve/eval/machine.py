"""On what a figure was measured."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

_PACKAGES = ("torch", "transformers", "aiortc", "av", "numpy")


def describe_machine(device: str = "cpu") -> dict[str, object]:
    """Processor or GPU, cores, threads, versions: what stands beside every figure."""
    return {
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),  # the widest: AVX2, AVX512 ...
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _give_back_freed_pages() -> None:
    """What the C library holds in reserve would hide what is needed next."""
    gc.collect()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):  # glibc
        library.malloc_trim(0)


class PeakMemory:
    """The most memory held since ``reset``, in bytes: the GPU's allocator, or resident pages."""

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith("cuda")
        self._status = Path("/proc/self/status")
        self._clear = Path("/proc/self/clear_refs")

    def reset(self) -> None:
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
        elif self._clear.exists():
            _give_back_freed_pages()
            self._clear.write_text("5")  # VmHWM starts anew

    def read(self) -> int | None:
        """``None`` where the system does not tell."""
        if self._cuda:
            return int(torch.cuda.max_memory_allocated())
        if not self._clear.exists():
            return None
        for line in self._status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
        return None
