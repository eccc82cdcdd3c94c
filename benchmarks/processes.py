"""Candidates in processes of their own: what the asking side does. worker.py is the other side."""

import json
import os
import select
import subprocess
import sys
import tempfile

BACKENDS = {
    "graph": "tensorflow",
    "xla": "tensorflow",
    "jax": "jax",
    "torch": "torch",
    "eager": "torch",
    "compile": "torch",
}
"""The framework, and Keras backend, of each mode; of "xla_folded" that of "xla"."""


class Worker:
    """A process that answers requests, one at a time.

    Args:
        python: its interpreter.
        backend: its Keras backend.
        threads: it may use so many cores; 0: all.
        timeout: seconds until an answer counts as an error and the process is ended.
        legacy: whether TensorFlow's `keras` is Keras 2.
        module: what it runs.
    """

    def __init__(self, python, backend="tensorflow", threads=0, timeout=None, legacy=False, module="benchmarks.worker"):
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
            [python, "-m", module],
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


def backend_of(mode):
    """The framework, and Keras backend, of a mode."""
    return BACKENDS[mode.split("_")[0]]


def serve(answer):
    """The answering side: calls `answer(**request)` for each line of standard input and prints what it gives.

    What libraries print goes to standard error. An exception is an answer too: {"error": ...}.
    """
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    keep_cores()
    for line in sys.stdin:
        try:
            given = answer(**json.loads(line))
        except Exception as error:  # the asking side puts it into its table
            given = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(given), file=out, flush=True)


def keep_cores():
    """Keeps this process to the first BENCHMARK_CORES cores, where the system can do that."""
    count = int(os.environ.get("BENCHMARK_CORES", 0))
    if count and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def resident():
    """The largest memory of this process so far, in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
