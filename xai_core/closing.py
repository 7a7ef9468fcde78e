"""Where a network's logits are: before the sigmoid or softmax it closes with, also where that is reshaped or cut afterwards.

An explainer shares out a logit, never a probability (semantics, section 1). ``torch.sigmoid(z).squeeze(1)`` is the sigmoid of
``z.squeeze(1)``: what only moves values is taken along to the logits, as steps of their own at the end of the recording.
"""

from __future__ import annotations

from typing import Any

from xai_core.steps import Recording, Step, Value

ACTIVATIONS = frozenset({"sigmoid", "_softmax", "_log_softmax", "log_sigmoid_forward"})
MOVES = frozenset(
    "view _unsafe_view reshape _reshape_alias t transpose permute slice select squeeze unsqueeze expand alias clone".split()
)


def logit_of(recording: Recording) -> Value:
    """The value whose samples are the logits; found once a recording."""
    if recording.logit is None:
        recording.logit = _found(recording)
    return recording.logit


def _found(recording: Recording) -> Value:
    value = logit = recording.result
    moves: list[Step] = []
    behind = 0
    while (step := value.producer) is not None:
        if step.operation in ACTIVATIONS:
            logit, behind = step.inputs[0], len(moves)
        elif step.operation in MOVES and len(step.inputs) == 1:
            moves.append(step)
        else:
            break
        value = step.inputs[0]
    for step in reversed(moves[:behind]):
        logit = _moved(recording, step, logit)
    return logit


def _moved(recording: Recording, step: Step, value: Value) -> Value:
    """``value`` moved as ``step`` moves its input, by a step of its own at the end of ``recording``."""

    def taken(argument: Any) -> Any:
        return value if argument is step.inputs[0] else argument

    arguments = tuple(taken(argument) for argument in step.arguments)
    own = Step(step.operation, step.function, arguments, step.options, step.path, (value,))
    (tensor,) = recording.replay(own)
    moved = Value(max(output.index for other in recording.steps for output in other.outputs) + 1, tensor, False)
    moved.tensor, moved.producer, own.outputs = tensor, own, (moved,)
    recording.steps.append(own)
    return moved
