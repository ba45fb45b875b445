# measure: results -> tidy rows. print: tidy rows -> CSV, Markdown, LaTeX. Nothing else reaches a table.


rule measure_table:
    input:
        results=lambda wildcards: results_of(wildcards.paper, wildcards.table),
        data=lambda wildcards: data_of(wildcards.paper, wildcards.table),
        published="paper/{paper}.csv",
    output:
        f"{RESULTS}/measurements/{{paper}}/{{table}}.csv",
    log:
        f"{LOGS}/measurements/{{paper}}/{{table}}.log",
    benchmark:
        f"{BENCH}/measurements/{{paper}}/{{table}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("measure_table"),
        runtime=minutes("measure_table"),
        mem_mb=memory("measure_table"),
    params:
        code=code_hash("measure_table"),
        scale=SCALE,
        steps=lambda wildcards: STEPS[wildcards.paper],
    shell:
        "python workflow/scripts/measure_table.py --paper {wildcards.paper:q} --table {wildcards.table:q} "
        "--scale {params.scale:q} --steps {params.steps:q} --published {input.published:q} --data {input.data:q} "
        "--out {output:q} --results {input.results:q} > {log:q} 2>&1"


rule print_table:
    input:
        rules.measure_table.output,
    output:
        csv=f"{RESULTS}/tables/{{paper}}/{{table}}.csv",
        md=report(
            f"{RESULTS}/tables/{{paper}}/{{table}}.md",
            caption="../workflow/report/caption.rst",
            category="{paper}",
            subcategory="tables",
            labels={"table": "{table}", "scale": SCALE},
        ),
        tex=f"{RESULTS}/tables/{{paper}}/{{table}}.tex",
    log:
        f"{LOGS}/tables/{{paper}}/{{table}}.log",
    benchmark:
        f"{BENCH}/tables/{{paper}}/{{table}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("print_table"),
        runtime=minutes("print_table"),
        mem_mb=memory("print_table"),
    params:
        code=code_hash("print_table"),
        caption=lambda wildcards: caption_of(wildcards.paper, wildcards.table),
    shell:
        "python workflow/scripts/print_table.py --measurements {input:q} --csv {output.csv:q} --md {output.md:q} "
        "--tex {output.tex:q} > {log:q} 2>&1"


rule measurements:
    input:
        [f"{RESULTS}/measurements/{paper}/{table}.csv" for paper, table in REPORTED_TABLES],
    output:
        measurements=f"{RESULTS}/measurements.csv",
        timings=f"{RESULTS}/timings.csv",
    log:
        f"{LOGS}/measurements.log",
    benchmark:
        f"{BENCH}/measurements.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("measurements"),
        runtime=minutes("measurements"),
        mem_mb=memory("measurements"),
    params:
        code=code_hash("join_measurements"),
    shell:
        "python workflow/scripts/join_measurements.py --out {output.measurements:q} --timings {output.timings:q} "
        "{input:q} > {log:q} 2>&1"


rule all_tables:
    input:
        printed(),
        f"{RESULTS}/measurements.csv",
