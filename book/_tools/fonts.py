"""Fonts with no more characters than the site shows."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Any

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont


def characters(font: Path) -> set[int]:
    """The characters that a font has."""
    return set(TTFont(font).getBestCmap())


def cut(font: Path, to: Path, wanted: Set[int], **options: Any) -> None:
    """Write a font with the wanted characters alone, as far as it has them, as woff2.

    Without hints for screens that do not smooth letters: they are a fifth of a font.
    """
    cut_font = TTFont(font)
    subsetter = Subsetter(Options(hinting=False, **options))
    subsetter.populate(unicodes=wanted)
    subsetter.subset(cut_font)
    cut_font.flavor = "woff2"
    cut_font.save(to)
