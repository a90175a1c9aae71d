"""The definitions, in plain NumPy, as slow and as readable as possible.

Several variables are lists: noise[k] and logits[k] are the arrays of variable k, f takes one vector (a tuple),
and gradients are lists too. One variable is a list of one.
"""

import itertools

import numpy as np


def winner(noise, logits):
    """The true action: argmin of noise * exp(-logits), the first of equal ones."""
    with np.errstate(over="ignore"):
        return int(np.argmin(noise * np.exp(logits.max() - logits)))


def swapped(noise, c, j):
    """The noise with entries c and j exchanged."""
    noise = noise.copy()
    noise[c], noise[j] = noise[j], noise[c]
    return noise


def pseudo_action_matrix(noise, logits):
    n = len(logits)
    return np.array([[winner(swapped(noise, c, j), logits) for j in range(n)] for c in range(n)])


def softmax(logits):
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def exact(f, logits):
    """The gradient and E[f], by enumeration."""
    probabilities = [softmax(phi) for phi in logits]
    gradient = [np.zeros(len(phi)) for phi in logits]
    expectation = 0.0
    for z in itertools.product(*(range(len(phi)) for phi in logits)):
        p = np.prod([probabilities[k][z[k]] for k in range(len(z))])
        if p == 0:
            continue
        expectation += p * f(z)
        for k, c in enumerate(z):
            score = -probabilities[k]
            score[c] += 1.0
            gradient[k] += p * f(z) * score
    return gradient, expectation


def true_action(noise, logits):
    return tuple(winner(pi, phi) for pi, phi in zip(noise, logits, strict=True))


def ar(f, noise, logits):
    value = f(true_action(noise, logits))
    return [value * (1 - len(pi) * pi) for pi in noise], value


def reinforce(f, noise, logits, baseline=0.0):
    z = true_action(noise, logits)
    gradient = []
    for c, phi in zip(z, logits, strict=True):
        score = -softmax(phi)
        score[c] += 1.0
        gradient.append((f(z) - baseline) * score)
    return gradient, f(z)


def leave_one_out(f, draws, logits):
    """`draws` is a list of noises."""
    actions = [true_action(noise, logits) for noise in draws]
    values = np.array([f(z) for z in actions])
    gradient = [np.zeros(len(phi)) for phi in logits]
    for i, z in enumerate(actions):
        baseline = np.delete(values, i).mean()
        for k, c in enumerate(z):
            score = -softmax(logits[k])
            score[c] += 1.0
            gradient[k] += (values[i] - baseline) * score / len(actions)
    # sum_i (f_i - baseline_i) = 0, so the softmax cancels.
    return gradient, values.mean()


def joint_vector(noise, logits, c, partners):
    """Swap c with partners[k] in every variable k that has both categories."""
    vector = []
    for pi, phi, j in zip(noise, logits, partners, strict=True):
        n = len(phi)
        vector.append(winner(swapped(pi, c, j) if c < n and j < n else pi, phi))
    return tuple(vector)


def ars_joint(f, noise, logits, references, plus=False):
    """Mean of ARS over references; each is a list of one category a variable."""
    widest = max(len(phi) for phi in logits)
    gradient = [np.zeros(len(phi)) for phi in logits]
    value = 0.0
    for reference in references:
        vectors = [joint_vector(noise, logits, c, reference) for c in range(widest)]
        values = np.array([f(v) for v in vectors])
        value += values.mean() / len(references)
        for k, (pi, j) in enumerate(zip(noise, reference, strict=True)):
            n = len(pi)
            if plus and len({v[k] for v in vectors[:n]}) == 1:
                continue
            gradient[k] += (values[:n] - values[:n].mean()) * (1 - n * pi[j]) / len(references)
    return gradient, value


def arsm_joint(f, noise, logits, plus=False):
    """Equation 9 with the matrix F of all joint swaps."""
    widest = max(len(phi) for phi in logits)
    vectors = [[joint_vector(noise, logits, c, [j] * len(logits)) for j in range(widest)] for c in range(widest)]
    values = np.array([[f(v) for v in row] for row in vectors])
    gradient = []
    for k, pi in enumerate(noise):
        n = len(pi)
        g = np.zeros(n)
        for j in range(n):
            if plus and len({vectors[m][j][k] for m in range(n)}) == 1:
                continue
            g += (values[:n, j] - values[:n, j].mean()) * (1 / n - pi[j])
        gradient.append(g)
    return gradient, values.mean()


def coordinate(f, noise, logits, references=None):
    """The estimator of one variable for each variable, the others at their true action."""
    z = true_action(noise, logits)
    gradient, values = [], []
    for k, (pi, phi) in enumerate(zip(noise, logits, strict=True)):

        def f_k(vector, k=k):
            return f((*z[:k], vector[0], *z[k + 1 :]))

        if references is None:
            g, value = arsm_joint(f_k, [pi], [phi])
        else:
            g, value = ars_joint(f_k, [pi], [phi], [[reference[k]] for reference in references])
        gradient.append(g[0])
        values.append(value)
    return gradient, np.mean(values)
