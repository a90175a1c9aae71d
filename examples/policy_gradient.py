"""Train a policy of discrete actions by ARSM: the sequential experiments of the ARSM paper.

A network of two hidden layers of 10 ReLU units gives the logits of the actions in each state. ARSM and ARS swap
the noise that the actions of an episode were drawn with, and try each pseudo action by one rollout from the state
of its step; those of all episodes of an iteration are simulated together. Rollouts have the noise of the later
steps of their episode, so that only what the pseudo action changes is in their difference. A2C, that is REINFORCE
whose baseline is a value learned by a second network, has as many steps of the environment, and spends them on
more episodes.

    python policy_gradient.py                          # CartPole-v1, five seeds of each method: 1 to 2 minutes
    python policy_gradient.py --env Acrobot-v1 --plot acrobot.png   # some 15 minutes
    python policy_gradient.py --env LunarLander-v3 --seeds 1        # some 5 minutes; needs the extra box2d
    python policy_gradient.py --methods arsm --seeds 1

Training is in compiled simulators, classic_control.py and lunar_lander.py, in which a state is a row of an array
that can be copied. Every so many steps the policy of that moment plays 100 episodes; a method stops when it has
done clearly better than the environment asks, or has used up its steps. The policy that did best then plays 100
test episodes in gymnasium's own environment: the test return. Steps are all steps of the environment in training,
in episodes and in rollouts, where a held action counts in full; the first return in the table is that of the
episodes of training, after as many steps for all methods.

Returns are discounted by 0.99, as in the paper, but the gradients of the steps are not (see `discount` of
`arsm_fast.Episode.gradient`): what counts in the end are sums of all rewards, and late steps are as good as early
ones. For Acrobot a return ends after 100 steps, which makes rollouts shorter and less noisy, and the gradient
slightly biased; some entropy keeps its policy from settling on one action before it has ever reached the goal.

For LunarLander, in training as in the test, an action is held for 4 steps. The lander has landed when it has lain
still for half a second, 25 steps. To a policy that decides at each step, and draws its actions, that happens too
seldom to learn it; held, 7 decisions are enough. What the environment does, its rewards and its limit of 1,000
steps stay as they are. To fire nothing is wrong in the air, and a policy that has forgotten it there trembles on
the ground until the limit: a barrier, the mean log-probability of all actions, keeps each of them alive where the
gradient of the entropy would vanish. Returns have few rewards, and then the value that
a network of 64 and 64 units has learned, for A2C too; that is biased as far as the value is wrong. It also stands
for the rest of episodes of training, which are cut after 400 steps. The same values, as a control variate, stand
for the rollouts that the budget leaves out; that is not biased. Adam takes several steps an iteration, with the
gradients of batches of its decisions, of which all but the first are of a policy that is no longer quite the one
that played. Rates and barrier fall with the steps.

With two actions, as in CartPole, ARS and ARSM are the same. A2C learns CartPole and Acrobot from several times
fewer steps: a rollout costs many steps and gives one difference. For LunarLander, where rollouts are short, it
takes about as many.

Yin, Yue and Zhou, "ARSM: Augment-REINFORCE-Swap-Merge Estimator for Gradient Backpropagation Through Categorical
Variables", ICML 2019 (version 2), section 4.4.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from classic_control import Acrobot, CartPole, Environment
from drawing import new_figure
from lunar_lander import LunarLander
from networks import Adam, Network, log_softmax
from numpy.typing import NDArray

import arsm_fast

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ActionArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

HIDDEN = [10, 10]
# Of rewards, so that discounted returns are about 1 in size.
SCALE = 0.01
METHODS = {"arsm": "ARSM", "ars": "ARS", "a2c": "A2C"}


@dataclass(frozen=True)
class CriticSettings:
    """How the value of states is learned."""

    hidden: tuple[int, ...] = (10, 10)
    rate: float = 0.01
    passes: int = 1  # over the decisions of an iteration
    batch: int = 1_000_000  # decisions of one step of Adam


@dataclass(frozen=True)
class Settings:
    """How an environment is trained on."""

    steps: int  # of the environment, in all
    enough: float  # mean return at which training stops
    episodes: int  # an iteration
    rollouts: int  # an episode, at most
    rate: float
    entropy: float  # what a unit of it is worth at each step, in units of returns
    horizon: int  # of returns
    barrier: float = 0.0  # what a unit of the mean log-probability of all actions is worth, likewise
    batch: int | None = None  # decisions of one step of Adam; by default all of an iteration
    hold: int = 1  # steps for which an action is held; horizon and limit are in decisions
    limit: int | None = None  # of an episode in training, where a learned value stands for the rest
    critic: CriticSettings | None = None  # whose value stands for what comes after the horizon, if there is one
    falling: bool = False  # rates, entropy and barrier, to 0 at the last step
    look_every: int = 25_000  # steps
    gamma: float = 0.99
    tests: int = 100  # episodes of a look and of the test


LANDER = Settings(
    4_000_000,
    230,
    episodes=16,
    rollouts=8,
    rate=0.008,
    entropy=0.0,
    barrier=0.01,
    horizon=5,
    batch=500,
    hold=4,
    limit=100,
    critic=CriticSettings(hidden=(64, 64), rate=0.003, passes=4, batch=512),
    falling=True,
    look_every=200_000,
)

# The environment, the settings of ARSM and ARS, and those of A2C.
ENVIRONMENTS: dict[str, tuple[type[Environment], Settings, Settings]] = {
    "CartPole-v1": (
        CartPole,
        Settings(steps=3_000_000, enough=495, episodes=4, rollouts=16, rate=0.03, entropy=0.0, horizon=500),
        Settings(
            steps=3_000_000,
            enough=495,
            episodes=4,
            rollouts=0,
            rate=0.03,
            entropy=0.002,
            horizon=500,
            critic=CriticSettings(rate=0.03),
        ),
    ),
    "Acrobot-v1": (
        Acrobot,
        Settings(
            8_000_000, -93, episodes=16, rollouts=8, rate=0.01, entropy=0.003, horizon=100, look_every=100_000
        ),
        Settings(
            8_000_000,
            -93,
            episodes=8,
            rollouts=0,
            rate=0.01,
            entropy=0.002,
            horizon=500,
            critic=CriticSettings(),
        ),
    ),
    "LunarLander-v3": (LunarLander, LANDER, replace(LANDER, rollouts=0, horizon=20)),
}


class Held:
    """An environment in which each action is held for several steps, and a step is all of these.

    The dynamics, rewards and the limit of steps are those of the environment: only the policy decides less often.
    """

    def __init__(self, environment: Environment, hold: int) -> None:
        self._environment = environment
        self._hold = hold
        self.name, self.solved = environment.name, environment.solved
        self.n_actions, self.n_observations = environment.n_actions, environment.n_observations
        self.limit = environment.limit // hold
        self.reset, self.observe = environment.reset, environment.observe

    def step(self, states: FloatArray, actions: ActionArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        """The states, the sums of rewards, and where the episode ended on the way."""
        states, rewards, ended = self._environment.step(states, actions)
        for _ in range(self._hold - 1):
            going = np.flatnonzero(~ended)
            states[going], more, ended[going] = self._environment.step(states[going], actions[going])
            rewards[going] += more
        return states, rewards, ended


@dataclass(frozen=True)
class Path:
    """The decisions of several episodes, in the order in which they were taken."""

    states: FloatArray
    actions: ActionArray
    rewards: FloatArray
    numbers: IntArray  # of the episodes
    steps: IntArray
    last_states: FloatArray  # after the last step of episodes that were cut short there
    last_numbers: IntArray  # of these episodes

    def noise_by_step(self, noise: FloatArray, limit: int, rng: np.random.Generator) -> FloatArray:
        """The noise of the decisions, (limit, episodes, n_actions), fresh after the end of an episode."""
        table = rng.standard_exponential((limit, self.numbers.max() + 1, noise.shape[1]))
        table[self.steps, self.numbers] = noise
        return table

    def returns_to_go(
        self, gamma: float, horizon: int, rest: FloatArray | float = 0.0, last: FloatArray | float = 0.0
    ) -> FloatArray:
        """Discounted sums of so many rewards at most from each decision on, and of the rest after these.

        The rest is given for each decision, and that of episodes that were cut short for their last states.
        """
        returns = SCALE * self.rewards
        bounds = np.searchsorted(self.steps, np.arange(self.steps[-1] + 2))
        following = np.zeros(self.numbers.max() + 1)
        following[self.last_numbers] = last
        for start, stop in zip(bounds[-2::-1], bounds[:0:-1], strict=True):
            returns[start:stop] += gamma * following[self.numbers[start:stop]]
            following[self.numbers[start:stop]] = returns[start:stop]
        # With the rest in place of what comes after the horizon.
        late = np.zeros((self.steps[-1] + 1 + horizon, following.size))
        late[self.steps, self.numbers] = gamma**horizon * (returns - rest)
        return returns - late[self.steps + horizon, self.numbers]


def draw(logits: FloatArray, rng: np.random.Generator) -> ActionArray:
    """One action for each row of logits."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    cumulated = p.cumsum(axis=1)
    return (rng.random((len(p), 1)) * cumulated[:, -1:] > cumulated).sum(axis=1).astype(np.int32)


def race(noise: FloatArray, logits: FloatArray) -> ActionArray:
    """The action for each row of logits that this noise draws: as `arsm_fast.sample` has it."""
    return (noise * np.exp(logits.max(axis=1, keepdims=True) - logits)).argmin(axis=1).astype(np.int32)


def play(
    environment: Environment,
    act: Callable[[FloatArray], ActionArray],
    n: int,
    rng: np.random.Generator,
    limit: int | None = None,
) -> Path:
    """Play n episodes, to the environment's limit of steps or a shorter one."""
    states, numbers = environment.reset(n, rng), np.arange(n)
    parts = []
    for step in range(limit or environment.limit):
        actions = act(environment.observe(states))
        following, rewards, ended = environment.step(states, actions)
        parts.append((states, actions, rewards, numbers, np.full(numbers.size, step)))
        states, numbers = following[~ended], numbers[~ended]
        if numbers.size == 0:
            break
    return Path(*(np.concatenate(column) for column in zip(*parts, strict=True)), states, numbers)


class Critic:
    """The value of states, or with actions that of each action there: a network that is fitted to returns."""

    def __init__(
        self, environment: Environment, settings: CriticSettings, rng: np.random.Generator, n_actions: int = 1
    ) -> None:
        self._settings = settings
        self._rng = rng
        self._network = Network([environment.n_observations, *settings.hidden, n_actions], rng=rng, slope=0.0)
        self._adam = Adam(self._network.parameters, settings.rate)

    def slow(self, share: float) -> None:
        """Go on with this share of the first rate."""
        self._adam.rate = share * self._settings.rate

    def __call__(self, observations: FloatArray) -> FloatArray:
        """Shape (n, n_actions)."""
        return self._network(observations)

    def learn(self, observations: FloatArray, actions: ActionArray | int, returns: FloatArray) -> None:
        n = len(observations)
        actions = np.broadcast_to(actions, n)
        n_batches = -(-n // self._settings.batch)
        for _ in range(self._settings.passes):
            order = self._rng.permutation(n) if n_batches > 1 else np.arange(n)
            for rows in np.array_split(order, n_batches):
                values, tape = self._network.forward(observations[rows])
                excess = np.zeros_like(values)
                taken = np.arange(rows.size), actions[rows]
                excess[taken] = returns[rows] - values[taken]
                self._adam.descend(self._network.backward(tape, -excess / rows.size)[1])


def expected(values: FloatArray, logits: FloatArray) -> FloatArray:
    """Of the values of actions, (n, n_actions), under the policy."""
    return (np.exp(log_softmax(logits)) * values).sum(axis=1)


def roll_out(
    environment: Environment,
    policy: Network,
    path: Path,
    decisions: IntArray,
    actions: ActionArray,
    noise: FloatArray,
    settings: Settings,
    critic: Critic | None = None,
) -> tuple[FloatArray, int]:
    """The returns from copies of the states of decisions, after these actions, and how many steps that took.

    Later actions are drawn with the noise, (limit, episodes, n_actions), of their steps and episodes.
    """
    states, steps, numbers = path.states[decisions], path.steps[decisions], path.numbers[decisions]
    returns, n_steps, factor = np.zeros(len(states)), 0, SCALE
    running = np.arange(len(states))
    for _ in range(settings.horizon):
        if running.size == 0:
            break
        states, rewards, ended = environment.step(states, actions)
        returns[running] += factor * rewards
        n_steps += running.size
        factor *= settings.gamma
        steps += 1
        going = ~ended & (steps < environment.limit)
        states, steps, numbers, running = states[going], steps[going], numbers[going], running[going]
        if running.size == 0:
            break
        logits = policy(environment.observe(states))
        actions = race(noise[steps, numbers], logits)
    if critic is not None and running.size:
        observations = environment.observe(states)
        returns[running] += factor / SCALE * expected(critic(observations), policy(observations))
    return returns, n_steps


class SwapLearner:
    """ARSM or ARS."""

    def __init__(
        self, environment: Environment, settings: Settings, estimator: str, rng: np.random.Generator
    ) -> None:
        self._environment = environment
        self._settings = settings
        self._estimator = estimator
        self._rng = rng
        self.policy = policy_network(environment, rng)
        self._critic = None
        if settings.critic is not None:
            self._critic = Critic(environment, settings.critic, rng, environment.n_actions)
        self._adam = Adam(self.policy.parameters, settings.rate)
        self._share = 1.0

    def slow(self, share: float) -> None:
        """Go on with this share of the first rate."""
        self._adam.rate = share * self._settings.rate
        self._share = share
        if self._critic is not None:
            self._critic.slow(share)

    def _last_values(self, path: Path) -> FloatArray | float:
        """Of the states after episodes that were cut short."""
        if self._settings.limit is None or self._critic is None:
            return 0.0
        last = self._environment.observe(path.last_states)
        return expected(self._critic(last), self.policy(last))

    def iterate(self) -> tuple[int, float]:
        """Play, try the pseudo actions, and take one step; the steps of the environment, and the mean return."""
        settings, rng = self._settings, self._rng
        episodes = arsm_fast.BatchEpisode(self._environment.n_actions, estimator=self._estimator, rng=rng)
        path = play(
            self._environment,
            lambda observations: episodes.act(self.policy(observations)),
            settings.episodes,
            rng,
            settings.limit,
        )
        decisions, actions = episodes.pseudo_actions(max_rollouts=settings.rollouts * settings.episodes)
        noise = path.noise_by_step(episodes.noise, self._environment.limit, rng)
        rollouts, n_steps = roll_out(
            self._environment, self.policy, path, decisions, actions, noise, settings, self._critic
        )
        observations = self._environment.observe(path.states)
        logits = self.policy(observations)
        if self._critic is None:
            gradient = episodes.gradient(path.returns_to_go(settings.gamma, settings.horizon), rollouts)
        else:
            # The gradient is linear in values: those learned before, of all pseudo actions, and for the rollouts
            # what they differ from these.
            values = self._critic(observations)
            true = values[np.arange(path.actions.size), path.actions]
            returns = path.returns_to_go(
                settings.gamma, settings.horizon, expected(values, logits), self._last_values(path)
            )
            gradient = episodes.gradient(returns - true, rollouts - values[decisions, actions])
            all_decisions, all_actions = episodes.pseudo_actions()
            gradient += episodes.gradient(true, values[all_decisions, all_actions])
            self._critic.learn(
                np.concatenate([observations, observations[decisions]]),
                np.concatenate([path.actions, actions]),
                np.concatenate([returns, rollouts]),
            )
        gradient += self._share * exploration_gradient(logits, settings)
        ascend(self.policy, self._adam, observations, gradient, settings, rng)
        return n_steps + path.rewards.size, path.rewards.sum() / settings.episodes


class ActorCritic:
    """REINFORCE with a learned value as its baseline: A2C with returns to the end of the episode."""

    def __init__(self, environment: Environment, settings: Settings, rng: np.random.Generator) -> None:
        self._environment = environment
        self._settings = settings
        self._rng = rng
        self.policy = policy_network(environment, rng)
        assert settings.critic is not None
        self._critic = Critic(environment, settings.critic, rng)
        self._adam = Adam(self.policy.parameters, settings.rate)
        self._share = 1.0

    def slow(self, share: float) -> None:
        """Go on with this share of the first rate."""
        self._adam.rate = share * self._settings.rate
        self._share = share
        self._critic.slow(share)

    def iterate(self) -> tuple[int, float]:
        """Play and take one step; the steps of the environment, and the mean return."""
        settings = self._settings
        path = play(
            self._environment,
            lambda observations: draw(self.policy(observations), self._rng),
            settings.episodes,
            self._rng,
            settings.limit,
        )
        observations = self._environment.observe(path.states)
        values = self._critic(observations)[:, 0]
        last = 0.0 if settings.limit is None else self._critic(self._environment.observe(path.last_states))[:, 0]
        returns = path.returns_to_go(settings.gamma, settings.horizon, values, last)
        logits = self.policy(observations)
        score = -np.exp(log_softmax(logits))
        score[np.arange(values.size), path.actions] += 1.0
        gradient = score * (returns - values)[:, None] + self._share * exploration_gradient(logits, settings)
        ascend(self.policy, self._adam, observations, gradient, settings, self._rng)
        self._critic.learn(observations, 0, returns)
        return path.rewards.size, path.rewards.sum() / settings.episodes


def ascend(
    policy: Network,
    adam: Adam,
    observations: FloatArray,
    gradient: FloatArray,
    settings: Settings,
    rng: np.random.Generator,
) -> None:
    """Steps of Adam with the gradients for the logits of so many decisions at a time."""
    batches = [np.arange(len(observations))]
    if settings.batch is not None:
        batches = np.array_split(rng.permutation(len(observations)), -(-len(observations) // settings.batch))
    for rows in batches:
        # Means of the decisions of a batch: steps must not get longer as the episodes do.
        divisor = settings.episodes if settings.batch is None else rows.size
        _, tape = policy.forward(observations[rows])
        adam.descend(policy.backward(tape, -gradient[rows] / divisor)[1])


def entropy_gradient(logits: FloatArray) -> FloatArray:
    """Of the entropy of each row."""
    log_p = log_softmax(logits)
    p = np.exp(log_p)
    return -p * (log_p - (p * log_p).sum(axis=1, keepdims=True))


def exploration_gradient(logits: FloatArray, settings: Settings) -> FloatArray:
    """Of what entropy and barrier are worth; that of the barrier does not vanish with the probability."""
    gradient = settings.entropy * entropy_gradient(logits)
    return gradient + settings.barrier * (1 / logits.shape[1] - np.exp(log_softmax(logits)))


def policy_network(environment: Environment, rng: np.random.Generator) -> Network:
    return Network([environment.n_observations, *HIDDEN, environment.n_actions], rng=rng, slope=0.0)


@dataclass(frozen=True)
class Run:
    """What one method did with one seed.

    The curve has steps, seconds and the mean return of the episodes of each iteration; looks have steps, seconds
    of a processor and the mean return of whole episodes that the policy of that moment played.
    """

    method: str
    curve: list[tuple[int, float, float]]
    looks: list[tuple[int, float, float]]
    solved_after: int | None
    seconds: float
    processor_seconds: float
    test: float

    def return_at(self, steps: int) -> float:
        """The mean return of the iterations in the last fifth of the first so many steps."""
        used, _, returns = np.array(self.curve).T
        recent = returns[(used > 0.8 * steps) & (used <= steps)]
        return float(recent.mean() if recent.size else returns[0])

    def summary(self) -> str:
        """The looks, no more than some twenty of them."""
        shown = self.looks[:: 1 + len(self.looks) // 20]
        if shown[-1] != self.looks[-1]:
            shown = [*shown, self.looks[-1]]
        return ", ".join(f"{score:.0f} ({used:,}, {seconds:.0f} s)" for used, seconds, score in shown)


def train(method: str, environment: Environment, settings: Settings, seed: int) -> Run:
    """Train until it is good enough or its steps are used up, and test the best policy on the way."""
    environment = Held(environment, settings.hold)
    # Looking must not change the path.
    draws, looks, tests = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    learner = (
        ActorCritic(environment, settings, draws)
        if method == "a2c"
        else SwapLearner(environment, settings, method, draws)
    )
    curve, seen = [], []
    used, next_look, best, solved_after = 0, 0, -np.inf, None
    parameters: list[FloatArray] = []
    start, processor_start = time.perf_counter(), time.process_time()
    while used < settings.steps and solved_after is None:
        if settings.falling:
            learner.slow(1 - used / settings.steps)
        n_steps, mean_return = learner.iterate()
        used += settings.hold * n_steps
        curve.append((used, time.perf_counter() - start, mean_return))
        if used >= min(next_look, settings.steps):
            next_look = used + settings.look_every
            score = look(environment, learner.policy, settings.tests, looks)
            seen.append((used, time.process_time() - processor_start, score))
            progress(f"{METHODS[method]}, seed {seed}: {used:,} steps, mean return {score:.1f}")
            if score > best:
                best, parameters = score, [parameter.copy() for parameter in learner.policy.parameters]
            if score >= settings.enough:
                solved_after = used
    seconds, processor_seconds = time.perf_counter() - start, time.process_time() - processor_start
    learner.policy.parameters[:] = parameters
    result = test(environment.name, learner.policy, settings, tests)
    progress("")
    return Run(method, curve, seen, solved_after, seconds, processor_seconds, result)


def look(environment: Environment, policy: Network, n: int, rng: np.random.Generator) -> float:
    """The mean return of the policy as it is."""
    path = play(environment, lambda observations: draw(policy(observations), rng), n, rng)
    return float(path.rewards.sum() / n)


def test(name: str, policy: Network, settings: Settings, rng: np.random.Generator) -> float:
    """The mean return in gymnasium's own environment, not discounted."""
    n = settings.tests
    games = [gymnasium().make(name) for _ in range(n)]
    observations = [game.reset(seed=int(rng.integers(2**31)))[0] for game in games]
    total, running = 0.0, list(range(n))
    while running:
        actions = draw(policy(np.array([observations[i] for i in running], np.float64)), rng)
        still = []
        for i, action in zip(running, actions, strict=True):
            for _ in range(settings.hold):
                observations[i], reward, terminated, truncated, _ = games[i].step(int(action))
                total += float(reward)
                if terminated or truncated:
                    break
            else:
                still.append(i)
        running = still
    return total / n


def gymnasium() -> Any:
    try:
        import gymnasium
    except ImportError:
        raise SystemExit('this example needs gymnasium: pip install "arsm-fast[examples]"') from None
    return gymnasium


def progress(line: str) -> None:
    """One line on standard error that is rewritten; nothing where that is not a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{line}")
        sys.stderr.flush()


def print_table(runs: list[Run], environment: Environment) -> None:
    asked = f"{environment.solved:g} or more"
    # All had so many steps.
    equal = min(run.curve[-1][0] for run in runs)
    titles = [
        "method",
        f"return at {equal:,} steps",
        "test return",
        "of the seeds",
        asked,
        "steps",
        "seconds",
        "of processor",
    ]
    rows = [titles]
    for method in dict.fromkeys(run.method for run in runs):
        own = [run for run in runs if run.method == method]
        tests = [run.test for run in own]
        rows.append(
            [
                METHODS[method],
                f"{np.mean([run.return_at(equal) for run in own]):.1f}",
                f"{np.mean(tests):.1f}",
                f"{min(tests):.1f} to {max(tests):.1f}",
                f"{sum(result >= environment.solved for result in tests)} of {len(own)}",
                f"{np.median([run.curve[-1][0] for run in own]):,.0f}",
                f"{np.median([run.seconds for run in own]):.1f}",
                f"{np.median([run.processor_seconds for run in own]):.1f}",
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())


def plot(runs: list[Run], environment: Environment, path: str) -> None:
    """Draw the mean return of the episodes of training against steps."""
    figure, ax = new_figure((9, 5))
    seen: set[str] = set()
    for run in runs:
        steps, _, returns = np.array(run.curve).T
        label = None if run.method in seen else METHODS[run.method]
        ax.plot(steps, returns, color=f"C{list(METHODS).index(run.method)}", label=label, alpha=0.7)
        seen.add(run.method)
    ax.axhline(environment.solved, color="grey", linewidth=0.8, linestyle=":")
    ax.set(title=environment.name, xlabel="steps of the environment", ylabel="mean return of an iteration")
    ax.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def main(argv: list[str] | None = None) -> list[Run]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--env", default="CartPole-v1", help="CartPole-v1 (default), Acrobot-v1 or LunarLander-v3"
    )
    parser.add_argument(
        "--methods", nargs="+", choices=list(METHODS), default=list(METHODS), help="default: all of them"
    )
    parser.add_argument("--seeds", type=int, default=5, help="runs of each method (default: 5)")
    parser.add_argument("--steps", type=int, help="steps of the environment of a run, at most")
    parser.add_argument("--episodes", type=int, help="episodes of an iteration")
    parser.add_argument("--rollouts", type=int, help="rollouts of an episode, at most")
    parser.add_argument("--rate", type=float, help="of Adam")
    parser.add_argument("--gamma", type=float, help="by which returns are discounted")
    parser.add_argument("--quick", action="store_true", help="a few thousand steps and one seed: does it run?")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the curves")
    args = parser.parse_args(argv)
    if args.env not in ENVIRONMENTS:
        parser.error(
            f"--env must be one of {', '.join(ENVIRONMENTS)}, whose states can be copied here; {args.env!r} is "
            "an environment without a copyable state, from which no rollouts can start"
        )
    for name in ("seeds", "steps", "episodes", "rollouts", "rate"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            parser.error(f"--{name} must be positive; got {value}")
    if args.gamma is not None and not 0 < args.gamma <= 1:
        parser.error(f"--gamma must be above 0 and at most 1; got {args.gamma}")
    try:
        gymnasium().make(args.env)  # for the test
    except gymnasium().error.DependencyNotInstalled as error:
        raise SystemExit(f'{args.env} needs Box2D: pip install "arsm-fast[box2d]"; {error}') from None
    make, *choices = ENVIRONMENTS[args.env]
    environment = make()
    given = {
        name: getattr(args, name)
        for name in ("steps", "episodes", "rollouts", "rate", "gamma")
        if getattr(args, name) is not None
    }
    if args.quick:
        args.seeds = 1
        choices = [replace(choice, steps=5000, look_every=2500, episodes=2, tests=5) for choice in choices]
    swap_settings, critic_settings = (replace(choice, **given) for choice in choices)
    print(
        f"{environment.name}: at most {swap_settings.steps:,} steps; ARSM and ARS with {swap_settings.episodes} "
        f"episodes an iteration and at most {swap_settings.rollouts} rollouts an episode, A2C with "
        f"{critic_settings.episodes} episodes"
    )
    runs = []
    for method in args.methods:
        for seed in range(args.seeds):
            settings = critic_settings if method == "a2c" else swap_settings
            run = train(method, environment, settings, seed)
            runs.append(run)
            print(
                f"{METHODS[method]}, seed {seed}: test {run.test:.1f} after {run.curve[-1][0]:,} steps and "
                f"{run.seconds:.1f} s, {run.processor_seconds:.1f} s of a processor",
                flush=True,
            )
            print(
                f"    means of {settings.tests} episodes on the way (steps, processor seconds): {run.summary()}",
                flush=True,
            )
    print()
    print_table(runs, environment)
    if args.plot:
        plot(runs, environment, args.plot)
        print(f"drawn: {args.plot}")
    return runs


if __name__ == "__main__":
    # Batches are small: a second thread would wait more than work.
    numba.set_num_threads(1)
    gymnasium()  # which is missing where the other one is
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        main()
