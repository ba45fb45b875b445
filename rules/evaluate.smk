# Closed-loop execution in the real environment.


rule execute_mop:
    input:
        graphs=rules.audit_mop.output.graphs,
    output:
        execution=f"{RESULTS}/evals/mop/{{arm}}/{{maze}}/seed{{seed}}/execution.json",
        provenance=f"{RESULTS}/evals/mop/{{arm}}/{{maze}}/seed{{seed}}/execution.provenance.json",
    log:
        f"{LOGS}/evals/mop/{{arm}}/{{maze}}/seed{{seed}}/execution.log",
    benchmark:
        f"{BENCH}/evals/mop/{{arm}}/{{maze}}/seed{{seed}}/execution.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("execute_mop"),
        runtime=minutes("execute_mop"),
        mem_mb=memory("execute_mop"),
    params:
        settings=as_json({key: MOP["execution"][key] for key in ("episodes", "max_steps")}),
        code=code_hash("execute_mop"),
    shell:
        "python workflow/scripts/execute_mop.py --graphs {input.graphs:q} --method {wildcards.arm:q} "
        "--maze {wildcards.maze:q} --seed {wildcards.seed:q} --settings {params.settings:q} "
        "--out {output.execution:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule execute_control:
    output:
        execution=f"{RESULTS}/evals/mop/{{executor_control}}/{{maze}}/seed{{seed}}/execution.json",
        provenance=f"{RESULTS}/evals/mop/{{executor_control}}/{{maze}}/seed{{seed}}/execution.provenance.json",
    log:
        f"{LOGS}/evals/mop/{{executor_control}}/{{maze}}/seed{{seed}}/execution.log",
    benchmark:
        f"{BENCH}/evals/mop/{{executor_control}}/{{maze}}/seed{{seed}}/execution.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("execute_control"),
        runtime=minutes("execute_control"),
        mem_mb=memory("execute_control"),
    params:
        settings=as_json({key: MOP["execution"][key] for key in ("episodes", "max_steps")}),
        code=code_hash("execute_mop"),
    shell:
        "python workflow/scripts/execute_mop.py --method {wildcards.executor_control:q} "
        "--maze {wildcards.maze:q} --seed {wildcards.seed:q} --settings {params.settings:q} "
        "--out {output.execution:q} --provenance {output.provenance:q} > {log:q} 2>&1"
