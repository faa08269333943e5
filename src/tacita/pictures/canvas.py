"""An empty picture, and how it is written: the same content always gives the same file."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure


def canvas(width: float, height: float) -> Figure:
    """Return an empty picture of `width` x `height` inches."""
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Write a picture; its form follows the path's suffix (png, svg)."""
    mpl.rcParams["svg.hashsalt"] = "tacita"
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
