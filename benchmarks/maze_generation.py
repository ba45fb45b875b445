"""Our generator of the point-maze datasets against OGBench's own step loop, in one run: ratio of times, and the bits.

python benchmarks/maze_generation.py
"""

import argparse
import time

import numpy as np

from jepa.data.generate_mazes import FastWalker, SimulatorWalker, generate_rows
from jepa.envs.point_maze import MAZES


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.02, help="of the official number of episodes")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for spec in MAZES.values():
        episodes = max(1, round(arguments.share * spec.train_episodes))
        rows, seconds = [], []
        for walker in (SimulatorWalker, FastWalker):
            began = time.perf_counter()
            rows.append(generate_rows(spec, episodes, arguments.seed, walker))
            seconds.append(time.perf_counter() - began)
        same = "identical bits" if np.array_equal(*rows) else "DIFFERENT bits"
        steps = rows[0].shape[0] * rows[0].shape[1]
        print(
            f"{spec.dataset}: {steps} steps, OGBench's loop {1e6 * seconds[0] / steps:.0f} us a step, ours "
            f"{1e6 * seconds[1] / steps:.1f}: {seconds[0] / seconds[1]:.0f} times faster, {same}"
        )


if __name__ == "__main__":
    main()
