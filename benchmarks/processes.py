"""Candidates in processes of their own: the side that asks. The side that answers is `benchmarks.children`."""

import json
import os
import select
import subprocess
import sys
import tempfile

BACKENDS = {
    "graph": "tensorflow",
    "xla": "tensorflow",
    "frozen": "tensorflow",
    "openvino": "tensorflow",
    "jax": "jax",
    "torch": "torch",
    "eager": "torch",
    "compile": "torch",
}
"""The framework, and Keras backend, of each mode; of "xla_folded" that of "xla".

OpenVINO's runtime is one for all; the mode's framework is that of the net which is brought there.
"""


class Worker:
    """A process that answers requests, one at a time.

    Args:
        python: its interpreter.
        backend: its Keras backend.
        threads: it may use so many cores; 0: all.
        timeout: seconds until an answer counts as an error and the process is ended.
        legacy: whether TensorFlow's `keras` is Keras 2.
        program: the module of `benchmarks.children` that it runs.
    """

    def __init__(self, python, backend="tensorflow", threads=0, timeout=None, legacy=False, program="run_net"):
        self.timeout = timeout
        self.stderr = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  (`close` closes it)
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": backend}
        # Several processes share a GPU, so none may take all of its memory.
        environment |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
        if threads:
            environment |= dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), str(threads))
            environment["BENCHMARK_CORES"] = str(threads)
        if legacy:
            environment["TF_USE_LEGACY_KERAS"] = "1"
        self.process = subprocess.Popen(
            [python, "-m", f"benchmarks.children.{program}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            text=True,
            env=environment,
        )

    def ask(self, **request):
        """Its answer; {"error": why} if it fails, ends or is late."""
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return self._ended()
        if self.timeout and not select.select([self.process.stdout], [], [], self.timeout)[0]:
            self.process.kill()
            self.process.wait()
            return {"error": f"no answer in {self.timeout:g} s"}
        answer = self.process.stdout.readline()
        return json.loads(answer) if answer else self._ended()

    def _ended(self):
        status = self.process.wait()
        self.stderr.seek(0)
        last = ([line.strip() for line in self.stderr if line.strip()] or [""])[-1]
        return {"error": f"the process ended with {status}: {last[:200]}"}

    def close(self):
        """Ends the process."""
        try:
            self.process.stdin.close()
            self.process.wait(30)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.stderr.close()


def python_of(candidate, peer_python):
    """The interpreter of a candidate: ours runs in this one."""
    return sys.executable if candidate.startswith("vitgraph") else peer_python


def backend_of(mode, candidate=""):
    """The framework, and Keras backend, of a mode; timm is always on PyTorch."""
    return "torch" if candidate == "timm" else BACKENDS[mode.split("_")[0]]
