"""Reacher's learned expert: export, loading, judging, and the real learner where it is installed."""

import builtins
import json
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from safetensors.numpy import save_file

from conftest import ROOT
from jepa.data.generate_reacher import generate
from jepa.envs.reacher_hard import OBSERVATION, Actor, nearest_posture, observe, pd, sample_starts, sample_targets
from jepa.errors import JepaError
from jepa.training.reacher_expert import ReacherHard, layers_of, save, train


def small_actor():
    """A network of the layout of stable-baselines3's actor."""
    torch.manual_seed(0)
    latent = torch.nn.Sequential(
        torch.nn.Linear(OBSERVATION, 8), torch.nn.ReLU(), torch.nn.Linear(8, 6), torch.nn.ReLU()
    )
    return SimpleNamespace(latent_pi=latent, mu=torch.nn.Linear(6, 2))


def test_an_exported_actor_acts_like_the_network(tmp_path):
    network = small_actor()
    facts = save(layers_of(network), tmp_path, seed=0, steps=5)
    actor = Actor.load(tmp_path)
    assert actor.facts == facts and 0 <= facts["mean_return"] <= 1000
    rng = np.random.default_rng(0)
    state, target = sample_starts(20, rng), sample_targets(20, rng)
    seen = observe(state, target)
    with torch.no_grad():
        expected = torch.tanh(network.mu(network.latent_pi(torch.from_numpy(seen)))).numpy()
    action = actor(state, target, nearest_posture(state, target))
    assert action.dtype == np.float32 and action.shape == (20, 2)
    np.testing.assert_allclose(action, expected, atol=1e-6)


def test_demonstrations_of_an_actor_say_whose_they_are(tmp_path):
    facts = save(layers_of(small_actor()), tmp_path / "actor", seed=7, steps=5)
    made = generate(tmp_path / "reacher.h5", seed=0, episodes=2, steps=30, expert="sac", policy=str(tmp_path / "actor"))
    assert made["actor"] == facts and "Soft Actor-Critic" in made["generator"]


def test_other_activations_are_refused():
    network = small_actor()
    network.latent_pi[1] = torch.nn.Tanh()
    with pytest.raises(JepaError, match="Tanh"):
        layers_of(network)


def test_a_missing_or_foreign_actor_is_refused(tmp_path):
    with pytest.raises(JepaError, match="does not exist"):
        Actor.load(tmp_path)
    network = small_actor()
    network.latent_pi[0] = torch.nn.Linear(5, 8)
    layers = layers_of(network)
    save(layers_of(small_actor()), tmp_path, seed=0, steps=5)
    tensors = {f"layers.{i}.weight": weight for i, (weight, _) in enumerate(layers)}
    tensors |= {f"layers.{i}.bias": bias for i, (_, bias) in enumerate(layers)}
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(JepaError, match="train it again"):
        Actor.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(JepaError, match="holds no actor"):
        Actor.load(tmp_path)


def test_gymnasium_accepts_the_task():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of unbounded observations
        check_env(ReacherHard(), skip_render_check=True)


def test_the_task_pays_for_control_steps_over_the_target_and_lasts_500_steps():
    env = ReacherHard()
    env.reset(seed=0)
    joints = nearest_posture(env._state, env._target)
    total, truncated, steps = 0.0, False, 0
    while not truncated:
        _, reward, terminated, truncated, _ = env.step(pd(env._state, env._target, joints)[0])
        total, steps = total + reward, steps + 1
        assert not terminated
    assert steps == 500 and 900 < total <= 1000


def test_without_the_learner_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def importing(name, *arguments, **keywords):
        if name.startswith("stable_baselines3"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(JepaError, match="pip install stable-baselines3"):
        train(tmp_path, seed=0, steps=200)


def test_the_real_learner_trains_and_its_actor_is_exported(tmp_path):
    pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")
    command = [sys.executable, ROOT / "workflow/scripts/train_expert.py", "--env", "reacher", "--seed", "0"]
    command += ["--settings", json.dumps({"steps": 120}), "--out", tmp_path / "model.safetensors"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    actor = Actor.load(tmp_path)
    assert [len(bias) for _, bias in actor.layers] == [256, 256, 2]
    provenance = json.loads((tmp_path / "provenance.json").read_text())
    assert provenance["mean_return"] == actor.facts["mean_return"] and provenance["settings"] == {"steps": 120}


def test_the_script_names_the_environments_that_have_an_expert(tmp_path):
    command = [sys.executable, ROOT / "workflow/scripts/train_expert.py", "--env", "cube", "--seed", "0"]
    command += ["--settings", "{}", "--out", tmp_path / "model.safetensors"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "reacher" in done.stderr
