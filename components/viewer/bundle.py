"""The viewer's ES modules as the one module that Streamlit serves: in order, without their import and export words.

The files stay ordinary modules, which node runs and tsc checks; their top-level names are therefore unique in the
whole viewer. The colours of ``xai_core/colours.py`` go before the last, so that both sides paint with the very same.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

from xai_core.colours import REGION_COLOURS, colour_tables

_HERE = Path(__file__).parent
MODULES = (
    "affine.js", "half.js", "luts.js", "state.js", "rulers.js", "transport.js", "draw2d.js", "fills.js", "shaders.js", "drawgl.js",
    "drawing.js", "planes.js", "volumestate.js", "marks.js", "boxes.js", "regions.js", "overpainting.js", "nodes.js", "foot.js", "input.js", "pointer.js", "layout.js", "cells.js",
    "icons.js", "picture.js", "swipe.js", "sharebars.js", "panes.js", "controls.js", "volumetools.js", "toolbar.js", "help.js", "film.js",
    "arrivals.js", "volume.js", "painter.js", "corners.js", "board.js", "travel.js", "asking.js", "acts.js", "hand.js", "viewer.js",
    "main.js",
)  # fmt: skip

_IMPORT = re.compile(r"^import\b[^;]*;[ \t]*\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class|let)\b)", re.MULTILINE)


def script() -> str:
    """One module: the tables, then every file of ``MODULES``."""
    tables = [
        {
            "name": table.name,
            "title": table.title,
            "isSigned": table.is_signed,
            "colours": base64.b64encode(table.colours.tobytes()).decode("ascii"),
        }
        for table in colour_tables().values()
    ]
    parts = [_EXPORT.sub("", _IMPORT.sub("", (_HERE / name).read_text("utf-8"))) for name in MODULES]
    kept = f"keepTables({json.dumps(tables)});\nkeepRegionColours({json.dumps(REGION_COLOURS)});"
    return "\n".join([*parts[:-1], kept, parts[-1]])


def stylesheet() -> str:
    """The viewer's styles; they reach nothing outside its shadow root."""
    return (_HERE / "viewer.css").read_text("utf-8")
