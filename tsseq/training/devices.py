"""Where a fitted network predicts: the device, exact products on it, and batches that fit into its memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from tsseq.data.windows import Windows
from tsseq.errors import ConfigError
from tsseq.networks.batch import Batch
from tsseq.training.loader import prediction_batches
from tsseq.training.model import Model
from tsseq.training.settings import Training
from tsseq.typing import Array

FEWER = "Predict fewer rows at a time, or train a smaller network"
ROWS_ON_CPU, ROWS_ON_GPU = 256, 4096  # at once; on a GPU half as many, and again, until they fit
AVAILABLE: dict[str, Callable[[], bool]] = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}

_lock = Lock()
_precisions: list[
    list[str]
] = []  # one entry for every thread that needs exact products: what there was before the first


def accelerator_of(training: Training | None) -> str:
    """Where `Training` puts a network, by a name that `find_device` knows."""
    training = Training() if training is None else training
    several = isinstance(training.devices, list | tuple) and len(training.devices) > 0
    return f"{training.accelerator}:{training.devices[0]}" if several else training.accelerator  # type: ignore[index]


def check_accelerator(accelerator: str) -> None:
    """Refuse a name that `find_device` does not know."""
    kind, colon, number = accelerator.partition(":")
    if kind not in ("auto", "cpu", "gpu", *AVAILABLE) or number.isdigit() != bool(colon):
        names = "'auto', 'cpu', 'gpu', 'cuda', 'mps', or a device by its number, such as 'cuda:1'"
        raise ConfigError(f"accelerator={accelerator!r} is unknown; it is {names}.")


def find_device(accelerator: str) -> torch.device:
    """The device that is meant, or the CPU where this machine has none of that kind."""
    kind, _, number = accelerator.partition(":")
    for name, is_available in AVAILABLE.items():
        if kind in ("auto", "gpu", name) and is_available():
            return torch.device(name, int(number or 0))
    return torch.device("cpu")


def predict_rows(
    network: Model, windows: Windows, accelerator: str, function: Callable[[Batch, Tensor], Tensor], axis: int = 0
) -> Array:
    """Call ``function(batch, numbers of the rows)`` on all windows, in batches of one size on a device.

    A batch that is too large for the device is halved, and so are all others: what is predicted for a row does not
    depend on its company.

    Parameters
    ----------
    network : Model
        What ``function`` calls; it stays on the device.
    windows : Windows
        The rows.
    accelerator : str
        Kind of device.
    function : callable
        Gives a tensor in which the rows lie along ``axis``.
    axis : int, default 0
        Axis along which the results are joined.

    Returns
    -------
    ndarray
        float64.
    """
    device = find_device(accelerator)
    with _lock, memory_explained(FEWER):
        network.to(device)
    size = ROWS_ON_CPU if device.type == "cpu" else ROWS_ON_GPU
    exact = exact_products() if device.type == "cuda" else nullcontext()
    with torch.inference_mode(), memory_explained(FEWER), exact:
        while True:
            try:
                parts = [function(*batch).cpu() for batch in prediction_batches(windows, device, size)]
                return torch.cat(parts, dim=axis).narrow(axis, 0, len(windows)).double().numpy()
            except RuntimeError as error:  # torch.OutOfMemoryError is one, and Apple's devices raise no other
                if "out of memory" not in str(error) or size == 1:
                    raise
                size //= 2


@contextmanager
def memory_explained(advice: str) -> Iterator[None]:
    """Within it, what torch says of memory that it could not get becomes a ConfigError.

    Parameters
    ----------
    advice : str
        What to do.

    Raises
    ------
    ConfigError
        There was not enough memory.
    """
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one; on the CPU there is no class for it
        text = str(error)
        if not any(phrase in text for phrase in ("out of memory", "can't allocate memory", "not enough memory")):
            raise
        amount = re.search(r"allocate (\d+ bytes|[\d.]+ [GM]iB)", text)
        what = f", when it asked for {amount[1]}" if amount else ""
        raise ConfigError(f"the network needs more memory than there is{what}. {advice}.") from error


@contextmanager
def exact_products() -> Iterator[None]:
    """Within it, NVIDIA GPUs multiply float32 numbers with all their digits; afterwards as before."""
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    backends: list[Any] = [cuda.matmul, cudnn.conv, cudnn.rnn]  # type: ignore[attr-defined]
    with _lock:
        _precisions.append(_precisions[-1] if _precisions else [backend.fp32_precision for backend in backends])
        for backend in backends:
            backend.fp32_precision = "ieee"
    try:
        yield
    finally:
        with _lock:
            before = _precisions.pop()
            if not _precisions:
                for backend, precision in zip(backends, before):
                    backend.fp32_precision = precision
