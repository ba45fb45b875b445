"""The forecast before a run: work adds up, GPUs count only where a job asks for one, disk is what the caller says."""

import re

from jepa.forecast import duration, forecast


def numbers(text, pattern):
    return [float(found) for found in re.findall(pattern, text)]


def test_work_is_divided_over_cores():
    text = forecast([("train_mop", 60, 0), ("train_mop", 60, 0), ("audit_mop", 60, 0)], cores=2, scale="laptop")
    assert "3 jobs on 2 cores" in text and "2 x train_mop" in text
    assert "core time about 3 min" in text and "expected to take about 2 min" in text
    assert [duration(s) for s in (45, 600, 9000)] == ["45 s", "10 min", "2.5 h"]


def test_only_jobs_that_ask_for_a_gpu_cost_gpu_hours():
    jobs = [("train_qantara", 7200, 1), ("train_qantara", 7200, 2), ("measure_dense", 36000, 0)]
    assert numbers(forecast(jobs, 4, "paper"), r"GPU-hours ([\d.]+)") == [6.0]
    assert "GPU-hours 0;" in forecast([("measure_dense", 36000, 0)], 4, "laptop", disk_gb=1)


def test_a_small_cost_is_not_called_nothing():
    assert "GPU-hours < 0.1" in forecast([("train_qantara", 60, 1)], 1, "smoke")
    assert "disk about < 0.1 GB" in forecast([], 1, "smoke", disk_gb=0.01)


def test_disk_is_said_where_it_is_known():
    assert "disk about 2.5 GB" in forecast([], 1, "laptop", disk_gb=2.5)
    assert "disk" not in forecast([], 1, "laptop")


def test_the_rule_with_most_work_stands_first():
    text = forecast([("short", 1, 0), ("long", 100, 0)], 1, "laptop")
    assert text.index("long") < text.index("short")
