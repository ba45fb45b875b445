"""Names of the other domains of MoP-JEPA: which there are, how tables call them, what their headline is.

Light on purpose: the Snakefile imports it, so nothing here needs numpy or pandas.
"""

SCENES = ("eth", "hotel", "univ", "zara1", "zara2")
LATENT = tuple(f"pedestrians-latent-{scene}" for scene in SCENES)
RAW = tuple(f"pedestrians-raw-{scene}" for scene in SCENES)
BRANCHES = (1, 2, 3, 4, 6, 9, 12, 18, 27)  # M of the conformer sweep
SWEEP = {M: f"conformers-{M}" for M in BRANCHES}
CONFORMERS = tuple(SWEEP.values())
ANTS = ("antmaze-teleport", "visual-antmaze-teleport")
TAXI = ("taxi-position", "taxi-history")
LABELS = {
    **{name: f"ETH/UCY {scene}, latent" for name, scene in zip(LATENT, SCENES, strict=True)},
    **{name: f"ETH/UCY {scene}, metres" for name, scene in zip(RAW, SCENES, strict=True)},
    "digits": "masked digits",
    "inpainting": "image inpainting",
    "antmaze-teleport": "antmaze-teleport (29-d)",
    "visual-antmaze-teleport": "visual antmaze (64 × 64)",
    "taxi-position": "taxi, position only",
    "taxi-history": "taxi, with history",
    "video": "next frame of a video",
    **{name: f"conformers, M = {M}" for M, name in SWEEP.items()},
    "dino-port": "DINO-WM port",
    "vjepa2-ac": "V-JEPA 2-AC",
}
ALONE = ("digits", "inpainting", *ANTS, *TAXI, "video", "dino-port")
CLAIMS = (LATENT, RAW, CONFORMERS, *((name,) for name in ALONE))  # scenes are one domain, numbers of branches too
JUDGED = tuple(name for claim in CLAIMS for name in claim)  # domains with a verdict
REFERENCES = {  # the row of a domain's record that stands for what needs no model
    **dict.fromkeys((*RAW, *TAXI), "constant velocity"),
    "digits": "what was there",
    "inpainting": "nearest neighbour",
    "video": "persistence",
}
DATASETS = {  # name of the prepared data of each domain
    **dict.fromkeys((*LATENT, *RAW), "eth_ucy"),
    **dict.fromkeys(TAXI, "cabs"),
    **dict.fromkeys(CONFORMERS, "conformers"),
    "digits": "digits",
    "inpainting": "inpainting",
    **dict.fromkeys(ANTS, "antmaze"),
    "video": "video",
    "dino-port": "dino-port",
    "vjepa2-ac": "vjepa2-ac",
}
