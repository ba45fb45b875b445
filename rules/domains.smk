# Domains beyond the point mazes: their data, and one audit a (domain, seed) that trains and compares every arm.


rule prepare_domain:
    output:
        data=f"{DATA}/domains/{{data}}.npz",
        provenance=f"{DATA}/domains/{{data}}.provenance.json",
    log:
        f"{LOGS}/data/domains/{{data}}.log",
    benchmark:
        f"{BENCH}/data/domains/{{data}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("prepare_domain"),
        runtime=minutes("prepare_domain"),
        mem_mb=memory("prepare_domain"),
    params:
        settings=lambda wildcards: as_json(domain_data_settings(CONFIG, wildcards.data)),
        code=code_hash("prepare_domain"),
    shell:
        "python workflow/scripts/prepare_domain.py --data {wildcards.data:q} --settings {params.settings:q} "
        "--out {output.data:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule audit_domain:
    input:
        lambda wildcards: f"{DATA}/domains/{MOP['domains']['cells'][wildcards.domain]['data']}.npz",
    output:
        audit=f"{RESULTS}/domains/{{domain}}/seed{{seed}}.json",
        provenance=f"{RESULTS}/domains/{{domain}}/seed{{seed}}.provenance.json",
    log:
        f"{LOGS}/domains/{{domain}}/seed{{seed}}.log",
    benchmark:
        f"{BENCH}/domains/{{domain}}/seed{{seed}}.jsonl"
    conda:
        CONDA
    resources:
        expected_s=seconds("audit_domain"),
        runtime=minutes("audit_domain"),
        mem_mb=memory("audit_domain"),
        gpu=gpus("audit_domain"),
    params:
        settings=lambda wildcards: as_json(domain_settings(CONFIG, wildcards.domain)),
        code=code_hash("audit_domain"),
    shell:
        "python workflow/scripts/audit_domain.py --data {input:q} --domain {wildcards.domain:q} "
        "--settings {params.settings:q} --seed {wildcards.seed:q} --out {output.audit:q} "
        "--provenance {output.provenance:q} > {log:q} 2>&1"
