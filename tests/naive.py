"""The definitions, in plain NumPy, as slow and as readable as possible.

Several variables are lists: noise[k] and logits[k] are the arrays of variable k, f takes one vector (a tuple),
and gradients are lists too. One variable is a list of one.
"""

import itertools
from fractions import Fraction

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


def carms_edges(logits, n):
    """The categories, the likeliest first, and the thresholds of d between them."""
    order = np.argsort(-logits)
    below = np.concatenate([[0.0], softmax(logits)[order].cumsum()])
    below[-1] = 1.0
    return order, 1 - below ** (1 / (n - 1))


def carms_joint(edges, n):
    """How likely two draws are each pair of categories, in exact arithmetic from the thresholds."""
    exact = [Fraction(float(edge)) for edge in edges]

    def both_above(s, t):
        return max(Fraction(0), 1 - s - t) ** (n - 1)

    size = len(edges) - 1
    joint = np.empty((size, size))
    for a, b in itertools.product(range(size), repeat=2):
        upper_a, lower_a, upper_b, lower_b = exact[a], exact[a + 1], exact[b], exact[b + 1]
        joint[a, b] = float(
            both_above(lower_a, lower_b)
            - both_above(upper_a, lower_b)
            - both_above(lower_a, upper_b)
            + both_above(upper_a, upper_b)
        )
    return joint


def carms(f, shared, draws, logits):
    """Pairs of draws from shared Dirichlet noise, weighted; other draws for variables that it would not help."""
    n = len(draws)
    actions, ratios = np.empty((n, len(logits)), int), []
    for k, phi in enumerate(logits):
        p, (order, edges) = softmax(phi), carms_edges(phi, n)
        joint = np.empty((len(phi), len(phi)))
        joint[np.ix_(order, order)] = carms_joint(edges, n)
        possible = np.outer(p, p) * (1 - np.eye(len(phi)))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(possible > 0, possible / joint, 0.0)
        if (possible * ratio)[possible > 0].sum() <= possible.sum():
            actions[:, k] = [order[np.flatnonzero(d < edges[:-1])[-1]] for d in shared[k]]
        else:
            ratio[:] = 1.0
            actions[:, k] = [winner(noise[k], phi) for noise in draws]
        ratios.append(ratio)
    values = [f(tuple(z)) for z in actions.tolist()]
    gradient = [np.zeros(len(phi)) for phi in logits]
    for i, j in itertools.combinations(range(n), 2):
        for k, ratio in enumerate(ratios):
            a, b = actions[i, k], actions[j, k]
            share = 0.0 if a == b else ratio[a, b] * (values[i] - values[j]) / (n * (n - 1))
            gradient[k][a] += share
            gradient[k][b] -= share
    return gradient, np.mean(values)


def gf_product(a, b):
    """The product of two bytes in GF(2^8), modulo AES's x^8 + x^4 + x^3 + x + 1."""
    product = 0
    for i in range(8):
        product ^= (b >> i & 1) * a << i
    for i in range(14, 7, -1):
        product ^= (product >> i & 1) * 0x11B << i - 8
    return product


def s_box():
    """AES's substitution of bytes: the inverse in GF(2^8), 0 for 0, and an affine map of its bits."""
    box = []
    for byte in range(256):
        inverse = next((other for other in range(256) if gf_product(byte, other) == 1), 0)
        bits = [inverse >> i & 1 for i in range(8)]
        mapped = [sum(bits[(i + k) % 8] for k in (0, 4, 5, 6, 7)) % 2 for i in range(8)]
        box.append(0x63 ^ sum(bit << i for i, bit in enumerate(mapped)))
    return np.array(box)


S_BOX = s_box()
MIXING = [[2, 3, 1, 1], [1, 2, 3, 1], [1, 1, 2, 3], [3, 1, 1, 2]]


def aes_round(state, key, last=False):
    """SubBytes, ShiftRows, MixColumns but in the last round, and AddRoundKey; bytes fill columns first."""
    rows = S_BOX[state].reshape(4, 4).T
    rows = np.array([np.roll(row, -i) for i, row in enumerate(rows)])
    if not last:
        # A product of matrices in GF(2^8), whose sums are exclusive ors.
        products = np.frompyfunc(gf_product, 2, 1)(np.array(MIXING)[:, :, None], rows).astype(int)
        rows = np.bitwise_xor.reduce(products, axis=1)
    return rows.T.ravel() ^ key


def ars(counter, key, n_rounds=7):
    """ARS4x32 of 16 bytes each, little-endian (Salmon, Moraes, Dror and Shaw 2011)."""

    def bytes_of(low, high):
        words = low % 2**64, high % 2**64
        return np.frombuffer(b"".join(word.to_bytes(8, "little") for word in words), np.uint8)

    low, high = (int.from_bytes(key[i : i + 8], "little") for i in (0, 8))
    state = np.frombuffer(counter, np.uint8) ^ bytes_of(low, high)
    for i in range(1, n_rounds + 1):
        own_key = bytes_of(low + i * 0x9E3779B97F4A7C15, high + i * 0xBB67AE8584CAA73B)
        state = aes_round(state, own_key, i == n_rounds)
    return state.astype(np.uint8).tobytes()
