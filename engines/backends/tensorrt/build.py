"""Building: an ONNX file's bytes go in, a serialized engine ("plan") comes out.

With TensorRT-RTX this needs neither GPU nor driver: it compiles ahead of time for the compute
capabilities that are named, and what it makes is finished for the very GPU when it is first loaded.
TensorRT compiles for the device that is present and measures on it.

Networks are strongly typed, so the types in the file are the precision; TF32, which would quietly
take ten bits from fp32 products, is off. All shapes are fixed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any

from engines.backends.tensorrt import package
from engines.backends.tensorrt.api import trt
from engines.backends.tensorrt.log import LOG
from engines.backends.tensorrt.monitor import Monitor
from engines.backends.tensorrt.package import Package
from engines.backends.tensorrt.refusal import refusal, refused_by_parser
from engines.errors import BuildCancelled, UnsupportedNetwork
from engines.progress import Progress

CAPABILITIES = ("SM75", "SM86", "SM89", "SM120")
"""Turing, Ampere, Ada and Blackwell as most people have them: what ours are built for in tests."""
PRECISION = "as typed, no TF32"
WORKSPACE = 2 << 30
"""Bytes of device memory that a layer may use for its intermediate results."""

_POLL_S = 0.1
_one_at_a_time = Lock()  # a build takes gigabytes of memory

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Built:
    """A plan, and what it took."""

    plan: bytes
    layers: int
    """Of the network as it was read."""
    parse_s: float
    """Of the processor's time, all threads together."""
    build_s: float
    """The same; with TensorRT, the device's time comes on top."""


def build(
    onnx: bytes,
    name: str,
    *,
    capabilities: Sequence[str],
    shapes: Shapes | None = None,
    workspace: int = WORKSPACE,
    cancelled: Event | None = None,
) -> Built:
    """Builds the network called `name`; takes seconds with TensorRT-RTX, minutes with TensorRT.

    `capabilities`: what TensorRT-RTX builds for, as `SM89`; empty: all that it knows. TensorRT
    builds for the present device whatever is named. `shapes`: of inputs, where the file leaves
    sizes open. Ends soon after `cancelled` is set, by `BuildCancelled`, or after Ctrl-C. Raises
    `UnsupportedNetwork`, and `BackendUnavailable` for a capability that the package does not know.
    """
    stop = Event()
    monitor = Monitor(lambda: not stop.is_set() and not (cancelled and cancelled.is_set()))
    target = "+".join(capabilities) or "all devices"
    work = _Work(package.find(), onnx, name, tuple(capabilities), shapes or {}, workspace, monitor)
    with ThreadPoolExecutor(1, "tensorrt-build") as executor:
        # Not in this thread: a Ctrl-C raised within TensorRT's callbacks would end the process.
        future = executor.submit(work.run)
        try:
            with Progress(
                f"{name} for {target}", 100, unit="%", doing="building", done="built"
            ) as progress:
                return _followed(future, monitor, progress)
        except BaseException:
            stop.set()
            raise


def _followed(future: Future[Built], monitor: Monitor, progress: Progress) -> Built:
    while True:
        try:
            return future.result(_POLL_S)
        except NotYet:
            if future.done():  # it was the build's own
                raise
            progress.reached(100 * monitor.share)


@dataclass(frozen=True, slots=True)
class _Work:
    package: Package
    onnx: bytes
    name: str
    capabilities: tuple[str, ...]
    shapes: Shapes
    workspace: int
    monitor: Monitor

    def run(self) -> Built:
        """Does it all, in whatever thread."""
        with _one_at_a_time, LOG.errors() as errors:
            self._check_wanted()
            builder = trt.Builder(LOG)
            network = builder.create_network(0)
            began = time.process_time()
            # The network refers to the parser's memory until the plan is made.
            parser = trt.OnnxParser(network, LOG)
            if not parser.parse(self.onnx):
                found = [parser.get_error(index) for index in range(parser.num_errors)]
                raise refused_by_parser(self.package, self.name, found)
            self._fix_shapes(network)
            parsed = time.process_time()
            config = self._config(builder)
            if errors:
                raise refusal(self.package, self.name, errors)
            self._check_wanted()
            plan = builder.build_serialized_network(network, config)
            built = time.process_time()
            if plan is None or errors:
                self._check_wanted()  # it writes an error when it is cancelled, too
                raise refusal(self.package, self.name, errors)
            return Built(bytes(plan), network.num_layers, parsed - began, built - parsed)

    def _fix_shapes(self, network: trt.INetworkDefinition) -> None:
        for index in range(network.num_inputs):
            tensor = network.get_input(index)
            own = tuple(tensor.shape)
            asked = self.shapes.get(tensor.name, own)
            # In both, -1 agrees with any size.
            if len(asked) != len(own) or any(
                -1 not in sizes and sizes[0] != sizes[1] for sizes in zip(own, asked, strict=True)
            ):
                raise UnsupportedNetwork(
                    f"the network {self.name!r} takes {tensor.name!r} of {own}, not of {asked}"
                )
            shape = tuple(map(max, own, asked))
            if -1 in shape:
                raise UnsupportedNetwork(
                    f"the network {self.name!r} leaves sizes of its input {tensor.name!r} open"
                    f" ({shape}), and an engine has fixed ones: name its shape (ModelSpec.inputs)"
                )
            if shape != own:
                tensor.shape = trt.Dims(shape)

    def _config(self, builder: trt.Builder) -> trt.IBuilderConfig:
        config = builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, self.workspace)
        config.clear_flag(trt.BuilderFlag.TF32)
        config.progress_monitor = self.monitor
        if self.package.rtx:
            self._aim(config)
        return config

    def _aim(self, config: Any) -> None:
        """TensorRT-RTX alone has this, so it is not in the stubs of TensorRT."""
        for capability in self.capabilities:
            self.package.check_serves(capability)
        known = self.package.module.ComputeCapability.__members__
        config.num_compute_capabilities = len(self.capabilities)
        for index, capability in enumerate(self.capabilities):
            config.set_compute_capability(known[capability], index)

    def _check_wanted(self) -> None:
        if not self.monitor.wanted():
            raise BuildCancelled(f"the building of the network {self.name!r} was cancelled")
