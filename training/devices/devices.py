"""Chooses the devices that compute: those that ``--device`` names, among those that the backend sees."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from artifact.errors import DataError, install_extra
from training.devices.driver import driver

# The values of the setting, in words.
TAKES = "auto, cpu, gpu, or GPUs by number: gpu:0, gpu:0,1"
# From this many rows on, steps are large enough for several GPUs to share the networks, even if no numbers are set.
SEVERAL_FROM_ROWS = 500_000
# JAX calls the platform of every GPU "gpu" today, and has announced that it will say "cuda" or "rocm".
_GPU_PLATFORMS = ("gpu", "cuda", "rocm")
_EXTRA = {"tensorflow": "gpu", "jax": "gpu-jax"}


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """The value of ``--device``.

    Attributes:
        kind: ``auto``, ``cpu`` or ``gpu``.
        numbers: numbers of GPUs, as the backend counts those that it sees; empty for any.
    """

    kind: str
    numbers: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the setting.

        Raises:
            ValueError: it is not one of :data:`TAKES`.
        """
        kind, _, numbers = text.partition(":")
        gpus = tuple(int(n) for n in numbers.split(",")) if re.fullmatch(r"\d{1,4}(,\d{1,4})*", numbers) else ()
        has_numbers = text != kind
        if kind not in ("auto", "cpu", "gpu") or (has_numbers and (kind != "gpu" or not gpus)):
            raise ValueError(f"one of {TAKES}")
        if len(set(gpus)) < len(gpus):
            raise ValueError("each GPU once")
        return cls(kind, gpus)


@dataclass(frozen=True, slots=True)
class Device:
    """A device that computes.

    Attributes:
        name: ``cpu:0``, or a GPU by the number that the user knows, ``gpu:1``.
        model: the driver's name for it, ``NVIDIA H100 80GB HBM3``; empty for a CPU.
        capability: its CUDA compute capability, (9, 0); None for a CPU, or if the backend does not give it.
        handle: its name in this process, as Keras takes it: hidden GPUs are not counted.
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
    """Prepare the devices that the setting names, and hide the others from the backend.

    ``auto`` takes a GPU where there is one, as ``gpu`` does. It takes all GPUs for a table of many rows, if the backend
    can share the work. Memory of a GPU is taken as it is needed. Its products have the full precision of float32
    outside the steps of training (see :mod:`training.devices.precision`). A second call changes nothing.

    Args:
        text: the setting ``device``.
        n_rows: rows of the table. Defaults to 0.

    Raises:
        DataError: the backend does not see these devices, or had started on others.
    """
    import keras

    choice = DeviceChoice.parse(text)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _tensorflow(choice)
    if backend == "jax":
        return _jax(choice, several=n_rows >= SEVERAL_FROM_ROWS)
    # Training on other backends is refused when the loop is opened.
    return (CPU,)


def _tensorflow(choice: DeviceChoice) -> tuple[Device, ...]:
    import tensorflow as tf

    gpus = [] if choice.kind == "cpu" else tf.config.list_physical_devices("GPU")
    numbers = _numbers(choice, range(len(gpus)), f"TensorFlow {tf.__version__}", "tensorflow", several=False)
    if len(numbers) > 1:
        raise DataError(
            f"Expected one GPU on TensorFlow, on which Keras {_version('keras')} cannot share the work among several. "
            f"Received: {len(numbers)}. Set KERAS_BACKEND=jax ({install_extra(_EXTRA['jax'])}), or take one of them."
        )
    used = [gpus[i] for i in numbers]
    try:
        tf.config.set_visible_devices(used, "GPU")
        for gpu in used:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        # TensorFlow had started already, on the devices that it took by itself.
        if choice.kind != "auto":
            raise DataError(
                f"Expected a process in which TensorFlow has not computed yet, to take other devices. Received: {error}"
                f". Train in a process of its own, as 'trueline train' does."
            ) from error
        used = tf.config.get_visible_devices("GPU")[:1]
    if not used:
        return (CPU,)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    details = tf.config.experimental.get_device_details(used[0])
    number = gpus.index(used[0])
    return (Device(f"gpu:{number}", details.get("device_name", ""), details.get("compute_capability"), "gpu:0"),)


def _jax(choice: DeviceChoice, *, several: bool) -> tuple[Device, ...]:
    import jax

    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # If JAX has started already, these two settings have no effect; the devices that it has are checked below.
    if choice.kind == "cpu":
        jax.config.update("jax_platforms", "cpu")
    else:
        visible = ",".join(map(str, choice.numbers)) or ("all" if several else "0")
        jax.config.update("jax_cuda_visible_devices", visible)
    try:
        everything = list(jax.devices())
    except RuntimeError as error:
        raise DataError(f"Expected JAX to start for --device {choice.kind}. Received: {error}") from error
    seen = {_ordinal(d): d for d in everything if d.platform in _GPU_PLATFORMS}
    numbers = _numbers(choice, sorted(seen), f"JAX {jax.__version__}", "jax", several=several)
    devices = [seen[i] for i in numbers] or jax.devices("cpu")[:1]
    if devices[0] != everything[0]:
        jax.config.update("jax_default_device", devices[0])
    if not numbers:
        return (CPU,)
    jax.config.update("jax_default_matmul_precision", "highest")
    return tuple(
        Device(f"gpu:{i}", str(d.device_kind), _capability(d), f"{d.platform}:{d.id}")
        for i, d in zip(numbers, devices, strict=True)
    )


def _numbers(
    choice: DeviceChoice, visible_numbers: Sequence[int], observer: str, backend: str, *, several: bool
) -> tuple[int, ...]:
    """Numbers of the GPUs to take, among those that the backend sees; empty for the CPU."""
    if choice.kind == "cpu" or (choice.kind == "auto" and not visible_numbers):
        return ()
    missing = [n for n in choice.numbers if n not in visible_numbers]
    if visible_numbers and not missing:
        return choice.numbers or (tuple(visible_numbers) if several else (visible_numbers[0],))
    setting = f"gpu:{','.join(map(str, choice.numbers))}" if choice.numbers else "gpu"
    names = ", ".join(f"gpu:{n}" for n in visible_numbers) or "none"
    advice = _advice(bool(visible_numbers), backend)
    raise DataError(f"Expected a GPU for --device {setting}. Received: {observer} sees {names}. {advice}")


def _advice(sees_some: bool, backend: str) -> str:
    """What a user can do, from what the NVIDIA driver reports."""
    if sees_some:
        return "Take one of these; CUDA_VISIBLE_DEVICES hides GPUs, too."
    nvidia = driver()
    if nvidia is None or not nvidia.gpus:
        return "No NVIDIA driver answers on this machine: install it, or take --device cpu."
    names = ", ".join(nvidia.gpus)
    return (
        f"The driver {nvidia.version} sees {names}, so install CUDA's libraries, {install_extra(_EXTRA[backend])}, and "
        "check that CUDA_VISIBLE_DEVICES and JAX_PLATFORMS hide nothing."
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
