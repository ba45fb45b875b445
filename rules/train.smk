# One model a cell: (arm, maze, seed).


rule train_mop:
    input:
        crossings=f"{DATA}/crossings/{{maze}}.npz",
    output:
        model=f"{RESULTS}/models/mop/{{arm}}/{{maze}}/seed{{seed}}/model.safetensors",
        config=f"{RESULTS}/models/mop/{{arm}}/{{maze}}/seed{{seed}}/config.json",
        history=f"{RESULTS}/models/mop/{{arm}}/{{maze}}/seed{{seed}}/history.csv",
        provenance=f"{RESULTS}/models/mop/{{arm}}/{{maze}}/seed{{seed}}/provenance.json",
    log:
        f"{LOGS}/models/mop/{{arm}}/{{maze}}/seed{{seed}}.log",
    benchmark:
        f"{BENCH}/models/mop/{{arm}}/{{maze}}/seed{{seed}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("train_mop"),
        runtime=minutes("train_mop"),
        mem_mb=memory("train_mop"),
    params:
        settings=lambda wildcards: as_json(arm_settings(CONFIG, wildcards.arm)),
        code=code_hash("train_mop"),
    shell:
        "python workflow/scripts/train_mop.py --crossings {input.crossings:q} --maze {wildcards.maze:q} "
        "--settings {params.settings:q} --seed {wildcards.seed:q} --model {output.model:q} > {log:q} 2>&1"
