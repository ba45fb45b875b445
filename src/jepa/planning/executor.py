"""The closed-loop executor: plan on a proposal graph, walk in the real OGBench point maze, repair the graph.

In each cell the robot takes the move of its route: straight for the next cell's centre, whatever lies
between, or to its own cell's centre to wait for a jump (planner `expected`). In the goal cell it heads for
the goal itself. It knows its position and the map of free cells, never the true edges; the environment
alone decides success ("Verified Planning", execution success).

Repair policies, all forgotten at the end of the episode:

    none    no edge is ever deleted; the robot replans only in that each new cell has its own move
    stall   an edge is deleted after 60 steps on it that do not leave the cell
    full    an edge is deleted when it stalls, or when it leads elsewhere for the second time

An episode ends at success, after `max_steps`, or at once when no route is left: there is nothing more to try.
"""

import contextlib

import numpy as np

from jepa.envs.point_maze import make_env, maze_graph
from jepa.errors import JepaError
from jepa.planning.routing import JUMP, NOWHERE, Route, corrupt, equal_weights
from jepa.random import rng_of, seed_of

STRIDE = 0.2  # units that a full action moves the point in one step
STALL_STEPS = 60  # crossing a cell takes 20 steps
MISLEADS = 2  # once may be a slip at a corner, or one draw of a teleport
REPAIRS = ("none", "stall", "full")
TASKS = (1, 2, 3, 4, 5)


@contextlib.contextmanager
def numpy_seeded(seed):
    """Seed numpy's global generator for a block, then restore it: OGBench draws noise and jumps from it."""
    state = np.random.get_state()
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        np.random.set_state(state)


def run_episode(env, graph, adjacency, weight, task_id, seed, *, planner, cost, repair, max_steps=1000):
    """One episode of an official task.

    env: OGBench point maze. graph: its MazeGraph, of which only the map of free cells is used.
    adjacency (n, n) bool, weight (n, n) float: the proposal graph. task_id: 1..5. planner, cost: see
    `routing.Route`. repair: `none`, `stall` or `full`. seed: fixes the noise of start and goal and the
    outcome of the k-th teleport, whatever the graph, so that arms are paired.
    Returns {task, success (0 or 1), steps, replans, removed}: replans counts the departures from a plan
    (arrived elsewhere, or an edge was deleted), removed counts the deletions.
    """
    if repair not in REPAIRS:
        raise JepaError(f"Repair policy '{repair}' is unknown; use one of {', '.join(REPAIRS)}.")
    simulator = env.unwrapped  # the steps are counted here, not by the TimeLimit wrapper
    with numpy_seeded(seed):
        simulator.reset(options={"task_id": int(task_id)}, seed=seed % 2**32)
        goal = tuple(float(value) for value in simulator.cur_goal_xy)
        route = Route(adjacency, weight, graph.adjacent, graph.cell_of(goal), planner, cost)
        return {"task": int(task_id), **drive(simulator, graph, route, goal, repair, max_steps)}


def drive(simulator, graph, route, goal, repair, max_steps):
    """The control loop of `run_episode`. goal: (x, y). Returns {success, steps, replans, removed}."""
    cell_at, centres = cell_lookup(graph), graph.centres.tolist()
    qpos = simulator.data.qpos  # a live view; the observation of a step is stale when the step teleports
    action = np.zeros(2)
    x, y = qpos.tolist()
    cell = cell_at(x, y)
    move = route.moves[cell]
    steps = fruitless = replans = removed = success = 0
    misled = {}

    while steps < max_steps and (cell == route.goal or move != NOWHERE):
        # Head for the next point at full speed, without overshooting it.
        to_x, to_y = goal if cell == route.goal else centres[cell if move == JUMP else move]
        dx, dy = to_x - x, to_y - y
        speed = 1 / max((dx * dx + dy * dy) ** 0.5, STRIDE)
        action[0], action[1] = dx * speed, dy * speed
        info = simulator.step(action)[4]
        steps += 1
        if info["success"]:
            success = 1
            break

        # Judge the edge: it still has time, it arrived, or it failed.
        x, y = qpos.tolist()
        arrival = cell_at(x, y)
        fruitless += 1
        moved = arrival not in (cell, -1)  # pressed into a wall, the point counts as where it was
        failed = False
        if cell == route.goal:
            pass  # on no edge
        elif moved and not route.fulfils(cell, move, arrival):
            misled[cell, move] = misled.get((cell, move), 0) + 1
            replans += 1
            failed = repair == "full" and misled[cell, move] >= MISLEADS
        elif not moved and fruitless >= STALL_STEPS and repair != "none":
            replans += 1
            failed = True
        if failed:
            route.delete(cell, move)
            removed += 1
        if moved or failed:
            cell = arrival if moved else cell
            move, fruitless = route.moves[cell], 0
    return {"success": success, "steps": steps, "replans": replans, "removed": removed}


def cell_lookup(graph):
    """`graph.cell_of` without numpy, for the step loop. Returns a function (x, y) -> cell id, -1 in walls."""
    ids, unit = graph.ids.tolist(), graph.unit

    def cell_at(x, y):
        return ids[int(y / unit + 1.5)][int(x / unit + 1.5)]  # the outer walls keep the point on the map

    return cell_at


def execute(
    maze,
    adjacency,
    weight,
    *,
    planner,
    cost,
    repair,
    episodes,
    seed,
    max_steps=1000,
    env=None,
    progress=False,
):
    """`episodes` episodes of each official task. adjacency (n, n) bool, weight (n, n): the proposal graph.

    env: an environment of this maze to use instead of a new one. The noise of (seed, task, episode) is the
    same for every graph, planner, cost and repair policy.
    Returns a list of {task, episode, success, steps, replans, removed}.
    """
    from tqdm import tqdm

    graph = maze_graph(maze)
    for name, array in (("adjacency", adjacency), ("weight", weight)):
        if np.shape(array) != graph.edges.shape:
            raise JepaError(
                f"The {name} for {maze} has shape {np.shape(array)}, but this maze has {len(graph.cells)} "
                "cells; pass the proposal graph of this maze."
            )
    own = make_env(maze) if env is None else None
    cases = [(task, episode) for task in TASKS for episode in range(episodes)]
    results = []
    try:
        for task, episode in tqdm(cases, desc=f"execute {maze}", disable=not progress):
            result = run_episode(
                own or env,
                graph,
                adjacency,
                weight,
                task,
                seed_of("execution", maze, seed, task, episode),
                planner=planner,
                cost=cost,
                repair=repair,
                max_steps=max_steps,
            )
            results.append({**result, "episode": episode})
    finally:
        if own is not None:
            own.close()
    return results


def planners_of(maze):
    """Planners that the protocol runs on a maze: expected cost only where there are teleports."""
    return ("dijkstra", "expected") if len(maze_graph(maze).inbound) else ("dijkstra",)


def soundness(method, maze, seed, *, episodes, share=0.1, max_steps=1000, progress=False):
    """Is the executor itself sound? ("Verified Planning": true paths, and 10 % false edges.)

    method: `truth` runs the true graph with full repair; `truth-corrupted` runs it with `share` * |E| false
    edges, drawn by `seed`, with every repair policy. The edges of a cell weigh the same.
    Returns the `runs` of the execution file: a list of {readout, planner, cost, repair, episodes}.
    """
    edges = maze_graph(maze).edges
    if method == "truth":
        repairs = ("full",)
    elif method == "truth-corrupted":
        edges, repairs = corrupt(edges, share, rng_of("corrupt", maze, seed)), REPAIRS
    else:
        raise JepaError(f"There is no soundness check named '{method}'; use 'truth' or 'truth-corrupted'.")
    weight = equal_weights(edges)
    runs = []
    for planner in planners_of(maze):
        for repair in repairs:
            options = {"planner": planner, "cost": "neglogpi", "repair": repair}
            results = execute(
                maze,
                edges,
                weight,
                **options,
                episodes=episodes,
                seed=seed,
                max_steps=max_steps,
                progress=progress,
            )
            runs.append({"readout": "raw", **options, "episodes": results})
    return runs
