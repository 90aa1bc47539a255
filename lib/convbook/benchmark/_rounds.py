"""Competitors in processes of their own, taking turns."""

from __future__ import annotations

import importlib.util
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["advice", "installed", "machine", "processor", "spread", "take_turns"]


def installed(module: str | None) -> bool:
    """Whether a competitor's library is at hand."""
    return module is None or importlib.util.find_spec(module) is not None


def machine() -> dict[str, Any]:
    """What the numbers were measured on, and for which processor the matrix products are written (``kernels``)."""
    import os

    import numpy as np
    from threadpoolctl import threadpool_info

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    kernels = [library["architecture"] for library in threadpool_info() if library["internal_api"] == "openblas"]
    return {
        "cores": cores,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "kernels": kernels[0] if kernels else None,
    }


def advice(kernels: str | None, processor: str) -> str:
    """What to try where OpenBLAS does not know the processor and takes kernels for an older one.

    Args:
        kernels: those that it took.
        processor: what the system says of the processor, as in ``/proc/cpuinfo``.
    """
    if kernels not in ("Haswell", "Zen") or "avx512f" not in processor.split():
        return ""
    return (
        f"NumPy's matrix products are those for {kernels} here, but this processor has AVX-512: with "
        "OPENBLAS_CORETYPE=SkylakeX in the environment they may be much faster, and convbook with them.\n"
    )


def processor() -> str:
    """What the system says of the processor, where it does."""
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.is_file() else ""


def take_turns(names: Sequence[str], command: Sequence[str], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Run ``command`` with ``--turn name`` for every name, ``rounds`` times over; the last line of each is JSON.

    Raises:
        RuntimeError: a turn failed; the message has the end of what it said.
    """
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names:
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            run = subprocess.run([sys.executable, *command, "--turn", name], capture_output=True, text=True)
            if run.returncode:
                raise RuntimeError(f"{name}: its turn ended with code {run.returncode}: {run.stderr[-2000:]}")
            turns[name].append(json.loads(run.stdout.splitlines()[-1]))
    return turns


def spread(values: Sequence[float]) -> Mapping[str, float]:
    """Median, smallest and largest."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}
