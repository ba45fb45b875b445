# Table of contents: configuration, rules in the order in which data moves, and what may be asked for.
#
#   snakemake --cores 2 all_tables                    every table at the laptop scale
#   snakemake --cores 2 all --config scale=smoke      everything, tiny
#   snakemake --cores 2 results/laptop/audits/mop/mdn/teleport/seed1.json      one cell

import atexit

from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/audit.smk"
include: "rules/evaluate.smk"
include: "rules/episodes.smk"
include: "rules/qantara.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"


localrules:
    all,
    all_tables,
    all_figures,


rule all:
    default_target: True
    input:
        rules.all_tables.input,
        rules.all_figures.input,


onstart:
    print_forecast(workflow.dag)


# A dry run starts nothing, so that its forecast comes at its end.
atexit.register(lambda: workflow.dryrun and workflow.dag and print_forecast(workflow.dag))
