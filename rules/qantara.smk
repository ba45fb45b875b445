# Qantara: demonstrations, frozen pairs, one checkpoint a recipe and seed, three dispatches each.

SPLIT = {key: QANTARA["base"]["data"][key] for key in ("holdout", "split_seed")}
MODEL = f"{RESULTS}/models/qantara/{{recipe}}/{{env}}/seed{{seed}}"
EVAL = f"{RESULTS}/evals/qantara/{{recipe}}/{{env}}/seed{{seed}}"


rule generate_episodes:
    output:
        episodes=f"{DATA}/{{env}}.h5",
        provenance=f"{DATA}/{{env}}.provenance.json",
    log:
        f"{LOGS}/data/{{env}}.log",
    benchmark:
        f"{BENCH}/data/{{env}}.jsonl"
    conda:
        "../envs/jepa.yaml"
    resources:
        expected_s=seconds("generate_episodes"),
        runtime=minutes("generate_episodes"),
        mem_mb=memory(2000),
    params:
        settings=as_json({"episodes": QANTARA["episodes"], "seed": CONFIG["data"]["seed"]}),
        code=code_hash("generate_episodes"),
    shell:
        "python workflow/scripts/generate_episodes.py --env {wildcards.env} --settings {params.settings:q} "
        "--out {output.episodes} --provenance {output.provenance} > {log} 2>&1"


rule freeze_manifest:
    input:
        episodes=f"{DATA}/{{env}}.h5",
    output:
        f"{DATA}/manifests/{{env}}.json",
    log:
        f"{LOGS}/data/manifests/{{env}}.log",
    conda:
        "../envs/jepa.yaml"
    resources:
        mem_mb=memory(1000),
    params:
        settings=as_json({key: QANTARA["evaluation"][key] for key in ("pairs", "offset", "budget")} | SPLIT),
        code=code_hash("freeze_manifest"),
    shell:
        "python workflow/scripts/freeze_manifest.py --episodes {input.episodes} --settings {params.settings:q} "
        "--out {output} > {log} 2>&1"


rule train_qantara:
    input:
        episodes=f"{DATA}/{{env}}.h5",
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
        "../envs/jepa.yaml"
    resources:
        expected_s=seconds("train_qantara"),
        runtime=minutes("train_qantara"),
        mem_mb=memory(4000),
        gpu=gpus("train_qantara"),
    params:
        settings=lambda wildcards: as_json(recipe_settings(CONFIG, wildcards.recipe)),
        code=code_hash("train_qantara"),
    shell:
        "python workflow/scripts/train_qantara.py --episodes {input.episodes} --env {wildcards.env} "
        "--settings {params.settings:q} --seed {wildcards.seed} --model {output.model} > {log} 2>&1"


rule evaluate_qantara:
    input:
        model=rules.train_qantara.output.model,
        config=rules.train_qantara.output.config,
        episodes=f"{DATA}/{{env}}.h5",
        manifest=rules.freeze_manifest.output,
    output:
        result=f"{EVAL}/{{dispatch}}-k{{k}}.json",
        provenance=f"{EVAL}/{{dispatch}}-k{{k}}.provenance.json",
    log:
        f"{LOGS}/evals/qantara/{{recipe}}/{{env}}/seed{{seed}}/{{dispatch}}-k{{k}}.log",
    benchmark:
        f"{BENCH}/evals/qantara/{{recipe}}/{{env}}/seed{{seed}}/{{dispatch}}-k{{k}}.jsonl"
    conda:
        "../envs/jepa.yaml"
    resources:
        expected_s=lambda wildcards: seconds(f"evaluate_{wildcards.dispatch}"),
        runtime=minutes("evaluate_cem"),
        mem_mb=memory(3000),
        gpu=gpus("evaluate_qantara"),
    params:
        settings=lambda wildcards: as_json(evaluation_settings(CONFIG, wildcards.dispatch)),
        code=code_hash("evaluate_qantara"),
    shell:
        "python workflow/scripts/evaluate_qantara.py --model {input.model} --episodes {input.episodes} "
        "--manifest {input.manifest} --recipe {wildcards.recipe} --seed {wildcards.seed} --dispatch {wildcards.dispatch} "
        "--k {wildcards.k} --settings {params.settings:q} --out {output.result} --provenance {output.provenance} "
        "> {log} 2>&1"


rule measure_dense:
    input:
        model=rules.train_qantara.output.model,
        config=rules.train_qantara.output.config,
        history=rules.train_qantara.output.history,
        episodes=f"{DATA}/{{env}}.h5",
    output:
        result=f"{EVAL}/dense.json",
        provenance=f"{EVAL}/dense.provenance.json",
    log:
        f"{LOGS}/evals/qantara/{{recipe}}/{{env}}/seed{{seed}}/dense.log",
    benchmark:
        f"{BENCH}/evals/qantara/{{recipe}}/{{env}}/seed{{seed}}/dense.jsonl"
    conda:
        "../envs/jepa.yaml"
    resources:
        expected_s=seconds("measure_dense"),
        runtime=minutes("measure_dense"),
        mem_mb=memory(2000),
    params:
        code=code_hash("measure_dense"),
    shell:
        "python workflow/scripts/measure_dense.py --model {input.model} --history {input.history} "
        "--episodes {input.episodes} --recipe {wildcards.recipe} --seed {wildcards.seed} --out {output.result} "
        "--provenance {output.provenance} > {log} 2>&1"


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
        "../envs/jepa.yaml"
    resources:
        expected_s=seconds("measure_floors"),
        runtime=minutes("measure_floors"),
        mem_mb=memory(1000),
    params:
        settings=as_json(evaluation_settings(CONFIG, "floors") | SPLIT),
        code=code_hash("measure_floors"),
    shell:
        "python workflow/scripts/measure_floors.py --episodes {input.episodes} --manifest {input.manifest} "
        "--settings {params.settings:q} --out {output.result} --provenance {output.provenance} > {log} 2>&1"


rule draw_noise_square:
    output:
        f"{RESULTS}/evals/qantara/draws.npz",
    log:
        f"{LOGS}/evals/qantara/draws.log",
    conda:
        "../envs/jepa.yaml"
    resources:
        mem_mb=memory(1000),
    params:
        T=QANTARA["base"]["predictor"]["T"],
        code=code_hash("draw_noise_square"),
    shell:
        "python workflow/scripts/draw_noise_square.py --T {params.T} --out {output} > {log} 2>&1"


rule decode_rollouts:
    input:
        model=f"{RESULTS}/models/qantara/default/{{env}}/seed0/model.safetensors",
        config=f"{RESULTS}/models/qantara/default/{{env}}/seed0/config.json",
        episodes=f"{DATA}/{{env}}.h5",
    output:
        rollouts=f"{RESULTS}/evals/qantara/default/{{env}}/seed0/rollouts.npz",
        provenance=f"{RESULTS}/evals/qantara/default/{{env}}/seed0/rollouts.provenance.json",
    log:
        f"{LOGS}/evals/qantara/default/{{env}}/seed0/rollouts.log",
    benchmark:
        f"{BENCH}/evals/qantara/default/{{env}}/seed0/rollouts.jsonl"
    conda:
        "../envs/jepa.yaml"
    resources:
        expected_s=seconds("decode_rollouts"),
        runtime=minutes("decode_rollouts"),
        mem_mb=memory(2000),
        gpu=gpus("evaluate_qantara"),
    params:
        settings=as_json({"steps": QANTARA["decoder_steps"]}),
        code=code_hash("decode_rollouts"),
    shell:
        "python workflow/scripts/decode_rollouts.py --model {input.model} --episodes {input.episodes} "
        "--settings {params.settings:q} --out {output.rollouts} --provenance {output.provenance} > {log} 2>&1"
