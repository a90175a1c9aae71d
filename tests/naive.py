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


def scoped_leave_one_out(terms, scopes, draws, logits):
    """`terms` gives the values of all terms of a vector; each variable has the leave-one-out of its own."""
    gradient = []
    for k in range(len(logits)):
        own = [t for t, scope in enumerate(scopes) if k in scope]
        gradient.append(leave_one_out(lambda z, own=own: sum(terms(z)[t] for t in own), draws, logits)[0][k])
    return gradient, np.mean([sum(terms(true_action(noise, logits))) for noise in draws])


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


def inverse_weights(logits):
    with np.errstate(over="ignore"):
        return np.exp(logits.max() - logits)


def top(m, logits):
    """The m likeliest categories of each variable, without those that are not available."""
    weights = [inverse_weights(phi) for phi in logits]
    return [[c for c in np.argpartition(w, min(m, len(w)) - 1)[:m] if w[c] < np.inf] for w in weights]


def rao_blackwell(f, noise, logits, tops):
    """For each variable the sum over its top, and the first of the race among the others for all of these."""
    z = true_action(noise, logits)
    gradient, values = [], []
    for k, (pi, phi) in enumerate(zip(noise, logits, strict=True)):
        p, weights = softmax(phi), inverse_weights(phi)
        tail = [c for c in range(len(phi)) if c not in tops[k] and weights[c] < np.inf]
        shares = {c: p[c] for c in tops[k]}
        if tail:
            shares[min(tail, key=lambda c, race=pi * weights: race[c])] = p[tail].sum()
        f_k = {c: f((*z[:k], int(c), *z[k + 1 :])) for c in shares}
        baseline = sum(p[c] * f_k[c] for c in tops[k]) / p[tops[k]].sum()
        g = np.zeros(len(phi))
        for c, share in shares.items():
            score = -p
            score[c] += 1.0
            g += share * (f_k[c] - baseline) * score
        gradient.append(g)
        values.append(sum(share * f_k[c] for c, share in shares.items()))
    f(z)
    return gradient, np.mean(values)


def local_expectation(f, noise, logits):
    """The exact gradient and expectation of each variable, with the others at their true action."""
    z = true_action(noise, logits)
    gradient, values = [], []
    for k, phi in enumerate(logits):
        weights = inverse_weights(phi)
        available = [c for c in range(len(phi)) if weights[c] < np.inf]
        p, f_k = softmax(phi)[available], np.array([f((*z[:k], c, *z[k + 1 :])) for c in available])
        gradient.append(np.zeros(len(phi)))
        gradient[k][available] = p * (f_k - p @ f_k)
        values.append(p @ f_k)
    return gradient, np.mean(values)


def local_pair(f, noise, logits, second_noise=None):
    """The difference to the second of the race, or to the winner of another one, in each variable."""
    z = true_action(noise, logits)
    gradient, values = [], []
    for k, (a, phi) in enumerate(zip(z, logits, strict=True)):
        g, value = np.zeros(len(phi)), f(z)
        race = (noise if second_noise is None else second_noise)[k] * inverse_weights(phi)
        if second_noise is None:
            race[a] = np.inf
        b = int(np.argmin(race))
        if b != a and race[b] < np.inf:
            p, f_b = softmax(phi), f((*z[:k], b, *z[k + 1 :]))
            not_a, not_b = np.delete(p, a).sum(), np.delete(p, b).sum()
            difference = 0.5 * (f(z) - f_b)
            value = (f(z) + f_b) / 2
            if second_noise is None:
                difference = not_a * not_b / (not_a + not_b) * (f(z) - f_b)
                value = (not_b * f(z) + not_a * f_b) / (not_a + not_b)
            g[a], g[b] = difference, -difference
        gradient.append(g)
        values.append(value)
    return gradient, np.mean(values)


def unordered_set(table, noise, logits, n):
    """The first n of the race; how likely each was the first and the second, by the sum over all orders."""
    p = softmax(logits)
    chosen = np.argsort(noise * inverse_weights(logits))[:n]
    likely = {}
    for order in itertools.permutations(chosen):
        lefts = [p[~np.isin(np.arange(len(p)), order[:i])].sum() for i in range(n)]
        likely[order] = np.prod([p[s] / left for s, left in zip(order, lefts, strict=True)])
    gradient, value = np.zeros(len(p)), 0.0
    for s in chosen:
        first = {order: q for order, q in likely.items() if order[0] == s}
        share = sum(first.values()) / sum(likely.values())
        second = sum(q * table[order[1]] for order, q in first.items()) / sum(first.values())
        score = -p
        score[s] += 1.0
        gradient += share * (table[s] - p[s] * table[s] - (1 - p[s]) * second) * score
        value += share * table[s]
    return gradient, value


def broken_off(uniforms, q):
    """The first stick that breaks off; the last one does."""
    return next(i for i, (u, q_i) in enumerate(zip(uniforms, q, strict=True)) if u < q_i or i == len(q) - 1)


def disarm(f, uniforms, logits):
    """Leave-one-out of an antithetic pair; the sticks are the categories by ascending probability."""
    pairs, weights = [], []
    for u, phi in zip(uniforms, logits, strict=True):
        order = np.argsort(phi)
        p = softmax(phi)[order]
        q = p / p[::-1].cumsum()[::-1]
        one, other = broken_off(u[order], q), broken_off(1 - u[order], q)
        m = min(one, other)
        pairs.append((int(order[one]), int(order[other])))
        weights.append(np.prod((1 - q[:m]) ** 2 / (1 - 2 * q[:m])) * max(q[m], 1 - q[m]))
    one, other = zip(*pairs, strict=True)
    gradient = [np.zeros(len(phi)) for phi in logits]
    for k, weight in enumerate(weights):
        gradient[k][one[k]] += 0.5 * (f(one) - f(other)) * weight
        gradient[k][other[k]] -= 0.5 * (f(one) - f(other)) * weight
    return gradient, (f(one) + f(other)) / 2
