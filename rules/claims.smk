# The claims ledger: measurements -> verdicts. From the tables of `headline` alone, so that the first hour has it.


rule claims:
    input:
        claims="paper/claims.yaml",
        measurements=[
            f"{RESULTS}/measurements/{paper}/{table}.csv"
            for paper, table in REPORTED_TABLES
            if table in contents.HEADLINE[paper]
        ],
    output:
        csv=f"{RESULTS}/claims.csv",
        md=report(
            f"{RESULTS}/claims.md",
            caption="../workflow/report/caption.rst",
            category="claims",
            labels={"table": "claims of both papers", "scale": SCALE},
        ),
    log:
        f"{LOGS}/claims.log",
    benchmark:
        f"{BENCH}/claims.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("claims"),
        runtime=minutes("claims"),
        mem_mb=memory("claims"),
    params:
        code=code_hash("judge_claims"),
        scale=SCALE,
        caption=(Path(workflow.basedir) / "workflow/report/claims.rst").read_text(),
    shell:
        "python workflow/scripts/judge_claims.py --claims {input.claims:q} --scale {params.scale:q} "
        "--csv {output.csv:q} --md {output.md:q} {input.measurements:q} > {log:q} 2>&1"
