# One figure a job, as PDF for papers and PNG for pages.


rule draw_figure:
    input:
        audits=lambda wildcards: cells_of([wildcards.figure], "audits"),
        evals=lambda wildcards: cells_of([wildcards.figure], "evals"),
        data=[f"{DATA}/{contents.DATASETS[maze]}.provenance.json" for maze in MOP["mazes"]],
        paper="paper/mop.csv",
    output:
        pdf=f"{RESULTS}/figures/mop/{{figure}}.pdf",
        png=report(
            f"{RESULTS}/figures/mop/{{figure}}.png",
            caption="../workflow/report/{figure}.rst",
            category="MoP-JEPA",
            subcategory="figures",
            labels={"figure": "{figure}", "scale": SCALE},
        ),
    log:
        f"{LOGS}/figures/mop/{{figure}}.log",
    conda:
        "../envs/jepa.yaml"
    resources:
        mem_mb=memory(700),
    params:
        code=code_hash("draw_figure"),
        scale=SCALE,
    shell:
        "python workflow/scripts/draw_figure.py --figure {wildcards.figure} --scale {params.scale} --audits {input.audits} "
        "--evals {input.evals} --data {input.data} --paper {input.paper} --pdf {output.pdf} --png {output.png} "
        "> {log} 2>&1"


rule all_figures:
    input:
        expand(f"{RESULTS}/figures/mop/{{figure}}.{{kind}}", figure=contents.FIGURES, kind=["pdf", "png"]),
