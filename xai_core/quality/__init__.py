"""Input quality: before any explanation, whether an image looks like what the models know.

Chest films: is it an upright frontal film, of such patients, fit to be read. Brain volumes: is it a brain MR, do the channels
hold what their names say, does it lie as the file says. A check is a decorated function in a module of this package; the package
lists its own modules.
"""

from __future__ import annotations

import importlib
import pkgutil

from xai_core.quality.film import CHECKS, Seen, check, seen, verdict
from xai_core.quality.verdict import InputFinding, Quality, quality

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")

__all__ = ["CHECKS", "InputFinding", "Quality", "Seen", "check", "quality", "seen", "verdict"]
