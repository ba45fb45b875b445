"""Read config.yaml: validate it, apply a scale, resolve what one cell depends on."""

import copy

import jsonschema

from jepa.cells import CONTROLS, EXECUTOR_CONTROLS
from jepa.config_file import check_values, read
from jepa.errors import JepaError


def merge(base, override):
    """A copy of nested dict `base` with the leaves of `override` put over it. Lists are replaced whole."""
    merged = copy.deepcopy(base)
    for key, value in override.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def resolve(raw, schema_path):
    """Validated configuration with the chosen scale applied.

    raw: dict of config.yaml, with `scale` naming a key of `scales`. Returns a dict without `scales` in which every
    size is that of the scale. Raises JepaError in one sentence that names the key, the value and what is allowed.
    """
    schema = read(schema_path)
    check_values(raw)
    _validate(raw, schema)
    scale = raw["scale"]
    if scale not in raw["scales"]:
        raise JepaError(f"config key `scale` is {scale!r}; allowed are {', '.join(raw['scales'])}.")
    config = merge({key: value for key, value in raw.items() if key != "scales"}, raw["scales"][scale])
    for of_scale, of_all in (
        (config["qantara"]["environments"], raw["qantara"]["environments"]),
        (config["mop"]["domains"]["cells"], raw["mop"]["domains"]["cells"]),
    ):
        for name in set(of_scale) - set(of_all):  # taken out there: out at every scale
            del of_scale[name]
    _validate(config | {"scales": raw["scales"]}, schema)
    _check_names(config)
    return config


def _validate(instance, schema):
    validator = jsonschema.Draft202012Validator(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(instance))
    if error is None:
        return
    key = ".".join(str(part) for part in error.absolute_path) or "the top level"
    if error.validator == "additionalProperties":
        allowed = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(allowed))
        raise JepaError(
            f"config key `{key}` has the unknown entry {', '.join(map(repr, unknown))}; "
            f"allowed there: {', '.join(allowed)}."
        )
    value = repr(error.instance)
    value = value if len(value) < 80 else value[:77] + "..."
    if "propertyNames" in error.absolute_schema_path:
        raise JepaError(
            f"config key `{key}` has the entry {value}; a name there must be {error.schema['description']}."
        )
    allowed = {
        "enum": lambda: "allowed are " + ", ".join(map(repr, error.validator_value)),
        "minimum": lambda: f"it must be at least {error.validator_value}",
        "exclusiveMinimum": lambda: f"it must be greater than {error.validator_value}",
        "maximum": lambda: f"it must be at most {error.validator_value}",
        "type": lambda: f"it must be of type {error.validator_value}",
        "pattern": lambda: f"it must be {error.schema['description']}",
        "required": lambda: error.message,
    }.get(error.validator, lambda: error.message)()
    raise JepaError(f"config key `{key}` is {value}; {allowed}.")


def _check_names(config):
    reserved = {*CONTROLS, *EXECUTOR_CONTROLS, "floors"}
    for key in ("mop.arms", "qantara.recipes"):
        paper, names = key.split(".")
        for name in reserved & set(config[paper][names]):
            raise JepaError(
                f"config key `{key}` has the entry {name!r}, which is the name of a control; choose another."
            )
    environments = config["qantara"]["environments"]
    for env in environments:
        evaluation = evaluation_settings(config, "cem", env)
        if evaluation["elites"] > evaluation["candidates"]:
            raise JepaError(
                f"config key `qantara.evaluation.elites` is {evaluation['elites']}; it must be at most "
                f"`qantara.evaluation.candidates`, which is {evaluation['candidates']} on {env}."
            )
        skip, stride = config["qantara"]["base"]["data"]["frame_skip"], environments[env].get("stride", 1)
        if skip % stride:
            raise JepaError(
                f"config key `qantara.environments.{env}.stride` is {stride}; it must divide "
                f"`qantara.base.data.frame_skip`, which is {skip}."
            )
    for recipe in config["qantara"]["recipes"]:
        predictor = recipe_settings(config, recipe, next(iter(environments)))["predictor"]
        if predictor["residual"] and not predictor["bridge"]:
            raise JepaError(
                f"config key `qantara.recipes.{recipe}.predictor` has bridge: false with residual: true; the residual "
                "needs the bridge, so set residual: false as well."
            )
    for name, grid in config["qantara"]["grids"].items():
        for recipe in grid["recipes"]:
            if recipe not in config["qantara"]["recipes"]:
                raise JepaError(
                    f"config key `qantara.grids.{name}.recipes` names the recipe {recipe!r}; "
                    f"allowed are {', '.join(config['qantara']['recipes'])}."
                )
    mop = config["mop"]
    for name, cell in mop["domains"]["cells"].items():
        if cell["data"] not in mop["domains"]["data"]:
            raise JepaError(
                f"config key `mop.domains.cells.{name}.data` is {cell['data']!r}; "
                f"allowed are {', '.join(mop['domains']['data'])}."
            )
    domains = {"base": mop["domains"]["base"]} | mop["domains"]["cells"]
    lists = {f"mop.domains.{name}.arms": entry["arms"] for name, entry in domains.items() if "arms" in entry}
    lists |= {f"mop.grids.{name}.arms": grid["arms"] for name, grid in mop["grids"].items()}
    for key, arms in (lists | {"mop.execution.arms": mop["execution"]["arms"]}).items():
        for arm in arms:
            if arm not in mop["arms"]:
                raise JepaError(f"config key `{key}` names the arm {arm!r}; allowed are {', '.join(mop['arms'])}.")


def arm_settings(config, arm):
    """Everything that the model of one MoP-JEPA arm depends on: {model, predictor, training}.

    This is the rule's `params`: editing one arm in config.yaml changes the settings of that arm alone.
    """
    mop = config["mop"]
    if arm not in mop["arms"]:
        raise JepaError(f"arm {arm!r} is unknown; allowed are {', '.join(mop['arms'])}.")
    entry = mop["arms"][arm] or {}
    model = merge(mop["model"], entry.get("model", {}))
    training = merge(mop["training"], entry.get("training", {}))
    training["steps"] = round(training["steps"] * training.pop("steps_factor", 1))
    predictor = merge(mop["head"], entry["predictor"])
    return {"model": model, "predictor": predictor, "training": training}


def domain_settings(config, name):
    """Everything that the audit of one domain depends on beside its data.

    {domain, kind, space, d, gate, encoder, training, arms: {arm: predictor}} and the options of the domain's kind.
    """
    domains = config["mop"]["domains"]
    cell = dict(domains["cells"][name])
    kind, options = domains["data"][cell.pop("data")]["kind"], cell.pop("options", {})
    settings = merge(domains["base"], cell)
    head, arms = settings.pop("head"), settings.pop("arms")
    settings["training"] = {key: value for key, value in settings["training"].items() if key != "steps_factor"}
    arms = {arm: merge(head, config["mop"]["arms"][arm]["predictor"]) for arm in arms}
    return settings | options | {"domain": name, "kind": kind, "arms": arms}


def domain_data_settings(config, name):
    """What the prepared data of domains depend on: {kind, source, seed} and the options of the kind."""
    data = config["mop"]["domains"]["data"][name]
    facts = {"kind": data["kind"], "source": source_of(config, name), "seed": config["data"]["seed"]}
    return data.get("options", {}) | facts


def recipe_settings(config, recipe, env):
    """Everything that a Qantara model of one recipe on one environment depends on.

    That is `base`, with the environment's difference put over it, then the recipe's.
    """
    qantara = config["qantara"]
    if recipe not in qantara["recipes"]:
        raise JepaError(f"recipe {recipe!r} is unknown; allowed are {', '.join(qantara['recipes'])}.")
    settings = merge(merge(qantara["base"], _environment(config, env)["base"]), qantara["recipes"][recipe])
    quality = frame_settings(config, env)["quality"]
    settings["data"] |= {"protocol": qantara["protocol"]} | ({"quality": quality} if quality else {})
    return settings


def evaluation_settings(config, dispatch, env):
    """What an evaluation depends on beside its checkpoint: {eval_seeds}, and for `cem` the planner's sizes.

    dispatch: `cem`, or one that does not plan (`bc`, `video-inverse`, the floors), which is repeated more often.
    """
    evaluation = merge(config["qantara"]["evaluation"], _environment(config, env)["evaluation"])
    if dispatch == "gcbc":  # without noise: another evaluation seed would repeat the same episodes
        return {"eval_seeds": 1}
    if dispatch != "cem":
        return {"eval_seeds": evaluation["eval_seeds_cheap"]}
    return {key: evaluation[key] for key in ("eval_seeds", "candidates", "elites", "iterations", "horizon")}


def pair_settings(config, env):
    """What the frozen evaluation pairs depend on: {pairs, offset, budget, holdout, split_seed, protocol}."""
    evaluation = merge(config["qantara"]["evaluation"], _environment(config, env)["evaluation"])
    return {key: evaluation[key] for key in ("pairs", "offset", "budget")} | split_settings(config)


def split_settings(config):
    """How training is kept apart from evaluation: {holdout, split_seed, protocol}."""
    data = config["qantara"]["base"]["data"]
    return {"holdout": data["holdout"], "split_seed": data["split_seed"], "protocol": config["qantara"]["protocol"]}


def episode_settings(config, env):
    """What the episodes of an environment depend on beside files: {episodes, seed, generator}."""
    environment = _environment(config, env)
    generator = environment["generator"] | ({"source": source_of(config, env)} if env == "push_t" else {})
    return {"episodes": environment["episodes"], "seed": config["data"]["seed"], "generator": generator}


def frame_settings(config, env):
    """What the stored frames of an environment depend on: {stride, quality}; None is the only quality there is."""
    environment = _environment(config, env)
    return {"stride": environment.get("stride", 1), "quality": environment.get("quality")}


def _environment(config, env):
    """The entry of an environment in config.yaml, with what it leaves out."""
    environments = config["qantara"]["environments"]
    if env not in environments:
        raise JepaError(f"environment {env!r} is unknown; allowed are {', '.join(environments)}.")
    return {"base": {}, "evaluation": {}, "generator": {}} | environments[env]


def source_of(config, dataset):
    """Where a dataset may come from: its entry in `data.sources`, or `data.source`."""
    return config["data"]["sources"].get(dataset, config["data"]["source"])


def dataset_settings(config, dataset):
    """What a dataset of the point mazes depends on: {source, seed, episode_share}."""
    return {
        "source": source_of(config, dataset),
        "seed": config["data"]["seed"],
        "episode_share": config["mop"]["episode_share"],
    }
