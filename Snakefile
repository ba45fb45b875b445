# Table of contents: configuration, rules in the order in which data moves, and what may be asked for.
#
#   snakemake --cores 2 headline                      what fits into an hour: all but the next two
#   snakemake --cores 2 mop_grids                     MoP-JEPA's design ablations on the mazes
#   snakemake --cores 2 mop_generality                MoP-JEPA beyond the point mazes
#   snakemake --cores 2 all_tables all_figures        everything
#   snakemake --cores 2 claims                        which claims of the papers hold, from the tables of headline
#   snakemake --cores 2 all --config scale=smoke      everything, tiny
#   snakemake --cores 2 results/laptop/audits/mop/mdn/teleport/seed1.json      one cell

import atexit

from snakemake.utils import min_version

min_version("9.0")


include: "rules/check.smk"


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/audit.smk"
include: "rules/evaluate.smk"
include: "rules/episodes.smk"
include: "rules/qantara.smk"
include: "rules/domains.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/claims.smk"


# On a cluster these run where Snakemake does: they take a second.
localrules:
    print_table,
    measurements,
    claims,
    all,
    all_tables,
    all_figures,
    headline,
    mop_grids,
    mop_generality,


rule all:
    default_target: True
    input:
        rules.all_tables.input,
        rules.all_figures.input,
        rules.claims.output,


rule headline:
    input:
        printed(contents.HEADLINE),
        drawn(contents.HEADLINE),
        rules.claims.output,


rule mop_grids:
    input:
        printed(contents.GRIDS),


rule mop_generality:
    input:
        printed(contents.GENERALITY),
        drawn(contents.GENERALITY),


onstart:
    print_forecast(workflow.dag)
    lift_rate_limit(workflow)


# A dry run starts nothing, so that its forecast comes at its end.
atexit.register(lambda: workflow.dryrun and workflow.dag and print_forecast(workflow.dag))
