# The verification protocol: every model proposes its transition graph blind, ground truth only checks it.


rule audit_mop:
    input:
        crossings=f"{DATA}/crossings/{{maze}}.npz",
        validation=f"{DATA}/crossings/{{maze}}-val.npz",
        model=rules.train_mop.output.model,
        config=rules.train_mop.output.config,
    output:
        audit=f"{RESULTS}/audits/mop/{{arm}}/{{maze}}/seed{{seed}}.json",
        graphs=f"{RESULTS}/audits/mop/{{arm}}/{{maze}}/seed{{seed}}.graphs.npz",
        provenance=f"{RESULTS}/audits/mop/{{arm}}/{{maze}}/seed{{seed}}.provenance.json",
    log:
        f"{LOGS}/audits/mop/{{arm}}/{{maze}}/seed{{seed}}.log",
    benchmark:
        f"{BENCH}/audits/mop/{{arm}}/{{maze}}/seed{{seed}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("audit_mop"),
        runtime=minutes("audit_mop"),
        mem_mb=memory("audit_mop"),
    params:
        settings=as_json(MOP["audit"]),
        code=code_hash("audit_mop"),
    shell:
        "python workflow/scripts/audit_mop.py --crossings {input.crossings:q} --validation {input.validation:q} "
        "--model {input.model:q} --arm {wildcards.arm:q} --settings {params.settings:q} "
        "--out {output.audit:q} --graphs {output.graphs:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule audit_control:
    input:
        crossings=f"{DATA}/crossings/{{maze}}.npz",
    output:
        audit=f"{RESULTS}/audits/mop/{{control}}/{{maze}}/seed{{seed}}.json",
        provenance=f"{RESULTS}/audits/mop/{{control}}/{{maze}}/seed{{seed}}.provenance.json",
    log:
        f"{LOGS}/audits/mop/{{control}}/{{maze}}/seed{{seed}}.log",
    benchmark:
        f"{BENCH}/audits/mop/{{control}}/{{maze}}/seed{{seed}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("audit_control"),
        runtime=minutes("audit_control"),
        mem_mb=memory("audit_control"),
    params:
        code=code_hash("audit_control"),
    shell:
        "python workflow/scripts/audit_control.py --crossings {input.crossings:q} --maze {wildcards.maze:q} "
        "--control {wildcards.control:q} --seed {wildcards.seed:q} --out {output.audit:q} "
        "--provenance {output.provenance:q} > {log:q} 2>&1"


# Two-step fan-out of a trained model, and what Figures 2 and 3 show of it.
rule measure_fanout:
    input:
        crossings=f"{DATA}/crossings/{{maze}}.npz",
        model=rules.train_mop.output.model,
        config=rules.train_mop.output.config,
    output:
        fanout=f"{RESULTS}/audits/mop/{{arm}}/{{maze}}/fanout-seed{{seed}}.json",
        provenance=f"{RESULTS}/audits/mop/{{arm}}/{{maze}}/fanout-seed{{seed}}.provenance.json",
    log:
        f"{LOGS}/audits/mop/{{arm}}/{{maze}}/fanout-seed{{seed}}.log",
    benchmark:
        f"{BENCH}/audits/mop/{{arm}}/{{maze}}/fanout-seed{{seed}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("measure_fanout"),
        runtime=minutes("measure_fanout"),
        mem_mb=memory("measure_fanout"),
    params:
        settings=as_json(MOP["audit"]),
        code=code_hash("measure_fanout"),
    shell:
        "python workflow/scripts/measure_fanout.py --crossings {input.crossings:q} --model {input.model:q} "
        "--arm {wildcards.arm:q} --settings {params.settings:q} --out {output.fanout:q} "
        "--provenance {output.provenance:q} > {log:q} 2>&1"
