"""The choice of devices. Fakes of the backends and the driver stand for GPUs; refusals are real."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import keras
import pytest

from artifact.errors import DataError
from artifact.lineage import Lineage
from tests.training.conftest import mixed_table
from training.devices import devices
from training.devices.backend import load_backend
from training.devices.computed import Computed
from training.devices.devices import Device, DeviceChoice, take_devices
from training.devices.driver import Driver, driver
from training.settings.config import TrainConfig
from trueline.main import run


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("auto", DeviceChoice("auto")),
        ("cpu", DeviceChoice("cpu")),
        ("gpu", DeviceChoice("gpu")),
        ("gpu:1", DeviceChoice("gpu", (1,))),
        ("gpu:2,0", DeviceChoice("gpu", (2, 0))),
    ],
)
def test_the_setting_is_read(text, choice):
    assert DeviceChoice.parse(text) == choice
    assert TrainConfig.build(None, {"device": text}).device == text


@pytest.mark.parametrize("text", ["tpu", "gpu:", "gpu:a", "gpu:0,", "gpu:-1", "cpu:0", "auto:1", "", "GPU"])
def test_another_device_is_one_sentence_that_lists_those_there_are(text):
    with pytest.raises(DataError, match=r"Expected another 'device': one of auto, cpu, gpu, .* Received: device="):
        TrainConfig.build(None, {"device": text})


def test_a_gpu_is_asked_for_once():
    with pytest.raises(DataError, match=r"each GPU once. Received: device='gpu:0,0'"):
        TrainConfig.build(None, {"device": "gpu:0,0"})


class TensorFlow:
    """A fake of ``tf.config`` with two GPUs; it records the calls."""

    def __init__(self, monkeypatch, started=None):
        import tensorflow as tf

        self.gpus = [SimpleNamespace(name=f"physical {i}") for i in range(2)]
        self.visible, self.grown, self.tf32 = None, [], []
        self.started = started
        config, experimental = tf.config, tf.config.experimental
        monkeypatch.setattr(config, "list_physical_devices", lambda kind: self.gpus)
        monkeypatch.setattr(config, "set_visible_devices", self.show)
        monkeypatch.setattr(config, "get_visible_devices", lambda kind: self.started)
        monkeypatch.setattr(experimental, "set_memory_growth", lambda gpu, on: self.grown.append((gpu.name, on)))
        monkeypatch.setattr(experimental, "enable_tensor_float_32_execution", self.tf32.append)
        details = {"device_name": "NVIDIA H100 80GB HBM3", "compute_capability": (9, 0)}
        monkeypatch.setattr(experimental, "get_device_details", lambda gpu: details)

    def show(self, gpus, kind):
        if self.started is not None and gpus != self.started:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.visible = [gpu.name for gpu in gpus]


@pytest.mark.parametrize(("text", "number"), [("auto", 0), ("gpu", 0), ("gpu:1", 1)])
def test_tensorflow_takes_one_gpu_with_memory_growth_and_hides_the_others(monkeypatch, text, number):
    fake = TensorFlow(monkeypatch)
    (device,) = take_devices(text, n_rows=10_000_000)
    assert device == Device(f"gpu:{number}", "NVIDIA H100 80GB HBM3", (9, 0), "gpu:0")
    assert fake.visible == [f"physical {number}"]
    assert fake.grown == [(f"physical {number}", True)]
    # This is the setting outside the steps, see training.devices.precision.
    assert fake.tf32 == [False]
    assert str(device) == f"gpu:{number} (NVIDIA H100 80GB HBM3)"


def test_cpu_keeps_tensorflow_away_from_gpus(monkeypatch):
    fake = TensorFlow(monkeypatch)
    assert take_devices("cpu") == (Device("cpu:0"),)
    assert (fake.visible, fake.grown, fake.tf32) == ([], [], [])


def test_several_gpus_on_tensorflow_are_refused_with_the_way_out(monkeypatch):
    TensorFlow(monkeypatch)
    with pytest.raises(DataError, match=r"Expected one GPU on TensorFlow.* Received: 2\. Set KERAS_BACKEND=jax"):
        take_devices("gpu:0,1")


def test_a_gpu_that_is_not_there_is_refused_with_those_that_are(monkeypatch):
    TensorFlow(monkeypatch)
    with pytest.raises(DataError, match=r"--device gpu:1,2\. Received: TensorFlow .* sees gpu:0, gpu:1\. Take one"):
        take_devices("gpu:1,2")


def test_a_process_that_has_started_on_other_devices_is_refused(monkeypatch):
    fake = TensorFlow(monkeypatch)
    fake.started = fake.gpus[:1]
    with pytest.raises(DataError, match=r"has not computed yet.* Received: Visible devices cannot be modified"):
        take_devices("cpu")
    assert take_devices("gpu:0")[0].name == take_devices("auto")[0].name == "gpu:0"
    # The devices that it took by itself are good enough for the setting ``auto``.
    fake.started = fake.gpus[1:]
    assert take_devices("auto")[0].name == "gpu:1"


class Jax(SimpleNamespace):
    """A fake of the module ``jax`` on a machine with GPUs of these numbers; ``settings`` has its settings."""

    __version__ = "0.10"

    def __init__(self, numbers, monkeypatch, default=None):
        kind = "NVIDIA A100-SXM4-80GB"
        gpu = {"platform": "gpu", "device_kind": kind, "compute_capability": "8.0"}
        self.gpus = [SimpleNamespace(id=i, local_hardware_id=n, **gpu) for i, n in enumerate(numbers)]
        self.cpu = SimpleNamespace(id=0, platform="cpu", device_kind="cpu")
        self.settings = {}
        self.config = SimpleNamespace(update=self.settings.__setitem__)
        monkeypatch.setitem(sys.modules, "jax", self)
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")

    def devices(self, platform=None):
        return [self.cpu] if platform == "cpu" or not self.gpus else self.gpus


@pytest.mark.parametrize(
    ("text", "n_rows", "visible", "names"),
    [
        ("auto", 1_000, "0", ["gpu:0"]),
        ("gpu", 1_000, "0", ["gpu:0"]),
        # There is enough work for all of them.
        ("auto", 1_000_000, "all", ["gpu:0", "gpu:1", "gpu:2"]),
        ("gpu:1", 1_000_000, "1", ["gpu:1"]),
        ("gpu:2,0", 1_000, "2,0", ["gpu:2", "gpu:0"]),
    ],
)
def test_jax_takes_one_gpu_or_several(monkeypatch, text, n_rows, visible, names):
    fake = Jax([0, 1, 2], monkeypatch)
    devices = take_devices(text, n_rows)
    assert [device.name for device in devices] == names
    assert fake.settings["jax_cuda_visible_devices"] == visible
    assert fake.settings["jax_default_matmul_precision"] == "highest"
    assert {(device.model, device.capability) for device in devices} == {("NVIDIA A100-SXM4-80GB", (8, 0))}


def test_jax_counts_gpus_as_cuda_does_where_it_sees_only_some(monkeypatch):
    fake = Jax([3], monkeypatch)
    assert take_devices("gpu:3") == (Device("gpu:3", "NVIDIA A100-SXM4-80GB", (8, 0), "gpu:0"),)
    assert "jax_default_device" not in fake.settings
    # It had started on gpu:3, so gpu:0 is another one.
    with pytest.raises(DataError, match=r"--device gpu:0\. Received: JAX 0.10 sees gpu:3"):
        take_devices("gpu:0")


def test_cpu_keeps_jax_away_from_gpus_even_where_it_has_started(monkeypatch):
    fake = Jax([0], monkeypatch)
    assert take_devices("cpu") == (Device("cpu:0"),)
    assert fake.settings == {"jax_platforms": "cpu", "jax_default_device": fake.cpu}


def test_without_gpus_auto_computes_on_the_cpu(monkeypatch):
    fake = Jax([], monkeypatch)
    assert take_devices("auto", 1_000_000) == (Device("cpu:0"),)
    assert "jax_default_matmul_precision" not in fake.settings


@pytest.mark.parametrize(
    ("nvidia", "advice"),
    [
        (None, "No NVIDIA driver answers on this machine: install it, or take --device cpu"),
        (Driver("570.86", ("NVIDIA L4",)), r"driver 570.86 sees NVIDIA L4, .* pip install '\.\[gpu-jax\]'"),
    ],
)
def test_the_refusal_says_whether_driver_or_libraries_are_missing(monkeypatch, nvidia, advice):
    Jax([], monkeypatch)
    monkeypatch.setattr(devices, "driver", lambda: nvidia)
    with pytest.raises(
        DataError, match=rf"Expected a GPU for --device gpu\. Received: JAX 0.10 sees none\. .*{advice}"
    ):
        take_devices("gpu")


class Nvml(SimpleNamespace):
    """A fake of the module ``pynvml``; some of its calls may fail."""

    class NVMLError(Exception):
        pass

    def __init__(self, monkeypatch, fails=()):
        answers = {
            "nvmlInit": None,
            "nvmlDeviceGetCount": 2,
            "nvmlSystemGetDriverVersion": b"570.86",
            "nvmlShutdown": None,
        }
        for name, answer in answers.items():
            setattr(self, name, self._answering(name, answer, fails))
        self.nvmlDeviceGetHandleByIndex = lambda i: i
        self.nvmlDeviceGetName = lambda i: f"GPU {i}"
        monkeypatch.setitem(sys.modules, "pynvml", self)

    def _answering(self, name, answer, fails):
        def call():
            if name in fails:
                raise self.NVMLError
            return answer

        return call


def test_the_driver_is_asked(monkeypatch):
    Nvml(monkeypatch)
    assert driver() == Driver("570.86", ("GPU 0", "GPU 1"))
    for fails in ("nvmlInit", "nvmlDeviceGetCount"):
        Nvml(monkeypatch, fails=(fails,))
        assert driver() is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert driver() is None


def test_the_command_exits_with_2_and_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    mixed_table(60).write_csv(tmp_path / "t.csv")
    assert run(["train", str(tmp_path / "t.csv"), "--target", "price", "--device", "gpu:99"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("Error: Expected a GPU for --device gpu:99. Received: TensorFlow")
    assert not list(tmp_path.glob("models/*"))


def test_lineage_says_what_computed(trained):
    lineage = trained.manifest.lineage
    (device,) = load_backend("auto")
    assert lineage.device == str(device)
    assert lineage.config["device"] == lineage.config["precision"] == "auto"
    assert lineage.computed == f"tensorflow on {device}, {lineage.precision}"
    shared = {"device": "gpu:0 (L4), gpu:1 (L4)", "distribution": "8 networks shared among 2 devices"}
    assert lineage.model_copy(update=shared).computed.endswith(", 8 networks shared among 2 devices")
    old = lineage.model_dump(exclude={"precision", "distribution"})
    assert (Lineage(**old).precision, Lineage(**old).distribution) == ("float32", "one device")
    assert Computed.solved().precision == "float64"
