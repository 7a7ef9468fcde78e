"""TorchScript programs as models: black-box explainers alone, since a program hides its operations.

``torch.jit.load`` runs no Python and no pickle: the archive is parsed by libtorch, and its code runs in libtorch's interpreter. That
interpreter can still read and write files (``aten::save``, ``aten::from_file``), even while a program is being loaded, and a
parser may have faults. So the code in the archive is looked through first and refused where it names such an operation or
another library's; and a program is only to be opened when it comes from somebody who is trusted.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from typing import Any

import torch
from torch import Tensor, nn

from xai_core.errors import ModelError
from xai_core.models.card import Card

ARCHITECTURE = "torchscript"
FORBIDDEN = re.compile(r"\b(save|from_file|load|_load_for_lite_interpreter)\s*\(|\bops\.(?!aten\.|prim\.)\w+")
"""Operations that reach beyond tensors, and operators of other libraries."""


class Program(nn.Module):
    """A network that is run as it is and cannot be looked into; ``is_opaque`` says so to the explainers."""

    is_opaque = True

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch; of its samples one by one where the program was made for one alone."""
        answer = self._tried(x) if x.shape[0] > 1 else self._run(x)
        if answer is None:
            answer = torch.cat([self._run(sample) for sample in torch.split(x, 1)])
        if not isinstance(answer, Tensor):
            raise ModelError("The program returned no tensor.", "Export a network that returns its logits.")
        return answer

    def _run(self, x: Tensor) -> Any:
        """The program's answer; of its interpreter's errors, which quote pages of code, the last line."""
        try:
            return self.program(x)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, torch.jit.Error) as problem:
            raise RuntimeError(str(problem).strip().splitlines()[-1]) from None

    def _tried(self, x: Tensor) -> Any:
        """The program's answer to a whole batch, or None where it has no answer for each sample."""
        try:
            answer = self._run(x)
        except RuntimeError as problem:
            if "memory" in str(problem).lower():
                raise
            return None
        return answer if not isinstance(answer, Tensor) or answer.shape[:1] == x.shape[:1] else None


def opened(card: Card, content: bytes) -> nn.Module:
    """The program of a file, in eval mode; raises :class:`ModelError` where it is none, or reaches for files."""
    for name, text in _code(card.name, content).items():
        if found := FORBIDDEN.search(text):
            raise ModelError(
                f"The program '{card.name}' was not opened: '{found[0].strip()}' in its {name} reaches beyond tensors.",
                "Export the network alone, without code that reads or writes files.",
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            program = torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as problem:
        raise ModelError(
            f"The program '{card.name}' cannot be read: {str(problem).strip().splitlines()[0][:200]}.",
            "Export it again with this version of PyTorch.",
        ) from None
    return Program(program.eval()).eval().requires_grad_(False)


def _code(name: str, content: bytes) -> dict[str, str]:
    """The text of the program's code by its place in the archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            places = [entry for entry in archive.namelist() if "/code/" in f"/{entry}" and entry.endswith(".py")]
            code = {place.split("/", 1)[-1]: archive.read(place).decode("utf-8", "replace") for place in places}
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        code = {}
    if not code:
        raise ModelError(
            f"'{name}' is no TorchScript program.", "Save it with torch.jit.trace(...).save(...), or use safetensors."
        )
    return code
