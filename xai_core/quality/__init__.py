"""Input quality: before any explanation, whether a film looks like an upright frontal chest film that the models know.

A check is a decorated function in a module of this package; the package lists its own modules.
"""

from __future__ import annotations

import importlib
import pkgutil

from xai_core.quality.verdict import CHECKS, FilmFinding, Quality, Seen, check, quality, seen, verdict

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")

__all__ = ["CHECKS", "FilmFinding", "Quality", "Seen", "check", "quality", "seen", "verdict"]
