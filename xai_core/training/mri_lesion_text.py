"""What the card of ``mri-lesion-unet3d`` says beside its figures."""

TEXTS = {
    "title": "lesions of multiple sclerosis in brain MR",
    "head": """A 3-D U-Net (Çiçek et al. 2016; four levels, 16 channels at the finest, batch norm, one logit a voxel) that reads FLAIR, T1, T1 after
contrast and T2 of a skull-stripped head at 1.5 mm, each with mean 0 and deviation 1 within the head, and outlines lesions.""",
    "limits": """- Three patients of one hospital and one scanner (3 T, Ljubljana), co-registered and brought to MNI space by their publishers. Another scanner,
  another protocol, another order of brightness may break it without a word.
- Skull-stripped brains only: skull, scalp and eyes were never shown. A whole head gives nonsense; strip it first.
- All four modalities are needed, on one grid or close to it. What T1 after contrast adds was not tested.
- What is bright on FLAIR and is no lesion of MS (small vessel disease, stroke, tumour, motion) was never shown as such: it will be outlined
  too. Lesions of cortex and spinal cord are hardly among what was drawn.
- Small lesions are the weak point: of a patient with little to find most are missed. So are the pale borders of large ones: of the patient with the
  most, less than half the volume was found.
- Two patients do not settle a threshold for a third: chosen freely between 0.05 and 0.95 they put 0.10 on patient 26, and after 14 rounds the mean Dice was
  0.46. Near the middle the harm is bounded.
- The packaged case `ljubljana-ms` was in training: what the network says of it shows how explainers look, not how good it is.""",
    "made": """Patches are turned, scaled, mirrored and
re-toned modality by modality; at times a modality is missing. In the share `painted` of patches, lesions drawn by experts on 30 patients are
painted onto one of the three heads: their looks (in all modalities at once, from normal white matter) are those of real lesions, soft at the edge
and kept out of the fluid. A patient left out is left out as head, as looks and as mask. Loss: cross entropy and soft Dice; weights are the
running average of training. The shipped run, and those with a patient left out, were planned for 14 rounds and then prolonged to 18, so that the
pace of learning fell twice.

For class activation maps the card names `decoder.2`, the finest level; `encoder.3` is the coarsest, 12 mm a voxel.

Heads and masks: Lesjak et al., A novel public MR image dataset of multiple sclerosis patients with lesion segmentations based on multi-rater
consensus, *Neuroinformatics* 2017, DOI 10.1007/s12021-017-9348-7 (CC BY), from github.com/muschellij2/open_ms_data, resampled to 1.5 mm.""",
}
