"""Which devices compute: as ``--device`` asks, of those that the backend sees."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from artifact.errors import DataError, install_extra
from training.devices.driver import driver

# What the setting takes, in words.
TAKES = "auto, cpu, gpu, or GPUs by number: gpu:0, gpu:0,1"
# From so many rows on, steps are large enough for several GPUs to share the networks unasked.
SEVERAL_FROM_ROWS = 500_000
# JAX says "gpu" of each of them, and announces to say which.
_GPU_PLATFORMS = ("gpu", "cuda", "rocm")
_EXTRA = {"tensorflow": "gpu", "jax": "gpu-jax"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What ``--device`` asks for.

    Attributes:
        kind: ``auto``, ``cpu`` or ``gpu``.
        numbers: of GPUs, as the backend counts those that it sees; empty for any.
    """

    kind: str
    numbers: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the setting.

        Raises:
            ValueError: it is none of :data:`TAKES`.
        """
        kind, _, numbers = text.partition(":")
        wanted = tuple(int(n) for n in numbers.split(",")) if re.fullmatch(r"\d{1,4}(,\d{1,4})*", numbers) else ()
        named = text != kind
        if kind not in ("auto", "cpu", "gpu") or (named and (kind != "gpu" or not wanted)):
            raise ValueError(f"one of {TAKES}")
        if len(set(wanted)) < len(wanted):
            raise ValueError("each GPU once")
        return cls(kind, wanted)


@dataclass(frozen=True, slots=True)
class Device:
    """A device that computes.

    Attributes:
        name: ``cpu:0``, or a GPU by the number that the user knows, ``gpu:1``.
        model: as the driver names it, ``NVIDIA H100 80GB HBM3``; empty for a CPU.
        capability: its CUDA compute capability, (9, 0); None for a CPU, or where the backend does not tell.
        handle: its name in this process, as Keras takes it: GPUs that were not asked for are not counted.
    """

    name: str
    model: str = ""
    capability: tuple[int, int] | None = None
    handle: str = "cpu:0"

    def __str__(self) -> str:
        return f"{self.name} ({self.model})" if self.model else self.name

    @property
    def is_gpu(self) -> bool:
        return self.name.startswith("gpu")


CPU = Device("cpu:0")


def take_devices(text: str = "auto", n_rows: int = 0) -> tuple[Device, ...]:
    """Make the devices ready that the setting asks for, and hide the others from the backend.

    ``auto`` takes a GPU where there is one, as ``gpu`` does: one, and all of them for a table of many rows where the
    backend can share the work. Memory of a GPU is taken as it is needed, and its products keep the whole of float32
    outside the steps of training (see :mod:`training.devices.precision`). Asking again changes nothing.

    Args:
        text: the setting ``device``.
        n_rows: of the table. Defaults to 0.

    Raises:
        DataError: the backend does not see what was asked for, or had started on other devices.
    """
    import keras

    asked = Asked.parse(text)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _tensorflow(asked)
    if backend == "jax":
        return _jax(asked, several=n_rows >= SEVERAL_FROM_ROWS)
    # Training on it is refused where the loop is opened.
    return (CPU,)


def _tensorflow(asked: Asked) -> tuple[Device, ...]:
    import tensorflow as tf

    gpus = [] if asked.kind == "cpu" else tf.config.list_physical_devices("GPU")
    numbers = _numbers(asked, range(len(gpus)), f"TensorFlow {tf.__version__}", "tensorflow", several=False)
    if len(numbers) > 1:
        raise DataError(
            f"Expected one GPU on TensorFlow, on which Keras {_version('keras')} cannot share the work among several. "
            f"Received: {len(numbers)}. Set KERAS_BACKEND=jax ({install_extra(_EXTRA['jax'])}), or take one of them."
        )
    taken = [gpus[i] for i in numbers]
    try:
        tf.config.set_visible_devices(taken, "GPU")
        for gpu in taken:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        # It had started, on what it took by itself.
        if asked.kind != "auto":
            raise DataError(
                f"Expected a process in which TensorFlow has not computed yet, to take other devices. Received: {error}"
                f". Train in a process of its own, as 'trueline train' does."
            ) from error
        taken = tf.config.get_visible_devices("GPU")[:1]
    if not taken:
        return (CPU,)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    details = tf.config.experimental.get_device_details(taken[0])
    number = gpus.index(taken[0])
    return (Device(f"gpu:{number}", details.get("device_name", ""), details.get("compute_capability"), "gpu:0"),)


def _jax(asked: Asked, *, several: bool) -> tuple[Device, ...]:
    import jax

    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # Both change nothing once JAX has started; what it then has is looked through below.
    if asked.kind == "cpu":
        jax.config.update("jax_platforms", "cpu")
    else:
        wanted = ",".join(map(str, asked.numbers)) or ("all" if several else "0")
        jax.config.update("jax_cuda_visible_devices", wanted)
    try:
        everything = list(jax.devices())
    except RuntimeError as error:
        raise DataError(f"Expected JAX to start for --device {asked.kind}. Received: {error}") from error
    seen = {_ordinal(d): d for d in everything if d.platform in _GPU_PLATFORMS}
    numbers = _numbers(asked, sorted(seen), f"JAX {jax.__version__}", "jax", several=several)
    taken = [seen[i] for i in numbers] or jax.devices("cpu")[:1]
    if taken[0] != everything[0]:
        jax.config.update("jax_default_device", taken[0])
    if not numbers:
        return (CPU,)
    jax.config.update("jax_default_matmul_precision", "highest")
    return tuple(
        Device(f"gpu:{i}", str(d.device_kind), _capability(d), f"{d.platform}:{d.id}")
        for i, d in zip(numbers, taken, strict=True)
    )


def _numbers(asked: Asked, seen: Sequence[int], who: str, backend: str, *, several: bool) -> tuple[int, ...]:
    """Numbers of the GPUs to take, of those that the backend sees; none for the CPU."""
    if asked.kind == "cpu" or (asked.kind == "auto" and not seen):
        return ()
    missing = [n for n in asked.numbers if n not in seen]
    if seen and not missing:
        return asked.numbers or (tuple(seen) if several else (seen[0],))
    wanted = f"gpu:{','.join(map(str, asked.numbers))}" if asked.numbers else "gpu"
    found = ", ".join(f"gpu:{n}" for n in seen) or "none"
    advice = _advice(bool(seen), backend)
    raise DataError(f"Expected a GPU for --device {wanted}. Received: {who} sees {found}. {advice}")


def _advice(sees_some: bool, backend: str) -> str:
    """What to do, by what the driver says."""
    if sees_some:
        return "Take one of these; CUDA_VISIBLE_DEVICES hides GPUs, too."
    found = driver()
    if found is None or not found.gpus:
        return "No NVIDIA driver answers on this machine: install it, or take --device cpu."
    names = ", ".join(found.gpus)
    return (
        f"The driver {found.version} sees {names}, so install CUDA's libraries, {install_extra(_EXTRA[backend])}, and "
        "look that CUDA_VISIBLE_DEVICES and JAX_PLATFORMS hide nothing."
    )


def _ordinal(device: Any) -> int:
    """The number by which CUDA, and the user, know a GPU of JAX."""
    number = getattr(device, "local_hardware_id", None)
    return int(device.id if number is None else number)


def _capability(device: Any) -> tuple[int, int] | None:
    major, _, minor = str(getattr(device, "compute_capability", "")).partition(".")
    with contextlib.suppress(ValueError):
        return int(major), int(minor or 0)
    return None


def _version(package: str) -> str:
    from importlib import metadata

    return metadata.version(package)
