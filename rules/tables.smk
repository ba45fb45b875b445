# measure: audits and executions -> tidy rows. print: tidy rows -> CSV, Markdown, LaTeX. Nothing else reaches a table.


rule measure_table:
    input:
        audits=lambda wildcards: cells_of([wildcards.table], "audits"),
        evals=lambda wildcards: cells_of([wildcards.table], "evals"),
        data=[f"{DATA}/{contents.DATASETS[maze]}.provenance.json" for maze in MOP["mazes"]],
        paper="paper/mop.csv",
    output:
        f"{RESULTS}/measurements/mop/{{table}}.csv",
    log:
        f"{LOGS}/measurements/mop/{{table}}.log",
    conda:
        "../envs/jepa.yaml"
    resources:
        mem_mb=memory(500),
    params:
        code=code_hash("measure_table"),
        scale=SCALE,
        steps=MOP["training"]["steps"],
    shell:
        "python workflow/scripts/measure_table.py --table {wildcards.table} --scale {params.scale} --steps {params.steps} --audits {input.audits} "
        "--evals {input.evals} --data {input.data} --paper {input.paper} --out {output} > {log} 2>&1"


rule print_table:
    input:
        rules.measure_table.output,
    output:
        csv=f"{RESULTS}/tables/mop/{{table}}.csv",
        md=report(
            f"{RESULTS}/tables/mop/{{table}}.md",
            caption="../workflow/report/{table}.rst",
            category="MoP-JEPA",
            subcategory="tables",
            labels={"table": "{table}", "scale": SCALE},
        ),
        tex=f"{RESULTS}/tables/mop/{{table}}.tex",
    log:
        f"{LOGS}/tables/mop/{{table}}.log",
    conda:
        "../envs/jepa.yaml"
    resources:
        mem_mb=memory(500),
    params:
        code=code_hash("print_table"),
    shell:
        "python workflow/scripts/print_table.py --measurements {input} --csv {output.csv} --md {output.md} "
        "--tex {output.tex} > {log} 2>&1"


rule measurements:
    input:
        expand(rules.measure_table.output, table=contents.TABLES),
    output:
        f"{RESULTS}/measurements.csv",
    log:
        f"{LOGS}/measurements.log",
    conda:
        "../envs/jepa.yaml"
    resources:
        mem_mb=memory(500),
    params:
        code=code_hash("join_measurements"),
    shell:
        "python workflow/scripts/join_measurements.py --out {output} {input} > {log} 2>&1"


rule all_tables:
    input:
        expand(f"{RESULTS}/tables/mop/{{table}}.{{kind}}", table=contents.TABLES, kind=["csv", "md", "tex"]),
        f"{RESULTS}/measurements.csv",
