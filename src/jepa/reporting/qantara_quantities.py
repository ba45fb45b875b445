"""The numbers behind the cells of Qantara's tables: each function takes recorded results and gives one `Measure`.

Everywhere: runs: Runs. methods: recipes, or one of FLOORS. places: environments. argument: what follows the name in
the table's declaration, mostly dispatches such as `cem-k4`. rng: numpy Generator, for bootstrap intervals. Success
rates (SR) are in percent, as in the paper. Means over training seeds carry the population deviation.
"""

from scipy.stats import spearmanr

from jepa.reporting import qantara_shuffle
from jepa.reporting.qantara_grid import AT_FLOOR, FLOORS
from jepa.reporting.qantara_records import interval, outcomes, outcomes_of_floor
from jepa.reporting.quantities import NOT_RUN, UNDEFINED, Measure, over_seeds


def sr(runs, methods, places, argument, rng):
    """Success rate over all pairs, already solved ones included."""
    return _rate(runs, methods[0], places[0], argument, rng, unsolved=False)


def unsolved(runs, methods, places, argument, rng):
    """Success rate over the pairs that are not solved at t = 0."""
    return _rate(runs, methods[0], places[0], argument, rng, unsolved=True)


def episodes(runs, methods, places, argument, rng):
    """Episodes of all training seeds together, of the default recipe where no method is named."""
    counted = _counted(runs, methods, places, argument)
    return Measure(sum(map(len, counted.values())), n=len(counted)) if counted else NOT_RUN


def unsolved_episodes(runs, methods, places, argument, rng):
    """Those of `episodes` that are not solved at t = 0."""
    counted = _counted(runs, methods, places, argument)
    count = sum(len(_pick(found, True)) for found in counted.values())
    return Measure(count, n=len(counted)) if counted else NOT_RUN


def pairs(runs, methods, places, argument, rng):
    """How many evaluation pairs there are; every seed, recipe and floor plays the same."""
    found = runs.get("floors", places[0])
    return Measure(found[0].number("manifest.n"), n=1) if found else NOT_RUN


def solved(runs, methods, places, argument, rng):
    """Share of the evaluation pairs that are solved at t = 0."""
    found = runs.get("floors", places[0])
    return Measure(100 * found[0].number("solved_at_start"), n=1) if found else NOT_RUN


def suite(runs, methods, places, argument, rng):
    """Mean SR over all environments of the suite, seed by seed; needs every one of them."""
    rates = [_seed_rates(runs, methods[0], env, argument) for env in places]
    seeds = set.intersection(*map(set, rates))
    return over_seeds({s: sum(r[s] for r in rates) / len(rates) for s in seeds}, rng) if seeds else NOT_RUN


def suite_range(runs, methods, places, argument, rng):
    """Smallest and largest suite average over dispatches; needs every one of them."""
    means = [suite(runs, methods, places, dispatch, rng).value for dispatch in argument.split()]
    if None in means:
        return NOT_RUN
    return Measure(sum(means) / len(means), None, len(means), min(means), max(means))


def difference(runs, methods, places, argument, rng):
    """SR, first minus second: of two methods with one dispatch, or of one method with two; over their common seeds."""
    dispatches = argument.split()
    cells = [(m, d) for m in methods for d in dispatches]
    first, second = (_seed_rates(runs, method, places[0], dispatch) for method, dispatch in cells)
    seeds = set(first) & set(second)
    return over_seeds({seed: first[seed] - second[seed] for seed in seeds}, rng) if seeds else NOT_RUN


def spread(runs, methods, places, argument, rng):
    """Largest minus smallest mean SR over dispatches that differ in K; needs every one of them."""
    means = [sr(runs, methods, places, dispatch, rng).value for dispatch in argument.split()]
    return NOT_RUN if None in means else Measure(max(means) - min(means), n=len(means))


def lowest(runs, methods, places, argument, rng):
    """SR of the worst training seed."""
    rates = _seed_rates(runs, methods[0], places[0], argument)
    return Measure(min(rates.values()), n=len(rates)) if rates else NOT_RUN


def below(runs, methods, places, argument, rng):
    """How many training seeds have an SR below a limit: `limit dispatch`."""
    limit, dispatch = argument.split()
    rates = _seed_rates(runs, methods[0], places[0], dispatch)
    return Measure(sum(rate < float(limit) for rate in rates.values()), n=len(rates)) if rates else NOT_RUN


def dense(runs, methods, places, argument, rng):
    """Mean over training seeds of one dense diagnostic."""
    found = runs.get("dense", methods[0], places[0])
    return over_seeds(_diagnostic(found, argument), rng) if found else NOT_RUN


def lower(runs, methods, places, argument, rng):
    """In how many training seeds the first method's diagnostic is below the second's. lo, hi: none."""
    first, second = (_diagnostic(runs.get("dense", method, places[0]), argument) for method in methods)
    seeds = set(first) & set(second)
    return Measure(sum(first[s] < second[s] for s in seeds), n=len(seeds)) if seeds else NOT_RUN


def over_reference(runs, methods, places, argument, rng):
    """Mean of a diagnostic over the mean of the default recipe."""
    ours, reference = (dense(runs, (m,), places, argument, rng) for m in (methods[0], "default"))
    if NOT_RUN in (ours, reference):
        return NOT_RUN
    return Measure(ours.value / reference.value, n=ours.n) if ours.n and reference.value else UNDEFINED


def spearman(runs, methods, places, argument, rng):
    """Rank correlation over recipes of a mean diagnostic and mean SR: `diagnostic dispatch`; n: recipes."""
    diagnostic, dispatch = argument.split()
    pairs = [
        (dense(runs, (m,), places, diagnostic, rng).value, sr(runs, (m,), places, dispatch, rng).value) for m in methods
    ]
    pairs = [pair for pair in pairs if None not in pair]
    if len(pairs) < 3:
        return NOT_RUN
    first, second = zip(*pairs, strict=True)
    if len(set(first)) == 1 or len(set(second)) == 1:
        return UNDEFINED
    return Measure(float(spearmanr(first, second).statistic), n=len(pairs))


def latency(runs, methods, places, argument, rng):
    """Milliseconds an environment step; over several environments their smallest and largest mean."""
    if len(places) > 1:
        return _across(places, lambda env: latency(runs, methods, (env,), argument, rng))
    values = _latencies(runs, methods[0], places[0], argument)
    return over_seeds(values, rng) if values else NOT_RUN


def speedup(runs, methods, places, argument, rng):
    """Mean latency of the first dispatch over that of the second; over several environments their range."""
    if len(places) > 1:
        return _across(places, lambda env: speedup(runs, methods, (env,), argument, rng))
    slow, fast = (_latencies(runs, methods[0], places[0], dispatch) for dispatch in argument.split())
    if not slow or not fast:
        return NOT_RUN
    slow, fast = (sum(values.values()) / len(values) for values in (slow, fast))
    return Measure(slow / fast, n=1) if fast else UNDEFINED


def variant(runs, methods, places, argument, rng):
    """SR under another criterion of success: `name sr|sr_unsolved dispatch`, without a dispatch for floors."""
    name, rate, *dispatch = argument.split()
    found = runs.get("floors", *places) if methods[0] in FLOORS else runs.get("evals", methods[0], *places, *dispatch)
    if not found:
        return NOT_RUN
    path = "variants" if dispatch else f"floors.{methods[0]}.variants"
    if not dispatch and methods[0] not in found[0].at("floors"):
        return UNDEFINED
    values = {r.data.get("seed", 0): r.number(f"{path}.{name}.{rate}") for r in found if name in r.at(path)}
    return over_seeds({seed: 100 * value for seed, value in values.items() if value is not None}, rng)


def _rate(runs, method, env, dispatch, rng, unsolved):
    if method in FLOORS:
        found = runs.get("floors", env)
        played = outcomes_of_floor(found[0], method) if found else []
        counted = _pick(played, unsolved)
        if not counted:
            return UNDEFINED if found else NOT_RUN
        rate = 100 * sum(counted) / len(counted)
        low, high = interval(rate, len(counted) / len(played), found[0])
        return Measure(rate, None, len(counted), low, high, "", len(counted), low, high)
    by_seed = {seed: _pick(found, unsolved) for seed, found in _by_seed(runs, method, env, dispatch).items()}
    if not by_seed:
        return NOT_RUN
    rates = over_seeds({seed: 100 * sum(c) / len(c) for seed, c in by_seed.items() if c}, rng)
    if not rates.n:
        return UNDEFINED
    together = [success for counted in by_seed.values() for success in counted]
    played = sum(map(len, _by_seed(runs, method, env, dispatch).values()))
    record = runs.get("evals", method, env, dispatch)[0]
    low, high = interval(100 * sum(together) / len(together), len(together) / played, record)
    floor = _rate(runs, "random", env, "", rng, unsolved).value
    text = AT_FLOOR if floor is not None and low <= floor else ""
    return Measure(rates.value, rates.sd, rates.n, rates.lo, rates.hi, text, len(together), low, high)


def _pick(found, unsolved):
    """Successes as booleans, of the initially unsolved episodes only where asked."""
    return [success for success, solved in found if not (unsolved and solved)]


def _by_seed(runs, method, env, dispatch):
    return {r.data["seed"]: outcomes(r, r.data["episodes"]) for r in runs.get("evals", method, env, dispatch)}


def _counted(runs, methods, places, dispatch):
    """Outcomes by training seed, of the default recipe where no method is named; a floor's are of one "seed"."""
    if methods and methods[0] in FLOORS:
        found = runs.get("floors", places[0])
        return {0: outcomes_of_floor(found[0], methods[0])} if found else {}
    return _by_seed(runs, methods[0] if methods else "default", places[0], dispatch)


def _seed_rates(runs, method, env, dispatch):
    found = _by_seed(runs, method, env, dispatch)
    return {seed: 100 * sum(_pick(o, False)) / len(o) for seed, o in found.items() if o}


def _diagnostic(records, name):
    """Values of one diagnostic by seed, without the undefined ones."""
    values = {record.data["seed"]: record.number(name) for record in records}
    return {seed: value for seed, value in values.items() if value is not None}


def _latencies(runs, method, env, dispatch):
    return _diagnostic(runs.get("timings", method, env, dispatch), "latency_ms")


def _across(places, measure_of):
    """Smallest and largest value over the environments that were run; n is their number."""
    values = [m.value for m in map(measure_of, places) if m.value is not None]
    return Measure(sum(values) / len(values), None, len(values), min(values), max(values)) if values else NOT_RUN


QUANTITIES = {
    "below": below,
    "dense": dense,
    "difference": difference,
    "episodes": episodes,
    "latency": latency,
    "lower": lower,
    "lowest": lowest,
    "over_reference": over_reference,
    "pairs": pairs,
    "parameters": dense,
    "solved": solved,
    "spearman": spearman,
    "speedup": speedup,
    "spread": spread,
    "sr": sr,
    "sr_wilson": sr,
    "suite": suite,
    "suite_range": suite_range,
    "unsolved": unsolved,
    "unsolved_episodes": unsolved_episodes,
    "unsolved_wilson": unsolved,
    "variant": variant,
    **qantara_shuffle.QUANTITIES,
}


def measured(quantity, runs, methods, places, rng):
    """Evaluate `name:argument`. Raises JepaError, naming the file, when one lacks what the quantity needs."""
    name, _, argument = quantity.partition(":")
    return QUANTITIES[name](runs, methods, places, argument.strip(), rng)
