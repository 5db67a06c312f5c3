"""Training on: the loop that every pass uses. L(w) = task loss + λ‖w‖², Adam, a half cosine of learning rates.

Early stopping looks at a part of the training data that is held out, never at evaluation data, by the loss that is
trained with: the model that came may know the labels there by heart, so that whatever changes it looks worse by them.
Everything that is drawn follows from the seed and the epoch, so that a training that was stopped goes on to the
same end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from converter.training import checkpoint
from converter.training.checkpoint import Point, State
from converter.training.data import Split
from converter.training.settings import Settings
from converter.training.stepping import Rule, Run

if TYPE_CHECKING:
    from converter.training.objective import Objective


class Trained(NamedTuple):
    """Attributes: `best_epoch` whose weights the model has now; `diverged`: it stopped at a loss that is no number."""

    curve: list[Point]
    best_epoch: int
    diverged: bool


class Watch(NamedTuple):
    """Who looks on.

    Attributes:
        tell: gets a line an epoch.
        folder: of the checkpoint; None keeps none.
        key: what the training follows from; a checkpoint of another is not gone on with.
        deadline_s: by `time.monotonic`; training ends at the epoch that would pass it.
        hopeless: looks at the curve after each epoch; training ends where it says so.
    """

    tell: Callable[[str], None] = lambda text: None
    folder: Path | None = None
    key: str = ""
    deadline_s: float = math.inf
    hopeless: Callable[[Sequence[Point]], bool] = lambda curve: False


def finetune(
    model: Any,
    split: Split,
    settings: Settings,
    objective: Objective,
    loss: str,
    rules: Sequence[Rule] = (),
    watch: Watch | None = None,
) -> Trained:
    """Train a Keras model in place and leave the best weights in it.

    Args:
        loss: "crossentropy" or "squared".

    Raises:
        TooLittleTimeError: not one epoch can be ready by the deadline.
    """
    from converter.training import loop  # a toolchain that trains PyTorch has no Keras

    return gone_through(loop.Run(model, split.train, settings, objective, loss, rules), split, settings, rules, watch)


def gone_through(
    run: Run, split: Split, settings: Settings, rules: Sequence[Rule] = (), watch: Watch | None = None
) -> Trained:
    """A run from its checkpoint, or its beginning, to its end; its model has the best weights then.

    Raises:
        TooLittleTimeError: not one epoch can be ready by the deadline.
    """
    watch = watch or Watch()
    state = (watch.folder and checkpoint.load(watch.folder, watch.key)) or State([], -1, [], run.weights())
    run.restore(state.now)
    settled_epoch = max([0, *(math.ceil(rule.settled * settings.epochs) for rule in rules)])
    diverged = False
    for epoch in range(len(state.curve), settings.epochs):
        waited = len(state.curve) - 1 - max(state.best_epoch, settled_epoch)
        if waited >= settings.patience or watch.hopeless(state.curve):
            break
        began = time.monotonic()
        train_loss, accuracy = run.epoch(epoch, watch.deadline_s)
        held_loss, held_accuracy = run.judge(split.held_out)
        took_s = time.monotonic() - began
        if not math.isfinite(train_loss) or not math.isfinite(held_loss):
            kept = f"epoch {state.best_epoch + 1}" if state.curve else "the model as it came"
            watch.tell(f"epoch {epoch + 1}: the loss is no number any more; {kept} is kept")
            diverged = True
            break
        curve = [*state.curve, Point(epoch, train_loss, accuracy, held_loss, held_accuracy, round(took_s, 2))]
        state = _next(state, curve, run, min(settled_epoch, settings.epochs - 1))
        if watch.folder:
            checkpoint.save(watch.folder, watch.key, state)
        watch.tell(_line(curve, settings.epochs))
        if time.monotonic() + took_s > watch.deadline_s:
            break
    run.put(state.best)
    return Trained(state.curve, state.best_epoch, diverged)


def _next(state: State, curve: list[Point], run: Run, settled_epoch: int) -> State:
    """With the best epoch so far: before the model is in its last form, always the last."""
    now, epoch = curve[-1], curve[-1].epoch
    best = next((point for point in curve if point.epoch == state.best_epoch), None)
    better = best is None or epoch <= settled_epoch or now.held_out_loss < best.held_out_loss
    return State(curve, epoch if better else state.best_epoch, run.state(), run.weights() if better else state.best)


def _line(curve: Sequence[Point], epochs: int) -> str:
    now = curve[-1]
    left_s = (epochs - len(curve)) * sum(point.seconds for point in curve) / len(curve)
    return (
        f"epoch {now.epoch + 1} of {epochs}: loss {now.loss:.4f}, accuracy {now.accuracy:.3f};"
        f" held out {now.held_out_loss:.4f}, {now.held_out_accuracy:.3f}; {left_s:.0f} s left"
    )
