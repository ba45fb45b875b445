"""Routes towards one goal cell, on a graph that shrinks while the robot learns which edges do not exist.

Two planners give every cell its next move ("Verified Planning"):

    dijkstra   every edge is taken at its word: the cheapest route, an optimist's
    expected   jumps are chance: the robot picks the moment of a jump, the maze picks the destination

For `expected`, an edge between 4-neighbours is a walk and any other edge can only be a jump. That rule uses
the robot's map of free cells and nothing about which edges are true.
"""

import numpy as np

from jepa.errors import JepaError
from jepa.planning.graph import SMALLEST_WEIGHT, dijkstra, edge_costs

NOWHERE = -1  # no route is left, or the cell is the goal
JUMP = -2  # wait for any of the cell's jumps

DEAD_END = 1e6  # cost of a cell without a route: dwarfs every route, so that risk is compared before length
CROSSING = 1e-3  # least cost of a move, so that edges of probability 1 cannot be circled for nothing


def optimistic_moves(adjacency, weight, goal, cost):
    """Next cell of each cell on the cheapest route to the goal. adjacency, weight: (n, n). goal: cell id.

    cost: `neglogpi` or `uniform`, see `graph.edge_costs`.
    Returns (n,) int, NOWHERE at the goal and where no route is left.
    """
    # One search from the goal on the reversed graph gives the routes of all cells.
    return dijkstra(edge_costs(adjacency, weight, cost).T, goal)[1]


def expected_moves(adjacency, weight, adjacent, goal, cost):
    """Move of each cell that minimises the expected cost to the goal, when jumps are stochastic.

    The jumps of a cell c (edges to cells that are not 4-neighbours) are one move that leads to each of them
    in proportion to its weight. They are also a risk for those who only walk through, because a teleport
    asks nobody: the share q_c of the cell's weight that is on jumps is the chance that a walk ends in one.

        Q(c, walk to t) = cost(c, t) + (1 - q_c) V(t) + q_c J(c)        J(c) = sum_s p(s | jump from c) V(s)
        Q(c, jump)      = cost of the jumps taken together + J(c)
        V(c)            = min over the moves of c and giving up;   V(goal) = 0.

    Giving up costs DEAD_END plus the optimistic route, so that cells without real hope still follow that
    route. Solved by policy iteration from giving up everywhere, which converges exactly in about as many
    rounds as the longest route has cells; every policy on the way ends somewhere, because no move is free.

    adjacency, weight, adjacent: (n, n). goal: cell id. cost: `neglogpi` or `uniform`.
    Returns (n,) int: a 4-neighbour's id, JUMP, or NOWHERE at the goal and where no route is left.
    """
    cells = np.arange(len(adjacency))
    optimistic, _ = dijkstra(edge_costs(adjacency, weight, cost).T, goal)
    reachable = np.isfinite(optimistic)
    surrender = DEAD_END + np.where(reachable, optimistic, optimistic[reachable].max() + 1)

    mass = np.where(adjacency, np.maximum(weight, SMALLEST_WEIGHT), 0.0)
    jumps = np.where(adjacent, 0.0, mass)
    jump_mass, total = jumps.sum(1), mass.sum(1)
    outcome = jumps / np.where(jump_mass > 0, jump_mass, 1)[:, None]
    risk = jump_mass / np.where(total > 0, total, 1)
    walk_cost = edge_costs(adjacency & adjacent, weight, cost) + CROSSING
    jump_cost = edge_costs(jump_mass > 0, jump_mass, cost) + CROSSING

    value = surrender.copy()
    value[goal] = 0.0
    for _ in range(10 * len(cells)):  # converges long before; the bound is against rounding in ties
        chance = outcome @ value
        walk = walk_cost + (1 - risk)[:, None] * value
        step = walk.argmin(1)
        options = np.stack([surrender, walk[cells, step] + risk * chance, jump_cost + chance])
        choice = options.argmin(0)
        choice[goal] = 0
        better = evaluate(choice, step, outcome, risk, walk_cost, jump_cost, surrender, goal)
        if (better >= value - 1e-6).all():
            break
        value = better
    move = np.where(options[1] <= options[2], step, JUMP)
    return np.where(reachable & (cells != goal), move, NOWHERE)


def evaluate(choice, step, outcome, risk, walk_cost, jump_cost, surrender, goal):
    """Expected cost of a policy, V = c + P V. Returns (n,).

    choice: (n,) int, 0 gives up, 1 walks to the cell in step (n,), 2 jumps. outcome: (n, n), destinations of
    a jump. risk: (n,), probability that a walk ends in a jump. walk_cost: (n, n). jump_cost, surrender: (n,).
    """
    cells = np.arange(len(choice))
    walks, waits = choice == 1, choice == 2
    transition = (risk * walks + waits)[:, None] * outcome
    transition[cells, step] += (1 - risk) * walks
    price = np.where(walks, walk_cost[cells, step], np.where(waits, jump_cost, surrender))
    price[goal] = 0.0
    return np.linalg.solve(np.eye(len(cells)) - transition, price)


class Route:
    """The current plan to one goal cell, and the edges that it may still use.

    adjacency: (n, n) bool, weight: (n, n) float, the proposal graph, left unchanged. adjacent: (n, n) bool,
    which free cells are 4-neighbours. goal: cell id. planner: `dijkstra` or `expected`. cost: `neglogpi` or
    `uniform`. `moves[cell]` is the next cell, JUMP or NOWHERE.
    Raises JepaError for an unknown planner or cost.
    """

    def __init__(self, adjacency, weight, adjacent, goal, planner, cost):
        if planner not in ("dijkstra", "expected"):
            raise JepaError(f"Planner '{planner}' is unknown; use 'dijkstra' or 'expected'.")
        self.adjacency = np.array(adjacency, dtype=bool)
        self.weight, self.adjacent = weight, adjacent
        self.goal, self.planner, self.cost = int(goal), planner, cost
        self.plan()

    def plan(self):
        """Search anew with the edges that are left."""
        if self.planner == "dijkstra":
            moves = optimistic_moves(self.adjacency, self.weight, self.goal, self.cost)
        else:
            moves = expected_moves(self.adjacency, self.weight, self.adjacent, self.goal, self.cost)
        self.moves = moves.tolist()

    def fulfils(self, cell, move, arrival):
        """Whether arriving in a cell is what the move promised."""
        if move == JUMP:
            return bool(self.adjacency[cell, arrival] and not self.adjacent[cell, arrival])
        return arrival == move

    def delete(self, cell, move):
        """Remove the edge of a move, for JUMP all the cell's jumps, and plan again."""
        if move == JUMP:
            self.adjacency[cell] &= self.adjacent[cell]
        else:
            self.adjacency[cell, move] = False
        self.plan()


def equal_weights(adjacency):
    """Weight 1 / out-degree on every edge. adjacency: (n, n) bool. Returns (n, n) float."""
    return adjacency / np.maximum(adjacency.sum(axis=1, keepdims=True), 1)


def corrupt(adjacency, share, rng):
    """Add round(share * |E|) false edges, drawn uniformly among the absent off-diagonal ones ("Verified
    Planning": the truth graph corrupted with 10 % false edges).

    adjacency: (n, n) bool. share: of the number of its edges. rng: numpy Generator. Returns (n, n) bool.
    """
    absent = np.flatnonzero(~(adjacency | np.eye(len(adjacency), dtype=bool)))
    wanted = round(share * int(adjacency.sum()))
    if not 0 <= wanted <= len(absent):
        raise JepaError(
            f"Cannot add {wanted} false edges to a graph with room for {len(absent)}; choose a smaller share."
        )
    corrupted = adjacency.copy()
    corrupted.flat[rng.choice(absent, wanted, replace=False)] = True
    return corrupted
