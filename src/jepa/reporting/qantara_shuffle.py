"""The numbers behind the cells of the goal-shuffle test; conventions are those of `qantara_quantities`.

The test plays the same starts in several arms, which differ in the goal (see jepa.evaluation.goal_shuffle): `own`, that
of the pair; `shuffled`, that of another pair; `earlier`, a state before the start, where the data has one.
"""

from jepa.reporting.qantara_records import interval
from jepa.reporting.quantities import NOT_RUN, UNDEFINED, Measure


def canvas(runs, methods, places, argument, rng):
    """Largest difference between canvases of the same state in the goal-shuffle test, in grey levels: its name."""
    found = runs.get("goal_shuffle", methods[0], places[0])
    return Measure(found[0].number(f"goal_shuffle.{argument}"), n=1) if found else NOT_RUN


def shuffle(runs, methods, places, argument, rng):
    """SR in one arm of the goal-shuffle test, with its Wilson interval: `arm sr|sr_unsolved dispatches.cem`."""
    arm, rate, of = argument.split()
    record, played = _shuffled(runs, methods, places, of, arm)
    if not played:
        return NOT_RUN
    if played[rate] is None:
        return UNDEFINED
    counted = played[rate.replace("sr", "n")]
    low, high = interval(100 * played[rate], counted / _shuffled(runs, methods, places, of, "own")[1]["n"], record)
    return Measure(100 * played[rate], None, 1, low, high, "", counted, low, high)


def shuffle_episodes(runs, methods, places, argument, rng):
    """Episodes in one arm of the goal-shuffle test: `arm dispatches.cem`."""
    arm, of = argument.split()
    _, played = _shuffled(runs, methods, places, of, arm)
    return Measure(played["n"], n=1) if played else NOT_RUN


def shuffle_difference(runs, methods, places, argument, rng):
    """SR with the goals of other pairs minus SR with their own: `dispatches.cem`."""
    own, other = (_shuffled(runs, methods, places, argument, arm)[1] for arm in ("own", "shuffled"))
    return Measure(100 * (other["sr"] - own["sr"]), n=1) if own else NOT_RUN


def shuffle_reached(runs, methods, places, argument, rng):
    """SR on the pairs of an arm that CEM reached: `arm dispatches.bc`; n: those pairs. Of CEM itself undefined."""
    arm, of = argument.split()
    record, played = _shuffled(runs, methods, places, of, arm)
    if not played or "reachable" not in record.at("goal_shuffle"):
        return NOT_RUN
    reached = record.at(f"goal_shuffle.reachable.{arm}")
    value = reached.get(of.partition(".")[2])
    return UNDEFINED if value is None else Measure(100 * value, n=reached["n"])


def _shuffled(runs, methods, places, of, arm):
    """The record of the goal-shuffle test and one arm's rates of one dispatch or floor; None where it was not run."""
    found = runs.get("goal_shuffle", methods[0], places[0])
    kind, name = of.split(".")
    arms = found[0].at(f"goal_shuffle.{kind}").get(name, {}) if found else {}
    return (found[0], arms[arm]) if arm in arms else (None, None)


QUANTITIES = {
    "canvas": canvas,
    "shuffle": shuffle,
    "shuffle_difference": shuffle_difference,
    "shuffle_episodes": shuffle_episodes,
    "shuffle_reached": shuffle_reached,
    "shuffle_wilson": shuffle,
}
