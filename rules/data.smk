# Datasets, and the cell crossings that MoP-JEPA's transitions are.


rule fetch_dataset:
    output:
        train=f"{DATA}/{{dataset}}.npz",
        val=f"{DATA}/{{dataset}}-val.npz",
        provenance=f"{DATA}/{{dataset}}.provenance.json",
    log:
        f"{LOGS}/data/{{dataset}}.log",
    benchmark:
        f"{BENCH}/data/{{dataset}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("fetch_dataset"),
        runtime=minutes("fetch_dataset"),
        mem_mb=memory("fetch_dataset"),
    params:
        settings=lambda wildcards: as_json(dataset_settings(CONFIG, wildcards.dataset)),
        code=code_hash("fetch_dataset"),
    shell:
        "python workflow/scripts/fetch_dataset.py --dataset {wildcards.dataset:q} --settings {params.settings:q} "
        "--train {output.train:q} --val {output.val:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule extract_crossings:
    input:
        lambda wildcards: f"{DATA}/{contents.DATASETS[wildcards.maze]}{wildcards.part}.npz",
    output:
        crossings=f"{DATA}/crossings/{{maze}}{{part}}.npz",
        provenance=f"{DATA}/crossings/{{maze}}{{part}}.provenance.json",
    log:
        f"{LOGS}/data/crossings/{{maze}}{{part}}.log",
    benchmark:
        f"{BENCH}/data/crossings/{{maze}}{{part}}.jsonl"
    wildcard_constraints:
        part="|-val",  # the training file, or the validation file
    conda:
        CONDA
    resources:
        expected_s=seconds("extract_crossings"),
        runtime=minutes("extract_crossings"),
        mem_mb=memory("extract_crossings"),
    params:
        code=code_hash("extract_crossings"),
    shell:
        "python workflow/scripts/extract_crossings.py --dataset {input:q} --maze {wildcards.maze:q} "
        "--out {output.crossings:q} --provenance {output.provenance:q} > {log:q} 2>&1"
