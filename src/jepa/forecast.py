"""What a run will do and how long it may take, said before it starts."""

from collections import defaultdict


def forecast(jobs, cores, scale):
    """Text of a small table. jobs: iterable of (rule name, expected seconds on one core); cores: at once.

    The total divides the work evenly over the cores; it is a forecast from config.yaml, not a promise.
    """
    work = defaultdict(list)
    for rule, expected in jobs:
        work[rule].append(float(expected))
    total = sum(sum(times) for times in work.values())
    lines = [f"scale {scale}: {sum(map(len, work.values()))} jobs on {cores} cores"]
    for rule, times in sorted(work.items(), key=lambda item: -sum(item[1])):
        lines.append(f"  {len(times):5d} x {rule:<20} about {duration(sum(times))} of one core")
    lines.append(f"expected to take about {duration(total / cores)} (progress below; logs under logs/{scale}/)")
    return "\n".join(lines)


def duration(seconds):
    """45 -> '45 s', 600 -> '10 min', 9000 -> '2.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
