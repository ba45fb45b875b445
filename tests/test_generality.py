"""The other domains in tables and figures: what the protocol says of recorded scores, and what was not run."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import synthetic_domains
import synthetic_results
from jepa.domains import verdict
from jepa.errors import JepaError
from jepa.random import rng_of
from jepa.reporting import contents, domain_grid, domain_quantities, figures, mop_diagram, mop_generality, style
from jepa.reporting.domain_grid import DATASETS, LATENT, RAW
from jepa.reporting.measurements import read_measurements, read_published, write_measurements
from jepa.reporting.mop_generality_figures import figure4, figure8
from jepa.reporting.papers import mop_measured
from jepa.reporting.quantities import NOT_RUN
from jepa.reporting.records import Records, read_generators, read_tags
from jepa.reporting.tables import print_table

PAPER = Path(__file__).parents[1] / "paper/mop.csv"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return synthetic_domains.make(tmp_path_factory.mktemp("domains"), seeds=3)


@pytest.fixture(scope="module")
def records(files):
    return Records(files["domains"])


def measure(records, quantity, domains, arm="mop"):
    return mop_measured(quantity, records, (arm,), domains, rng_of("test"))


def changed(folder, domain, seed=0, **headlines):
    """Write a record whose headline is what `headlines` says: {arm or arm_readout: score}."""
    record = synthetic_domains.record(domain, seed)
    for name, value in headlines.items():
        arm, _, readout = name.partition("_")
        record["arms"][arm][readout or "raw"][record["metric"]] = value
    return synthetic_domains.write(folder / domain / f"seed{seed}.json", record)


def without_codes(**headlines):
    return headlines | {"mop_codes": headlines["codebook"]}


def printed(folder, files, tags, table="generality"):
    """(CSV rows by (row, column), Markdown, LaTeX) of one table."""
    write_measurements(table, files, PAPER, folder / "m.csv", "smoke", tags, steps=200)
    rows = read_measurements(folder / "m.csv")
    _, page, tex = print_table(rows)
    return rows.set_index(["row", "column"]), page, tex


def test_the_papers_two_cases_are_printed_with_the_papers_verdicts(tmp_path):
    taxi = without_codes(dense=1.0, mop=0.64, codebook=1 - 0.36 * 0.84, mop_shuffled=0.64 * 1.23)
    walks = without_codes(dense=0.118, mop=0.053, codebook=0.07, mop_shuffled=0.106)
    files = [changed(tmp_path, "taxi-position", **taxi), *(changed(tmp_path, scene, **walks) for scene in LATENT)]
    tags = synthetic_domains.make(tmp_path, 0)["tags"]
    rows, page, _ = printed(tmp_path, files, tags)
    lines = {line.split(" |")[0]: line for line in page.splitlines() if "context-cond" in line or "reproduced" in line}
    taxi, walks = lines["| taxi, position only ↓ (same)"], lines["| ETH/UCY, latent: mean of scenes ↓ (official)"]
    assert "| +36.0 | +36 | 0.84 | 0.84 | 1.23× | 1.23× | reproduced by codebook | rejected |" in taxi
    assert re.search(r"\| \+55.1 \| – \| 0.74 \| – \| 2.00× \| – \| context-conditional†? \(5/5\) \| – \|", walks)
    published = rows.loc["pedestrians-latent", "error dense"].published
    assert (published, rows.loc["taxi-position", "gain"].value) == (0.118, 36)
    evidence, page, _ = printed(tmp_path, files, tags, "table1")
    assert evidence.loc["generality", "ours"].n == 2 and "| 1 of 2 |" in page


def test_the_better_codebook_of_each_seed_counts(tmp_path):
    for codes, trained in ((0.08, 0.10), (0.10, 0.08)):
        headlines = {"dense": 0.12, "mop": 0.04, "codebook": trained, "mop_codes": codes, "mop_shuffled": 0.1}
        found = measure(Records([changed(tmp_path, "video", **headlines)]), "codebook_share:", ("video",))
        assert found.value == pytest.approx(0.5)
    headlines = {"dense": 0.2, "mop": 0.8, "codebook": 0.3, "mop_codes": 0.5, "mop_shuffled": 0.2}
    found = measure(Records([changed(tmp_path, "digits", **headlines)]), "codebook_share:", ("digits",))
    assert found.value == pytest.approx(0.5)  # higher is better


def test_a_mean_over_scenes_is_the_mean_of_the_means(records):
    mean = measure(records, "score:raw headline", LATENT)
    scenes = [measure(records, "score:raw headline", (scene,)) for scene in LATENT]
    assert mean.value == pytest.approx(np.mean([scene.value for scene in scenes]))
    assert mean.n == 3 and mean.sd < max(scene.sd for scene in scenes)  # over seeds, not over scenes
    dense, codebook = (measure(records, "score:raw headline", LATENT, arm).value for arm in ("dense", "codebook"))
    assert measure(records, "gain:", LATENT).value == pytest.approx(100 * (dense - mean.value) / dense)
    share = measure(records, "codebook_share:", LATENT).value
    assert share == pytest.approx((dense - codebook) / (dense - mean.value))


def test_a_mean_of_some_scenes_is_no_mean_of_scenes(files):
    part = Records([path for path in files["domains"] if path.parts[-2] != LATENT[0]])
    assert all(measure(part, q, LATENT) == NOT_RUN for q in ("score:raw headline", "gain:", "verdict:"))
    assert measure(part, "verdict:", LATENT[1:]).text == "context-conditional (4/4)"


def test_the_verdict_is_over_the_seeds_that_all_arms_have(tmp_path):
    whole, part = changed(tmp_path, "digits", 0), changed(tmp_path, "digits", 1, mop=0.01)
    record = json.loads(part.read_text())
    del record["arms"]["dense"]
    part.write_text(json.dumps(record))
    assert measure(Records([whole, part]), "verdict:", ("digits",)).text == verdict.CONDITIONAL
    assert measure(Records([part]), "verdict:", ("digits",)) == NOT_RUN
    assert measure(Records([part]), "score:raw headline", ("digits",), "dense") == NOT_RUN


def test_infinities_are_words(tmp_path):
    nothing = without_codes(dense=0.0, mop=0.5, codebook=0.1, mop_shuffled=0.0)
    exact = without_codes(dense=0.2, mop=0.0, codebook=0.1, mop_shuffled=0.1)
    files = [changed(tmp_path, "antmaze-teleport", **nothing), changed(tmp_path, "video", **exact)]
    files += [changed(tmp_path, scene, **exact) for scene in LATENT]
    tags = synthetic_domains.make(tmp_path, 0)["tags"]
    rows, page, _ = printed(tmp_path, files, tags)
    assert rows.loc["antmaze-teleport", "gain"].text == rows.loc["antmaze-teleport", "shuffle"].text == "infinite"
    assert rows.loc["video", "shuffle"].text == "infinite" and rows.loc["video", "gain"].value == 100
    assert "inf |" not in page and "nan" not in page
    figures.write_figure("figure4", files, PAPER, tmp_path / "f.pdf", tmp_path / "f.png", "smoke", tags)


def test_no_improvement_has_no_share(tmp_path):
    worse = without_codes(dense=0.1, mop=0.2, codebook=0.1, mop_shuffled=0.3)
    records = Records([changed(tmp_path, "video", **worse)])
    assert measure(records, "codebook_share:", ("video",)).text == "undefined"
    assert measure(records, "verdict:", ("video",)).text == verdict.NO_GAIN
    assert measure(records, "accepted:", domain_grid.JUDGED).value == 0


def test_a_domain_that_was_not_run_says_so(tmp_path):
    found = synthetic_domains.make(tmp_path, seeds=1, domains=("digits",))
    rows, page, tex = printed(tmp_path, found["domains"], found["tags"])
    assert (rows.loc["video"].text == "not run").all() and rows.loc["digits", "verdict"].text == verdict.CONDITIONAL
    assert rows.loc["pedestrians-latent", "dense"].text == "not run"
    assert "| next frame of a video ↓ | not run | – |" in page and "not run" in tex
    assert "*not run*" in page  # the conformers, of which the paper gives no number


def test_the_reference_is_the_row_that_the_notes_name(files, records):
    velocity = measure(records, "score:raw minFDE", RAW, "reference")
    assert velocity == measure(records, "score:raw minFDE", RAW, "constant velocity")
    taxi = measure(records, "score:raw headline", ("taxi-position",), "reference").value
    assert taxi == measure(records, "score:raw headline", ("taxi-position",), "constant velocity").value
    assert taxi != measure(records, "score:raw headline", ("taxi-position",), "persistence").value
    assert measure(records, "score:raw headline", LATENT, "reference").text == "undefined"
    assert measure(Records(), "score:raw headline", RAW, "reference") == NOT_RUN


def test_what_an_arm_does_not_have_is_undefined(records):
    assert measure(records, "score:gated cov_r", ("antmaze-teleport",), "codebook").text == "undefined"
    assert measure(records, "score:displaced headline", ("digits",), "mop").text == "undefined"
    assert measure(records, "score:displaced headline", ("digits",), "dense").n == 3


def rows_of(panel):
    return [row.places for row in panel.rows]


def test_every_domain_is_in_the_table_once_and_every_quantity_in_the_list():
    verdicts, scores, others = (list(map(set, rows_of(panel))) for panel in mop_generality.GENERALITY.panels[:3])
    claims = list(map(set, domain_grid.CLAIMS))
    scenes = [{name} for name in (*LATENT, *RAW)]
    for rows in (verdicts, scores, [*others, {"dino-port"}]):  # which has other arms
        assert all(rows.count(domains) == 1 for domains in claims + scenes) and len(rows) == len(claims + scenes)
    assert rows_of(mop_generality.SWEEP) == [(name,) for name in domain_grid.CONFORMERS]
    claimed = [domain for claim in domain_grid.CLAIMS for domain in claim]
    assert sorted(claimed) == sorted(domain_grid.JUDGED) and set(domain_grid.LABELS) == set(DATASETS)
    compared = set(domain_grid.JUDGED) - {"dino-port"}
    assert set(domain_quantities.QUANTITIES) == set(contents.FROM_DOMAINS)
    assert {name for name, (metrics, _) in synthetic_domains.METRICS.items() if metrics} == compared


def test_the_notes_tell_the_thresholds_of_the_verdict():
    notes = " ".join(mop_generality.VERDICTS.notes)
    facts = (verdict.NO_GAIN, verdict.CODEBOOK, verdict.CONDITIONAL)
    facts = (*(f"`{word}`" for word in facts), f"{100 * verdict.GAIN:.0f} %", str(verdict.SHARE), f"{verdict.RATIO}×")
    assert all(fact in notes for fact in facts)


def test_the_footnote_tells_what_stands_behind_the_domains_but_no_steps_of_the_mazes(files, tmp_path):
    _, page, tex = printed(tmp_path, files["domains"], files["tags"])
    assert "rows of eth_ucy; rows of digits" in page and "200 training steps" not in page and "3 seeds" in page
    assert "masked digits ↑ (kind)" in page and r"masked digits $\uparrow$ (kind)" in tex
    assert tex.count(r"\begin{table*}") == tex.count("(continued)") + 1 > 1
    _, page, _ = printed(tmp_path, files["domains"], files["tags"], "table1")
    assert "200 training steps" in page and "| 11 of 11 |" in page


def test_one_domain_file_is_a_record_of_each_arm(tmp_path):
    records = Records(synthetic_domains.make(tmp_path, seeds=2, domains=("taxi-history",))["domains"])
    assert [r.data["seed"] for r in records.get("domains", "mop", "taxi-history")] == [0, 1]
    assert records.places() == {"taxi-history"} and records.seeds() == (2, 2)
    assert not records.get("audits", "mop", "taxi-history")


@pytest.mark.parametrize(
    ("damage", "word"),
    [({"domain": "moon"}, "moon"), ({"metric": None}, "metric"), ({"references": []}, "references")],
)
def test_a_damaged_domain_is_named(tmp_path, damage, word):
    path = changed(tmp_path, "digits")
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(JepaError, match=f"{re.escape(str(path))}.*{word}"):
        Records([path])


def test_data_of_domains_are_tagged_by_their_name(files, tmp_path):
    tags = read_tags(files["tags"], {"digits", "taxi-history"}, DATASETS)
    assert tags["taxi-history"] == "same" and tags["digits"] == "kind" and tags[RAW[0]] == "official"
    assert read_generators(files["tags"], DATASETS)["digits"] == "rows of digits"
    bare = synthetic_domains.write(tmp_path / "bare.provenance.json", {"tag": "same"})
    with pytest.raises(JepaError, match="bare.provenance.json"):
        read_tags([bare], set(), DATASETS)
    with pytest.raises(JepaError, match="digits"):
        read_tags([], {"digits"}, DATASETS)


def bars(axis):
    return [bar.get_height() for bar in axis.patches]


def test_figure_4_has_the_heights_of_the_records(records):
    with style.sheet():
        axes = figure4(records, {}).axes
    error = {arm: measure(records, "score:raw headline", LATENT, arm).value for arm in ("dense", "mop")}
    heights = bars(axes[0])
    assert heights[:4] == pytest.approx([
        measure(records, "score:raw headline", ("visual-antmaze-teleport",), arm).value
        for arm in ("dense", "mdn", "mop", "codebook")
    ])  # fmt: skip
    assert heights[10] / heights[8] == pytest.approx(error["dense"] / error["mop"], rel=1e-2)  # inverse errors
    assert max(heights) <= 1 and len(axes[1].lines) == 4 and "5." in axes[0].get_xlabel()


def test_the_papers_marks_of_figure_4_are_of_scores_alone(records):
    published = {key: value for key, (value, _, _) in read_published(PAPER).items()}
    with style.sheet():
        axis = figure4(records, published).axes[0]
        alone = figure4(Records(), published).axes[0]
    for part in (axis, alone):
        marks = np.concatenate([c.get_offsets() for c in part.collections if c.get_facecolor().sum() > 3.5])
        low, high = part.get_xlim()
        assert len(marks) >= 3 and ((marks > (low, 0)) & (marks <= (high, 1))).all()
        assert not (marks[:, 0] > 1.5).any()  # the paper's latent errors are no metres


def test_figure_8_draws_no_gated_bar_for_heads_without_a_router(records):
    with style.sheet():
        axes = figure8(records, {}).axes
        empty = figure8(Records(), {}).axes
    assert len(bars(axes[1])) == len(bars(axes[2])) == 13 and not bars(axes[0])
    assert not [text for text in axes[1].texts if text.get_text() == "not run"]
    assert len([text for text in empty[1].texts if text.get_text() == "not run"]) == 14


def test_the_dense_arrow_of_figure_1_minimises_the_expected_distance():
    modes, weights = mop_diagram.MODES, mop_diagram.WEIGHTS
    mean = mop_diagram.conditional_mean(modes, weights)
    angles = np.linspace(-np.pi, np.pi, 10_001)
    expected = (weights * (1 - np.cos(angles[:, None] - modes))).sum(axis=1)
    assert angles[expected.argmin()] == pytest.approx(mean, abs=1e-3) and weights.sum() == pytest.approx(1)
    assert min(abs(np.angle(np.exp(1j * (mean - modes))))) > np.deg2rad(15)  # at no successor


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["figure1", "figure4", "figure8"])
def test_figures_are_drawn_from_all_from_some_and_from_none(name, files, tmp_path):
    def draw(files, tags, stem):
        pdf, png = tmp_path / f"{stem}.pdf", tmp_path / f"{stem}.png"
        figures.write_figure(name, files, PAPER, pdf, png, "smoke", tags)
        return pdf.read_bytes(), png.read_bytes()

    whole = draw(files["domains"], files["tags"], "whole")
    assert whole == draw(files["domains"][::-1], files["tags"], "again")
    some = [path for path in files["domains"] if path.parts[-2] in ("digits", LATENT[0], "conformers-3")]
    assert (draw(some, files["tags"], "some") == whole) == (name == "figure1")
    assert (draw([], [], "none") == whole) == (name == "figure1")


def test_a_whole_grid_has_a_file_of_every_domain(tmp_path):
    files = synthetic_results.make(tmp_path, seeds=1)
    cells = {cell[-1] for cell in synthetic_results.cells_of(files) if cell[0] == "domains"}
    assert cells == set(DATASETS)


def test_a_dagger_marks_a_mixture_that_displaced_guesses_equal(tmp_path):
    scores = {"dense": 1.0, "mop": 0.5, "codebook": 0.9, "mop_codes": 0.9, "mop_shuffled": 1.5}
    for displaced, text, counted in ((0.6, "context-conditional", 1), (0.5, "context-conditional†", 0)):
        found = Records([changed(tmp_path, "inpainting", dense_displaced=displaced, **scores)])
        assert measure(found, "verdict:", ("inpainting",)).text == text
        assert measure(found, "accepted:", ("inpainting",)).value == counted


def test_a_ratio_may_be_of_another_metric_than_the_headline(tmp_path):
    path = changed(tmp_path, LATENT[0], mop=0.4, mop_shuffled=0.6)
    record = json.loads(path.read_text())
    record["arms"]["mop"]["raw"]["other"], record["arms"]["mop"]["shuffled"]["other"] = 0.1, 0.2
    for arm in ("dense", "codebook"):
        record["arms"][arm]["raw"]["other"] = 0.3
    path.write_text(json.dumps(record))
    found = Records([path])
    assert measure(found, "context_ratio:other", LATENT[:1]).value == pytest.approx(2.0)
    assert measure(found, "context_ratio:", LATENT[:1]).value == pytest.approx(1.5)
