"""The numbers behind the cells of MoP-JEPA's tables: each function takes recorded results and gives one `Measure`.

Everywhere: records: Records. methods: the row's methods. mazes: the column's mazes. argument: what follows
the name in the table's declaration. rng: numpy Generator, for bootstrap intervals. Means over seeds carry the
population deviation.
"""

from dataclasses import dataclass, replace
from itertools import combinations

from jepa.envs.point_maze import maze_graph
from jepa.evaluation.statistics import bootstrap_ci, mean_sd, paired_bootstrap, wilson
from jepa.reporting.mop_grid import ARMS, MDN_GRID
from jepa.reporting.records import episodes, seed_values

SEPARATE = 1.5  # fewer distinct successors a cell than this is one prediction; the mazes have 2.1-2.2


@dataclass(frozen=True)
class Measure:
    """One measured cell. n: seeds, or episodes for a rate. lo, hi: 95 % interval, or the ends of a range.

    text: words instead of, or about, the number: `not run`, `undefined`, a verdict. episodes, wilson_lo, wilson_hi:
    for a mean over seeds of rates, the episodes of all seeds together and their Wilson interval.
    """

    value: float | None = None
    sd: float | None = None
    n: int = 0
    lo: float | None = None
    hi: float | None = None
    text: str = ""
    episodes: int | None = None
    wilson_lo: float | None = None
    wilson_hi: float | None = None


NOT_RUN = Measure(text="not run")
UNDEFINED = Measure(text="undefined")


def over_seeds(values, rng):
    """Mean, deviation and bootstrap interval of {seed: value}."""
    if not values:
        return UNDEFINED
    values = list(values.values())
    spread, interval = mean_sd(values), bootstrap_ci(values, rng)
    return Measure(spread["mean"], spread["sd"], spread["n"], interval["low"], interval["high"])


def per_seed(records, methods, mazes, rng, value_of):
    """`over_seeds` of value_of(audit record) for the one method and maze of a cell."""
    found = records.get("audits", methods[0], mazes[0])
    values = {record.data["seed"]: value_of(record) for record in found}
    return over_seeds({k: v for k, v in values.items() if v is not None}, rng) if found else NOT_RUN


def mean(records, methods, mazes, argument, rng):
    """Mean over seeds of the audit's value at a dotted path."""
    return per_seed(records, methods, mazes, rng, lambda record: record.number(argument))


def mean_gated_or_raw(records, methods, mazes, argument, rng):
    """Mean over seeds, gated readout, or raw where the method has no weights."""
    return per_seed(records, methods, mazes, rng, lambda record: record.number(f"{_gated(record)}.{argument}"))


def sweep(records, methods, mazes, argument, rng):
    """Mean over seeds of a field at one point of a sweep: `path field key=point`."""
    path, field, point = argument.split()
    key, _, at = point.partition("=")

    def value_of(record):
        points = record.points(path, key, field)
        return next((p[field] for p in points if abs(p[key] - float(at)) < 1e-9), None)

    return per_seed(records, methods, mazes, rng, value_of)


def edges(records, methods, mazes, argument, rng):
    """Distinct proposed successors a cell: edges of the proposal / cells. argument: the readout."""
    if len(mazes) > 1:
        return _across(mazes, lambda maze: edges(records, methods, (maze,), argument, rng))
    cells = len(maze_graph(mazes[0]).cells)
    return per_seed(records, methods, mazes, rng, lambda record: _over(record.number(f"{argument}.n_edges"), cells))


def codes(records, methods, mazes, argument, rng):
    """Distinct decoded cells / cells (raw readout), which the codebook's planAll must equal."""
    cells = len(maze_graph(mazes[0]).cells)
    return per_seed(records, methods, mazes, rng, lambda record: _over(record.number("raw.n_distinct_decoded"), cells))


def distance(records, methods, mazes, argument, rng):
    """Raw realroute over all pairs whose true distance lies in `low-high`, pairs weighted alike."""
    low, high = (int(part) for part in argument.split("-"))

    def value_of(record):
        points = record.points("raw.distance", "d", "n", "realroute")
        points = [p for p in points if low <= p["d"] <= high and p["realroute"] is not None]
        pairs = sum(p["n"] for p in points)
        return sum(p["n"] * p["realroute"] for p in points) / pairs if pairs else None

    return per_seed(records, methods, mazes, rng, value_of)


def ceiling(records, methods, mazes, argument, rng):
    """Mean over seeds of a ceiling that the hold-out split sets; all audits of a maze and seed agree on it."""
    found = records.audits_of(mazes[0])
    return over_seeds(seed_values(found, f"ceilings.{argument}"), rng) if found else NOT_RUN


def constant(records, methods, mazes, argument, rng):
    """A bound that holds by definition."""
    return Measure(float(argument))


def paired(records, methods, mazes, argument, rng):
    """Mean per-seed difference, first method minus second, over the seeds that both have."""
    first, second = (seed_values(records.get("audits", method, mazes[0]), argument) for method in methods)
    seeds = sorted(set(first) & set(second))
    if not seeds:
        return NOT_RUN
    differences = [first[seed] - second[seed] for seed in seeds]
    interval = paired_bootstrap([first[s] for s in seeds], [second[s] for s in seeds], rng)
    return Measure(interval["mean"], mean_sd(differences)["sd"], len(seeds), interval["low"], interval["high"])


def quotient(records, methods, mazes, argument, rng):
    """Mean of the first method over mean of the second; over several mazes their smallest and largest."""
    if len(mazes) > 1:
        return _across(mazes, lambda maze: quotient(records, methods, (maze,), argument, rng))
    first, second = (mean(records, (method,), mazes, argument, rng) for method in methods)
    if not first.n or not second.n:
        return NOT_RUN
    return Measure(first.value / second.value, n=min(first.n, second.n)) if second.value else UNDEFINED


def value_range(records, methods, mazes, argument, rng):
    """Smallest and largest mean over the mazes; the value is the mean of the means."""
    return _across(mazes, lambda maze: mean(records, methods, (maze,), argument, rng))


def nll(records, methods, mazes, argument, rng):
    """Validation likelihood (`nll` or `nll_gaussian`) of a variant of the MDN; text: `chosen` for the grid's least."""
    measure = mean(records, methods, mazes, f"validation.{argument}", rng)
    return replace(measure, text="chosen") if methods[0] == _chosen(records, MDN_GRID, mazes[0], argument) else measure


def chosen(records, methods, mazes, argument, rng):
    """Of the variant with the least validation likelihood: the audit's value, `likelihood path`; text: which."""
    likelihood, path = argument.split()
    return _picked(records, _chosen(records, methods, mazes[0], likelihood), mazes, path, rng)


def strongest(records, methods, mazes, argument, rng):
    """The highest mean of the audit's value at a path among variants, chosen on the very metric; text: which."""
    means = _means(records, methods, mazes[0], argument)
    return _picked(records, max(means, key=means.get, default=None), mazes, argument, rng)


def _chosen(records, methods, maze, likelihood):
    means = _means(records, methods, maze, f"validation.{likelihood}")
    return min(means, key=means.get, default=None)


def _picked(records, method, mazes, argument, rng):
    if method is None:
        return NOT_RUN
    return replace(mean(records, (method,), mazes, argument, rng), text=MDN_GRID[method])


def _means(records, methods, maze, path):
    """{method: mean over seeds} of the methods that have the value."""
    means = {
        method: mean_sd(seed_values(records.get("audits", method, maze), path).values())["mean"] for method in methods
    }
    return {method: value for method, value in means.items() if value is not None}


def leads(records, methods, mazes, argument, rng):
    """Number of mazes where the method's mean is the highest of all arms; n: mazes with two arms or more."""
    wins = compared = 0
    for maze in mazes:
        means = {arm: mean(records, (arm,), (maze,), argument, rng).value for arm in ARMS}
        ours, others = means.pop(methods[0]), [value for value in means.values() if value is not None]
        if ours is not None and others:
            compared += 1
            wins += ours > max(others)
    return Measure(wins, n=compared) if compared else NOT_RUN


def modes(records, methods, mazes, argument, rng):
    """Does the readout enumerate modes? A word (see Table 6's note); value: distinct successors a cell."""
    found = [record for maze in mazes for record in records.get("audits", methods[0], maze)]
    if not found:
        return NOT_RUN
    counts = [_over(r.number(f"{_gated(r)}.n_edges"), len(maze_graph(r.data["maze"]).cells)) for r in found]
    successors = mean_sd(counts)
    weightless = all(record.number("gated.n_edges") in (None, record.number("raw.n_edges")) for record in found)
    if max(record.number("K") or 1 for record in found) == 1:
        word = "no"
    elif all(map(_ignores_context, found)):
        word = "static"
    elif successors["mean"] < SEPARATE:
        word = "no"
    else:
        word = "unweighted" if weightless else "yes"
    return Measure(successors["mean"], successors["sd"], len(found), text=word)


def rate(records, methods, mazes, argument, rng):
    """Execution success: `readout planner cost repair which` (see `records.episodes`).

    n counts episodes; the Wilson interval counts (task, seed) pairs, each with its share of successes.
    """
    cells = [records.get("evals", methods[0], maze) for maze in mazes]
    counts = [episodes(found, *argument.split()) for found in cells if found]
    counts = [count for count in counts if count]
    if not counts:
        return NOT_RUN
    successes, trials, tasks = (sum(part) for part in zip(*counts, strict=True))
    return Measure(successes / trials, None, trials, *wilson(successes / trials * tasks, tasks))


def ranking(records, methods, mazes, argument, rng):
    """Do two edge costs rank the arms alike? `yes` unless two arms strictly change places; value: such pairs."""
    before, after = (
        {method: rate(records, (method,), mazes, f"raw dijkstra {cost} full all", rng).value for method in methods}
        for cost in argument.split()
    )
    ranked = [method for method in methods if before[method] is not None and after[method] is not None]
    if len(ranked) < 2:
        return NOT_RUN
    swaps = sum((before[a] - before[b]) * (after[a] - after[b]) < 0 for a, b in combinations(ranked, 2))
    return Measure(swaps, n=len(ranked), text="no" if swaps else "yes")


def rank_among(measure, quoted):
    """Rank of a measured rate among quoted ones, 1 the best; lo, hi: ranks that its interval allows."""
    if measure.value is None:
        return measure

    def place(value):
        return 1 + sum(other > value for other in quoted)

    return Measure(place(measure.value), n=len(quoted) + 1, lo=place(measure.hi), hi=place(measure.lo))


def _ignores_context(record):
    """Does every cell propose the same D successors? Then the proposal has D (n - 1) edges, without own cells."""
    successors, cells = record.number("raw.n_distinct_decoded"), len(maze_graph(record.data["maze"]).cells)
    return record.number("raw.n_edges") == successors * (cells - 1)


def _over(count, cells):
    return None if count is None else count / cells


def _gated(record):
    return "gated" if record.at("gated") else "raw"


def _across(mazes, measure_of):
    """Smallest and largest value over the mazes that were run; n is their number."""
    values = [m.value for m in map(measure_of, mazes) if m.value is not None]
    if not values:
        return NOT_RUN
    spread = mean_sd(values)
    return Measure(spread["mean"], spread["sd"], len(values), min(values), max(values))


QUANTITIES = {
    "ceiling": ceiling,
    "chosen": chosen,
    "codes": codes,
    "constant": constant,
    "distance": distance,
    "edges": edges,
    "leads": leads,
    "mean": mean,
    "mean_gated_or_raw": mean_gated_or_raw,
    "modes": modes,
    "nll": nll,
    "paired": paired,
    "quotient": quotient,
    "range": value_range,
    "ranking": ranking,
    "rate": rate,
    "ratio_gated_or_raw": mean_gated_or_raw,
    "strongest": strongest,
    "sweep": sweep,
}
