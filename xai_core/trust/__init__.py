"""How far to believe a map: checks that each say one thing in words, and the badge they make together.

A check is a decorated function in a module of this package; the package lists its own modules.
"""

from __future__ import annotations

import importlib
import pkgutil

from xai_core.trust.badge import CHECKS, Badge, Evidence, Finding, Level, badge_of, check, plain

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")

__all__ = ["CHECKS", "Badge", "Evidence", "Finding", "Level", "badge_of", "check", "plain"]
