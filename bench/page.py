"""Figures in a page of docs/, between two markers: written by the code that measured them."""

from collections.abc import Sequence
from pathlib import Path


def put(page: Path, begin: str, end: str, lines: Sequence[str]) -> None:
    """Replace what stands between two marker lines of a page."""
    before, rest = page.read_text().split(begin)
    _, after = rest.split(end)
    page.write_text("\n".join([before + begin, *lines, end + after]))
