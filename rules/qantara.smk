# Qantara: one checkpoint a recipe, environment and seed, and every dispatch of it on the frozen pairs.

MODEL = f"{RESULTS}/models/qantara/{{recipe}}/{{env}}/seed{{seed}}"
EVAL = f"{RESULTS}/evals/qantara/{{recipe}}/{{env}}/seed{{seed}}"


rule train_qantara:
    input:
        unpack(training_data),
    output:
        model=f"{MODEL}/model.safetensors",
        config=f"{MODEL}/config.json",
        history=f"{MODEL}/history.csv",
        provenance=f"{MODEL}/provenance.json",
    log:
        f"{LOGS}/models/qantara/{{recipe}}/{{env}}/seed{{seed}}.log",
    benchmark:
        f"{BENCH}/models/qantara/{{recipe}}/{{env}}/seed{{seed}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("train_qantara"),
        runtime=minutes("train_qantara"),
        mem_mb=memory("train_qantara"),
        gpu=gpus("train_qantara"),
    params:
        settings=training_settings,
        frames=frames_option,
        code=code_hash("train_qantara"),
    shell:
        "python workflow/scripts/train_qantara.py --episodes {input.episodes:q} {params.frames:q} "
        "--env {wildcards.env:q} --settings {params.settings:q} --seed {wildcards.seed:q} --model {output.model:q} "
        "> {log:q} 2>&1"


rule evaluate_qantara:
    input:
        model=rules.train_qantara.output.model,
        config=rules.train_qantara.output.config,
        episodes=f"{DATA}/{{env}}.h5",
        manifest=rules.freeze_manifest.output,
    output:
        result=f"{EVAL}/{{dispatch}}-k{{k}}.json",
        timing=f"{EVAL}/{{dispatch}}-k{{k}}.timing.json",
        provenance=f"{EVAL}/{{dispatch}}-k{{k}}.provenance.json",
    log:
        f"{LOGS}/evals/qantara/{{recipe}}/{{env}}/seed{{seed}}/{{dispatch}}-k{{k}}.log",
    benchmark:
        f"{BENCH}/evals/qantara/{{recipe}}/{{env}}/seed{{seed}}/{{dispatch}}-k{{k}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("evaluate_qantara"),
        runtime=minutes("evaluate_qantara"),
        mem_mb=memory("evaluate_qantara"),
        gpu=gpus("evaluate_qantara"),
    params:
        settings=lambda wildcards: as_json(evaluation_settings(CONFIG, wildcards.dispatch, wildcards.env)),
        code=code_hash("evaluate_qantara"),
    shell:
        "python workflow/scripts/evaluate_qantara.py --model {input.model:q} --episodes {input.episodes:q} "
        "--manifest {input.manifest:q} --recipe {wildcards.recipe:q} --seed {wildcards.seed:q} "
        "--dispatch {wildcards.dispatch:q} --k {wildcards.k:q} --settings {params.settings:q} "
        "--out {output.result:q} --timing {output.timing:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule measure_dense:
    input:
        unpack(training_data),
        model=rules.train_qantara.output.model,
        config=rules.train_qantara.output.config,
        history=rules.train_qantara.output.history,
    output:
        result=f"{EVAL}/dense.json",
        provenance=f"{EVAL}/dense.provenance.json",
    log:
        f"{LOGS}/evals/qantara/{{recipe}}/{{env}}/seed{{seed}}/dense.log",
    benchmark:
        f"{BENCH}/evals/qantara/{{recipe}}/{{env}}/seed{{seed}}/dense.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("measure_dense"),
        runtime=minutes("measure_dense"),
        mem_mb=memory("measure_dense"),
        gpu=gpus("measure_dense"),
    params:
        frames=frames_option,
        code=code_hash("measure_dense"),
    shell:
        "python workflow/scripts/measure_dense.py --model {input.model:q} --history {input.history:q} "
        "--episodes {input.episodes:q} {params.frames:q} --recipe {wildcards.recipe:q} --seed {wildcards.seed:q} "
        "--out {output.result:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule measure_floors:
    input:
        episodes=f"{DATA}/{{env}}.h5",
        manifest=rules.freeze_manifest.output,
    output:
        result=f"{RESULTS}/evals/qantara/floors/{{env}}.json",
        provenance=f"{RESULTS}/evals/qantara/floors/{{env}}.provenance.json",
    log:
        f"{LOGS}/evals/qantara/floors/{{env}}.log",
    benchmark:
        f"{BENCH}/evals/qantara/floors/{{env}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("measure_floors"),
        runtime=minutes("measure_floors"),
        mem_mb=memory("measure_floors"),
    params:
        settings=lambda wildcards: as_json(
            evaluation_settings(CONFIG, "floors", wildcards.env) | split_settings(CONFIG)
        ),
        code=code_hash("measure_floors"),
    shell:
        "python workflow/scripts/measure_floors.py --episodes {input.episodes:q} --manifest {input.manifest:q} "
        "--settings {params.settings:q} --out {output.result:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule draw_noise_square:
    output:
        f"{RESULTS}/evals/qantara/draws.npz",
    log:
        f"{LOGS}/evals/qantara/draws.log",
    benchmark:
        f"{BENCH}/evals/qantara/draws.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("draw_noise_square"),
        runtime=minutes("draw_noise_square"),
        mem_mb=memory("draw_noise_square"),
    params:
        T=QANTARA["base"]["predictor"]["T"],
        code=code_hash("draw_noise_square"),
    shell:
        "python workflow/scripts/draw_noise_square.py --T {params.T:q} --out {output:q} > {log:q} 2>&1"


rule decode_rollouts:
    input:
        unpack(training_data),
        model=f"{RESULTS}/models/qantara/default/{{env}}/seed0/model.safetensors",
        config=f"{RESULTS}/models/qantara/default/{{env}}/seed0/config.json",
    output:
        rollouts=f"{RESULTS}/evals/qantara/default/{{env}}/seed0/rollouts.npz",
        provenance=f"{RESULTS}/evals/qantara/default/{{env}}/seed0/rollouts.provenance.json",
    log:
        f"{LOGS}/evals/qantara/default/{{env}}/seed0/rollouts.log",
    benchmark:
        f"{BENCH}/evals/qantara/default/{{env}}/seed0/rollouts.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("decode_rollouts"),
        runtime=minutes("decode_rollouts"),
        mem_mb=memory("decode_rollouts"),
        gpu=gpus("decode_rollouts"),
    params:
        settings=as_json({"steps": QANTARA["decoder_steps"]}),
        frames=frames_option,
        code=code_hash("decode_rollouts"),
    shell:
        "python workflow/scripts/decode_rollouts.py --model {input.model:q} --episodes {input.episodes:q} "
        "{params.frames:q} --settings {params.settings:q} --out {output.rollouts:q} "
        "--provenance {output.provenance:q} > {log:q} 2>&1"


rule shuffle_goals:
    input:
        model=f"{RESULTS}/models/qantara/default/{{env}}/seed0/model.safetensors",
        config=f"{RESULTS}/models/qantara/default/{{env}}/seed0/config.json",
        episodes=f"{DATA}/{{env}}.h5",
        manifest=rules.freeze_manifest.output,
    output:
        result=f"{RESULTS}/evals/qantara/default/{{env}}/seed0/goal-shuffle.json",
        provenance=f"{RESULTS}/evals/qantara/default/{{env}}/seed0/goal-shuffle.provenance.json",
    log:
        f"{LOGS}/evals/qantara/default/{{env}}/seed0/goal-shuffle.log",
    benchmark:
        f"{BENCH}/evals/qantara/default/{{env}}/seed0/goal-shuffle.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("shuffle_goals"),
        runtime=minutes("shuffle_goals"),
        mem_mb=memory("shuffle_goals"),
        gpu=gpus("shuffle_goals"),
    params:
        settings=lambda wildcards: as_json(evaluation_settings(CONFIG, "cem", wildcards.env)),
        code=code_hash("shuffle_goals"),
    shell:
        "python workflow/scripts/shuffle_goals.py --model {input.model:q} --episodes {input.episodes:q} "
        "--manifest {input.manifest:q} --settings {params.settings:q} --out {output.result:q} "
        "--provenance {output.provenance:q} > {log:q} 2>&1"
