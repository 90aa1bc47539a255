"""Competitors in processes of their own, taking turns."""

from __future__ import annotations

import importlib.util
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["installed", "machine", "spread", "take_turns"]


def installed(module: str | None) -> bool:
    """Whether a competitor's library is at hand."""
    return module is None or importlib.util.find_spec(module) is not None


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    import os

    import numpy as np

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cores": cores, "machine": platform.machine(), "python": platform.python_version(), "numpy": np.__version__}


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
