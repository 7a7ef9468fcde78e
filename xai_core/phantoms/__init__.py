"""Phantoms: volumes made up on real anatomy, whose truth is known to the voxel and which carry no patient."""

from xai_core.phantoms.isles import write_isles
from xai_core.phantoms.perfusion import MODALITIES, SAMPLE_SEED, Phantom, perfusion_phantom

__all__ = ["MODALITIES", "SAMPLE_SEED", "Phantom", "perfusion_phantom", "write_isles"]
