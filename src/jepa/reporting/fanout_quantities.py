"""The numbers behind the cells about two-step fan-out; see `quantities` for the common arguments."""

from jepa.reporting.quantities import NOT_RUN, over_seeds

SHARES = {  # share: (count above, count below) of jepa.evaluation.fanout.score
    "recovered": ("recovered", "successors"),
    "rare": ("rare_recovered", "rare"),
    "complete": ("complete", "cells"),
    "precision": ("real", "proposed"),
}
READOUTS, LAWS, WAYS = ("gated", "raw", "displacement"), ("away", "returns"), ("3", "4")


def fanout(records, methods, mazes, argument, rng):
    """A share of SHARES, pooled over the cells of all mazes, mean over seeds.

    argument: the share, then in any order a readout, a law and numbers of ways, as far as they are not the gated
    readout, `away` and both. `recovered` successors, `rare` ones recovered, `complete` cells, `precision` of what is
    proposed.
    """
    share, *words = argument.split()
    options = {
        "readout": next((word for word in words if word in READOUTS), READOUTS[0]),
        "law": next((word for word in words if word in LAWS), LAWS[0]),
        "ways": tuple(word for word in words if word in WAYS) or WAYS,
    }
    values = by_seed(records, methods[0], mazes, share, **options)
    return over_seeds(values, rng) if any(records.get("fanout", methods[0], maze) for maze in mazes) else NOT_RUN


def by_seed(records, arm, mazes, share, ways=WAYS, readout="gated", law="away"):
    """{seed: share}, counts pooled over mazes and ways; a seed without such a cell is left out."""
    above, below = SHARES[share]
    counts = {}
    for maze in mazes:
        for record in records.get("fanout", arm, maze):
            total = counts.setdefault(record.data["seed"], [0, 0])
            for number in ways:
                for place, name in enumerate((above, below)):
                    total[place] += record.number(f"fanout.{readout}.{law}.{number}.{name}")
    return {seed: hits / cases for seed, (hits, cases) in counts.items() if cases}


QUANTITIES = {"fanout": fanout}
