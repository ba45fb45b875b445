"""What measuring and printing must know of each paper: its tables, its results and its measures."""

from collections.abc import Callable
from dataclasses import dataclass

from jepa.errors import JepaError
from jepa.reporting import (
    domain_grid,
    domain_quantities,
    fanout_quantities,
    mop_grid,
    mop_tables,
    qantara_grid,
    qantara_quantities,
    qantara_tables,
    quantities,
)
from jepa.reporting.qantara_records import Runs
from jepa.reporting.records import Records


@dataclass(frozen=True)
class Paper:
    """One paper. datasets: {place: name of its dataset}. groups: {group of rows: heading}.

    compared: the methods whose best is bold, compared to `digits` decimals. seeds: what the footnote calls them.
    read(files) gives the paper's records, measured(quantity, records, methods, places, rng) a Measure.
    """

    tables: dict
    datasets: dict
    groups: dict
    compared: frozenset
    digits: int
    seeds: str
    read: Callable
    measured: Callable


MOP_QUANTITIES = quantities.QUANTITIES | fanout_quantities.QUANTITIES | domain_quantities.QUANTITIES


def mop_measured(quantity, records, methods, places, rng):
    """Evaluate `name:argument`. Raises JepaError, naming the file, when one lacks what the quantity needs."""
    name, _, argument = quantity.partition(":")
    return MOP_QUANTITIES[name](records, methods, places, argument, rng)


PAPERS = {
    "mop": Paper(
        mop_tables.TABLES,
        mop_grid.DATASETS | domain_grid.DATASETS,
        mop_grid.GROUPS,
        mop_grid.COMPARED,
        3,
        "seeds",
        Records,
        mop_measured,
    ),
    "qantara": Paper(
        qantara_tables.TABLES,
        {env: env for env in qantara_grid.ENVS},
        qantara_grid.GROUPS,
        qantara_grid.COMPARED,
        1,
        "training seeds",
        Runs,
        qantara_quantities.measured,
    ),
}


def paper_of(key):
    """The paper of that key. Raises JepaError for an unknown one."""
    if key not in PAPERS:
        raise JepaError(f"There is no paper {key!r}; there are {', '.join(PAPERS)}.")
    return PAPERS[key]
