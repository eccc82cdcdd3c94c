"""What the children have in common: they answer requests, time steps and measure their memory."""

import json
import os
import sys
import time


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


def timed(step, count):
    """{"wall_s", "cpu_s"} of so many steps, after one that isn't counted.

    Args:
        step: function of whether to wait for what it computes.
    """
    step(True)
    wall, cpu = time.perf_counter(), time.process_time()
    for i in range(count):
        step(i + 1 == count)
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
