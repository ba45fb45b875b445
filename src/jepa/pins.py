"""Exact conda packages for envs/*.yaml, as Snakemake takes them: envs/*.linux-64.pin.txt.

Solved with py-rattler, so that no conda is needed, but the channel is: where it cannot be reached there are no pins.
"""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import yaml

from jepa.errors import JepaError
from jepa.files import atomic_path
from jepa.lock import FOLDER, VARIANTS

PLATFORM = "linux-64"


def solve(channels, specs):
    """Explicit list, as text, of conda's packages for `specs` from `channels`, in the order of installation.

    In a process of its own, which ends without ceremony: py-rattler's threads can crash an interpreter that ends while
    a request is under way.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(_solve, channels, specs).result()


def _solve(channels, specs):
    import rattler
    from rattler.exceptions import DetectVirtualPackageError, FetchRepoDataError, GatewayError, SolverError

    async def records():
        # strict priority, py-rattler's default: what Snakemake wants of conda
        return await rattler.solve(
            channels, specs, platforms=[PLATFORM, "noarch"], virtual_packages=rattler.VirtualPackage.detect()
        )

    try:
        found = {record.name.normalized: record for record in asyncio.run(records())}
    except (GatewayError, FetchRepoDataError) as error:
        reason = str(error).splitlines()[0]
        raise JepaError(
            f"no pins were written, because the channel {', '.join(channels)} cannot be read ({reason}); "
            "run this where it can be reached."
        ) from None
    except (SolverError, DetectVirtualPackageError) as error:
        reason = " ".join(str(error).split())
        raise JepaError(f"no pins were written, because {', '.join(specs)} cannot be solved: {reason}") from None
    ordered = [found[record.name.normalized] for record in rattler.PackageRecord.sort_topologically([*found.values()])]
    return "".join(f"{line}\n" for line in ["@EXPLICIT", *(f"{record.url}#{record.md5.hex()}" for record in ordered)])


def write_pins(out):
    """Solve conda's part of every environment in envs/, then write its pins beside it and name them."""
    texts = {}
    for name in VARIANTS:
        environment = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
        channels = [channel for channel in environment["channels"] if channel != "nodefaults"]
        specs = [spec for spec in environment["dependencies"] if isinstance(spec, str)]
        texts[FOLDER / f"{name}.{PLATFORM}.pin.txt"] = solve(channels, specs)
    for path, text in texts.items():
        with atomic_path(path) as temporary:
            temporary.write_text(text)
        print(path, file=out)
