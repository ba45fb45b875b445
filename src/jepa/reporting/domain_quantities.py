"""The numbers behind the cells of the table on other domains; see `quantities` for the common arguments.

methods: arms, or `reference`, the row of the record that no model makes. mazes: domains. Over several domains, whose
headlines have one unit, all numbers are of their mean: over the domains first, then over the seeds that all have.
`headline` stands for the metric that the domain names as its headline.
"""

import math

from jepa.domains.verdict import CONDITIONAL, verdict
from jepa.reporting.domain_grid import CLAIMS
from jepa.reporting.quantities import NOT_RUN, UNDEFINED, Measure, over_seeds


def score(records, methods, mazes, argument, rng):
    """A metric of one arm: `readout metric`, mean over seeds; `not run` unless all domains were.

    readout: raw, gated, shuffled (on contexts of other rows), codes (k-means codes in the arm's space) or displaced (a
    single prediction with fixed displacements).
    """
    readout, metric = argument.split()
    if not all(records.get("domains", methods[0], domain) for domain in mazes):
        lacks = methods[0] == "reference" and set(mazes) <= records.places()  # the domain has no such row
        return UNDEFINED if lacks else NOT_RUN
    return over_seeds(mean_by_seed(records, methods[0], mazes, readout, metric), rng)


def millions(records, methods, mazes, argument, rng):
    """`score` in millions."""
    found = score(records, methods, mazes, argument, rng)
    return Measure(found.value / 1e6, n=found.n) if found.value is not None else found


def gain(records, methods, mazes, argument, rng):
    """Relative improvement of the mixture over the dense head in percent."""
    return _of_verdict(records, mazes, lambda found: 100 * found["gain"])


def codebook_share(records, methods, mazes, argument, rng):
    """What share of that improvement the codebook, which sees no context, has as well."""
    return _of_verdict(records, mazes, lambda found: found["share"])


def context_ratio(records, methods, mazes, argument, rng):
    """How much worse the mixture is on contexts that do not belong to the outcome: 1 is no context used.

    argument: the metric, if it is not the headline.
    """
    return _of_verdict(records, mazes, lambda found: found["ratio"], argument or "headline")


def judgement(records, methods, mazes, argument, rng):
    """The protocol's word, with a dagger where displaced guesses do as well; and over several domains how many have it.

    The count is of domains that are context-conditional alone.
    """
    found = judged(records, mazes)
    if found is None:
        return NOT_RUN
    accepted = [judged(records, (domain,))["verdict"] for domain in mazes].count(CONDITIONAL)
    mark = "†" if found["verdict"] == CONDITIONAL and only_spreads(records, mazes) else ""
    alone = f" ({accepted}/{len(mazes)})" if len(mazes) > 1 else ""
    return Measure(accepted, n=len(mazes), text=found["verdict"] + mark + alone)


def accepted(records, methods, mazes, argument, rng):
    """How many of CLAIMS, as far as they lie in `mazes` and were run, are context-conditional without a dagger.

    n: how many were run.
    """
    found = [(domains, judged(records, domains)) for domains in CLAIMS if set(domains) <= set(mazes)]
    run = [(domains, claim["verdict"]) for domains, claim in found if claim]
    good = sum(word == CONDITIONAL and not only_spreads(records, domains) for domains, word in run)
    return Measure(good, n=len(run)) if run else NOT_RUN


def only_spreads(records, domains):
    """Is the dense prediction with displacements that are the same everywhere as good as the mixture, on average?"""
    mop, displaced = mean_by_seed(records, "mop", domains), mean_by_seed(records, "dense", domains, "displaced")
    seeds = set(mop) & set(displaced)
    lead = sum(mop[seed] - displaced[seed] for seed in seeds)
    higher = records.get("domains", "mop", domains[0])[0].at("better") == "higher"
    return bool(seeds) and (lead <= 0 if higher else lead >= 0)


def judged(records, domains, metric="headline"):
    """`jepa.domains.verdict.verdict` on the mean of domains, over the seeds that all arms have on all of them.

    None where there is no such seed. The codebook is the better of two on each domain and seed: the trained arm, whose
    latents are its own, and k-means codes in the mixture's.
    """
    values = {
        "dense": mean_by_seed(records, "dense", domains, metric=metric),
        "mop": mean_by_seed(records, "mop", domains, metric=metric),
        "shuffled": mean_by_seed(records, "mop", domains, "shuffled", metric),
        "codebook": _mean([_better_codebook(records, domain, metric) for domain in domains]),
    }
    seeds = sorted(set.intersection(*map(set, values.values())))
    if not seeds:
        return None
    arms = {name: [by_seed[seed] for seed in seeds] for name, by_seed in values.items()}
    return verdict(**arms, better=records.get("domains", "mop", domains[0])[0].at("better"))


def mean_by_seed(records, method, domains, readout="raw", metric="headline"):
    """{seed: mean over the domains} of one metric, for the seeds that all of them have."""
    return _mean([scores_by_seed(records, method, domain, readout, metric) for domain in domains])


def scores_by_seed(records, method, domain, readout, metric):
    """{seed: value} of one metric, without the undefined ones; `headline` is the domain's own."""
    values = {}
    for record in records.get("domains", method, domain):
        scores = record.data.get(readout) or {}  # a readout that this arm does not have
        name = record.at("metric") if metric == "headline" else metric
        if scores.get(name) is not None:
            values[record.data["seed"]] = float(scores[name])
    return values


def _better_codebook(records, domain, metric):
    trained = scores_by_seed(records, "codebook", domain, "raw", metric)
    codes = scores_by_seed(records, "mop", domain, "codes", metric)
    best = max if any(r.at("better") == "higher" for r in records.get("domains", "codebook", domain)) else min
    return {seed: best(value, codes.get(seed, value)) for seed, value in trained.items()}


def _mean(by_domain):
    seeds = set.intersection(*map(set, by_domain))
    return {seed: sum(values[seed] for values in by_domain) / len(by_domain) for seed in sorted(seeds)}


def _of_verdict(records, domains, value_of, metric="headline"):
    found = judged(records, domains, metric)
    if found is None:
        return NOT_RUN
    value = value_of(found)
    if value is None:
        return UNDEFINED
    return Measure(value, n=1) if math.isfinite(value) else Measure(n=1, text="infinite")


QUANTITIES = {
    "accepted": accepted,
    "codebook_share": codebook_share,
    "context_ratio": context_ratio,
    "gain": gain,
    "millions": millions,
    "score": score,
    "verdict": judgement,
}
