"""What a run will do and what it may cost, said before it starts."""

from collections import defaultdict


def forecast(jobs, cores, scale, disk_gb=None):
    """Text of a small table: jobs, core time, GPU-hours, disk and how long it takes.

    jobs: iterable of (rule name, expected seconds of one job on one core, GPUs that it asks for). cores: at once.
    disk_gb: GB that the run will write; None where that is not known. The time divides the work evenly over the
    cores; all of it is a forecast from config.yaml, not a promise.
    """
    work, gpu_seconds = defaultdict(list), 0.0
    for rule, expected, gpus in jobs:
        work[rule].append(float(expected))
        gpu_seconds += float(expected) * gpus
    total = sum(sum(times) for times in work.values())
    lines = [f"scale {scale}: {sum(map(len, work.values()))} jobs on {cores} cores"]
    for rule, times in sorted(work.items(), key=lambda item: -sum(item[1])):
        lines.append(f"  {len(times):5d} x {rule:<20} about {duration(sum(times))} of one core")
    costs = [f"core time about {duration(total)}", f"GPU-hours {_rounded(gpu_seconds / 3600)}"]
    costs += [] if disk_gb is None else [f"disk about {_rounded(disk_gb)} GB"]
    lines.append("; ".join(costs))
    lines.append(f"expected to take about {duration(total / cores)} (progress below; logs under logs/{scale}/)")
    return "\n".join(lines)


def duration(seconds):
    """45 -> '45 s', 600 -> '10 min', 9000 -> '2.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _rounded(amount):
    """0 -> '0', 0.26 -> '0.3', 812.4 -> '812'; an amount too small for that is not called nothing: '< 0.1'."""
    if 0 < amount < 0.1:
        return "< 0.1"
    return f"{amount:.0f}" if amount == 0 or amount >= 10 else f"{amount:.1f}"
