# Qantara's data: demonstrations (states and actions), then the frames that training uses, then the frozen pairs.


rule train_expert:
    output:
        model=f"{DATA}/experts/{{env}}/model.safetensors",
        config=f"{DATA}/experts/{{env}}/config.json",
        provenance=f"{DATA}/experts/{{env}}/provenance.json",
    log:
        f"{LOGS}/data/experts/{{env}}.log",
    benchmark:
        f"{BENCH}/data/experts/{{env}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("train_expert"),
        runtime=minutes("train_expert"),
        mem_mb=memory("train_expert"),
        gpu=gpus("train_expert"),
    params:
        settings=lambda wildcards: as_json({"steps": QANTARA["expert_steps"]}),
        seed=CONFIG["data"]["seed"],
        code=code_hash("train_expert"),
    shell:
        "python workflow/scripts/train_expert.py --env {wildcards.env:q} --settings {params.settings:q} "
        "--seed {params.seed:q} --out {output.model:q} > {log:q} 2>&1"


rule fetch_weights:
    output:
        weights=f"{DATA}/dinov2_vits14.pth",
        provenance=f"{DATA}/dinov2_vits14.provenance.json",
    log:
        f"{LOGS}/data/dinov2_vits14.log",
    benchmark:
        f"{BENCH}/data/dinov2_vits14.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("fetch_weights"),
        runtime=minutes("fetch_weights"),
        mem_mb=memory("fetch_weights"),
    params:
        source=source_of(CONFIG, "dinov2_vits14"),
        code=code_hash("fetch_weights"),
    shell:
        "python workflow/scripts/fetch_weights.py --source {params.source:q} --out {output.weights:q} "
        "--provenance {output.provenance:q} > {log:q} 2>&1"


rule generate_episodes:
    input:
        unpack(demonstrator),
    output:
        episodes=f"{DATA}/{{env}}.h5",
        provenance=f"{DATA}/{{env}}.provenance.json",
    log:
        f"{LOGS}/data/{{env}}.log",
    benchmark:
        f"{BENCH}/data/{{env}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("generate_episodes"),
        runtime=minutes("generate_episodes"),
        mem_mb=memory("generate_episodes"),
    params:
        settings=lambda wildcards: as_json(episode_settings(CONFIG, wildcards.env)),
        options=demonstrator_options,
        code=code_hash("generate_episodes"),
    shell:
        "python workflow/scripts/generate_episodes.py --env {wildcards.env:q} --settings {params.settings:q} "
        "{params.options:q} --out {output.episodes:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule render_frames:
    input:
        episodes=f"{DATA}/{{env}}.h5",
    output:
        frames=f"{DATA}/frames/{{env}}-{{size}}.h5",
        provenance=f"{DATA}/frames/{{env}}-{{size}}.provenance.json",
    log:
        f"{LOGS}/data/frames/{{env}}-{{size}}.log",
    benchmark:
        f"{BENCH}/data/frames/{{env}}-{{size}}.jsonl"
    conda:
        CONDA
    threads: CONFIG["threads"]["render_frames"]
    resources:
        expected_s=seconds("render_frames"),
        runtime=minutes("render_frames"),
        mem_mb=memory("render_frames"),
        cpus_per_task=CONFIG["threads"]["render_frames"],  # of Slurm, where `cores` of the profile caps `threads`
        gpu=gpus("render_frames"),
    params:
        settings=lambda wildcards: as_json(frame_settings(CONFIG, wildcards.env)),
        code=code_hash("render_frames"),
    shell:
        "python workflow/scripts/render_frames.py --episodes {input.episodes:q} --size {wildcards.size:q} "
        "--settings {params.settings:q} --workers ${{SLURM_CPUS_PER_TASK:-{threads}}} --out {output.frames:q} --provenance {output.provenance:q} "
        "> {log:q} 2>&1"


rule freeze_manifest:
    input:
        episodes=f"{DATA}/{{env}}.h5",
    output:
        f"{DATA}/manifests/{{env}}.json",
    log:
        f"{LOGS}/data/manifests/{{env}}.log",
    benchmark:
        f"{BENCH}/data/manifests/{{env}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("freeze_manifest"),
        runtime=minutes("freeze_manifest"),
        mem_mb=memory("freeze_manifest"),
    params:
        settings=lambda wildcards: as_json(pair_settings(CONFIG, wildcards.env)),
        code=code_hash("freeze_manifest"),
    shell:
        "python workflow/scripts/freeze_manifest.py --episodes {input.episodes:q} --settings {params.settings:q} "
        "--out {output:q} > {log:q} 2>&1"
