# One figure a job, as PDF for papers and PNG for pages.


rule draw_figure:
    input:
        results=lambda wildcards: results_of(wildcards.paper, wildcards.figure),
        data=lambda wildcards: data_of(wildcards.paper, wildcards.figure),
        published="paper/{paper}.csv",
    output:
        pdf=f"{RESULTS}/figures/{{paper}}/{{figure}}.pdf",
        png=report(
            f"{RESULTS}/figures/{{paper}}/{{figure}}.png",
            caption="../workflow/report/caption.rst",
            category="{paper}",
            subcategory="figures",
            labels={"figure": "{figure}", "scale": SCALE},
        ),
    log:
        f"{LOGS}/figures/{{paper}}/{{figure}}.log",
    benchmark:
        f"{BENCH}/figures/{{paper}}/{{figure}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("draw_figure"),
        runtime=minutes("draw_figure"),
        mem_mb=memory("draw_figure"),
    params:
        code=code_hash("draw_figure"),
        caption=lambda wildcards: caption_of(wildcards.paper, wildcards.figure),
        scale=SCALE,
    shell:
        "python workflow/scripts/draw_figure.py --paper {wildcards.paper:q} --figure {wildcards.figure:q} "
        "--scale {params.scale:q} --published {input.published:q} --data {input.data:q} "
        "--pdf {output.pdf:q} --png {output.png:q} --results {input.results:q} > {log:q} 2>&1"


rule all_figures:
    input:
        drawn(),
