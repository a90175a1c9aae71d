"""LunarLander-v3 of gymnasium, many at a time: states are rows of an array, so that copies are free.

Compiled: what Box2D 2.3 does to a lander with two legs over the ground, that is revolute joints with a motor and
limits, contacts of the legs with the ground, friction, sleep, and legs that would fly into the ground within a
step. The order of operations is Box2D's, in double precision: a step differs from gymnasium's by the rounding of
single precision, and seldom by more, at the corners of the ground. Tests follow gymnasium within tolerances.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ActionArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]
Triple = tuple[float, float, float]
Quadruple = tuple[float, float, float, float]
PointNumbers = tuple[float, float, float, float, float, float]
JointNumbers = tuple[tuple[float, float], Quadruple, Triple, Triple, PointNumbers]

compiled = numba.njit(cache=True, error_model="numpy")
# For what is called again and again: calls that pass many arrays take longer than what they do.
inlined = numba.njit(cache=True, error_model="numpy", forceinline=True)

# gymnasium's, in metres and seconds.
INTERVAL, GRAVITY, SCALE = 1 / 50, -10.0, 30.0
WIDTH, HEIGHT = 600 / SCALE, 400 / SCALE
N_CHUNKS = 11
CHUNK = WIDTH / (N_CHUNKS - 1)
PAD = HEIGHT / 4
PUSH = 1000.0  # newtons, of the first step
MOTOR_SPEED, MOTOR_IMPULSE = 0.3, 40 * INTERVAL
FRICTION = math.sqrt(0.1 * 0.2)
# Box2D's.
RADIUS, SLOP, ANGULAR_SLOP = 0.02, 0.005, math.pi / 90
CORRECTION, ANGULAR_CORRECTION, BAUMGARTE = 0.2, 8 * math.pi / 180, 0.2
STILL, STILL_TURN, TIME_TO_SLEEP = 0.01, math.pi / 90, 0.5
VELOCITY_ITERATIONS, POSITION_ITERATIONS, HIT_ITERATIONS = 180, 60, 20
HITS, HIT_BAUMGARTE, TARGET = 8, 0.75, RADIUS - 3 * SLOP
# Impulses that change by less than this are solved.
SOLVED = 1e-6


class Polygon(NamedTuple):
    """Corners about the centre of mass, counterclockwise, and the outer normals of the edges after them."""

    corners: FloatArray
    normals: FloatArray


def _polygon(corners: list[tuple[float, float]], density: float) -> tuple[Polygon, float, float, FloatArray]:
    """A polygon of given corners, its mass and inertia, and its centre of mass."""
    v = np.array(corners)
    following = np.roll(v, -1, axis=0)
    cross = v[:, 0] * following[:, 1] - v[:, 1] * following[:, 0]
    area = cross.sum() / 2
    centre = ((v + following) * cross[:, None]).sum(axis=0) / (6 * area)
    squares = (v * v + v * following + following * following).sum(axis=1)
    inertia = density * ((cross * squares).sum() / 12 - area * (centre @ centre))
    edges = following - v
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1) / np.hypot(*edges.T)[:, None]
    return Polygon(v - centre, normals), float(density * area), float(inertia), centre


LANDER, LANDER_MASS, LANDER_INERTIA, CENTRE = _polygon(
    [(x / SCALE, y / SCALE) for x, y in [(17, -10), (17, 0), (14, 17), (-14, 17), (-17, 0), (-17, -10)]], 5.0
)
LEG, LEG_MASS, LEG_INERTIA, _ = _polygon(
    [(x / SCALE, y / SCALE) for x, y in [(-2, -8), (2, -8), (2, 8), (-2, 8)]], 1.0
)
LIFT = float(CENTRE[1])  # of the lander's centre of mass above its origin
LANDER_INVERSE_MASS, LANDER_INVERSE_INERTIA = 1 / LANDER_MASS, 1 / LANDER_INERTIA
LEG_INVERSE_MASS, LEG_INVERSE_INERTIA = 1 / LEG_MASS, 1 / LEG_INERTIA
# Where the joints are on the legs, and the angles of these to the lander between which they turn; left and right.
ANCHOR_X, ANCHOR_Y = np.array([-20 / SCALE, 20 / SCALE]), 18 / SCALE
LOWER, UPPER = np.array([0.35, -0.85]), np.array([0.85, -0.35])
SIDE = np.array([-1.0, 1.0])

# Where in a row of a state what is: position, angle and their speeds of lander and legs; impulses of the joints
# in both directions, of limit and motor; times at rest; legs on the ground; contacts; the ground; the shaping of
# the reward; the seed of the engines and the step. A contact is the chunk of ground, and for each of two points
# its number, see `_clip`, and its impulses along the normal and along the ground.
N_BODIES = 3
JOINTS = 6 * N_BODIES
REST = JOINTS + 8
TOUCH = REST + N_BODIES
CONTACTS = TOUCH + 2
N_CONTACT = 7
GROUND = CONTACTS + 4 * N_CONTACT
SHAPING = GROUND + N_CHUNKS
SEED = SHAPING + 1
STEP = SEED + 1
N_STATE = STEP + 1


class Contacts(NamedTuple):
    """Of each leg, one after the other, with the chunk of ground of even and of odd number."""

    n_points: IntArray
    chunk: IntArray
    of_ground: BoolArray  # whether side and origin are of the ground, and the points of the leg; or the reverse
    side: FloatArray  # its normal
    origin: FloatArray
    points: FloatArray
    ids: IntArray
    impulses: FloatArray  # along the normal and along the ground
    n_solved: IntArray  # points
    normal: FloatArray  # upwards
    arm: FloatArray  # of the points, from the centre of mass
    masses: FloatArray  # along the normal and along the ground
    matrix: FloatArray  # inverse mass of both points together: xx, xy, yy


class Joints(NamedTuple):
    """Of each leg with the lander."""

    impulses: FloatArray  # in both directions, of limit and motor
    limit: IntArray  # which holds it: -1, 0 or 1
    arms: FloatArray  # from both centres of mass
    matrix: FloatArray  # inverse mass: xx, xy, yy, xz, yz, zz
    inverse: FloatArray  # of xx, xy, yy alone, and of all


class LunarLander:
    """Land softly between two flags, with a main engine and one on each side."""

    name = "LunarLander-v3"
    n_actions, n_observations, limit, solved = 4, 8, 1000, 200.0

    def reset(self, n: int, rng: np.random.Generator) -> FloatArray:
        """At the top, with a push and a ground of its own for each."""
        heights, push = rng.uniform(0, HEIGHT / 2, (n, N_CHUNKS + 1)), rng.uniform(-PUSH, PUSH, (n, 2))
        return self.start(heights, push, rng.integers(2**52, size=n))

    def start(self, heights: FloatArray, push: FloatArray, seeds: IntArray) -> FloatArray:
        """The first states for given randomness, after the step that gymnasium does first."""
        heights = heights.copy()
        heights[:, N_CHUNKS // 2 - 2 : N_CHUNKS // 2 + 3] = PAD
        states = np.zeros((len(heights), N_STATE))
        states[:, GROUND : GROUND + N_CHUNKS] = (
            0.33 * (np.roll(heights, 1, axis=1) + heights + np.roll(heights, -1, axis=1))[:, :N_CHUNKS]
        )
        bodies = states[:, :JOINTS].reshape(-1, N_BODIES, 6)
        bodies[:, :, 0], bodies[:, :, 1] = WIDTH / 2, HEIGHT
        bodies[:, 0, 1] += LIFT
        bodies[:, 1:, 0] -= SIDE * 20 / SCALE
        bodies[:, 1:, 2] = 0.05 * SIDE
        bodies[:, 0, 3:5] = INTERVAL * push / LANDER_MASS
        states[:, CONTACTS:GROUND:N_CONTACT] = -1
        states[:, SEED] = seeds
        return self.step(states, np.zeros(len(states), np.int32))[0]

    def observe(self, states: FloatArray) -> FloatArray:
        """Position, speed, angle, its speed, and whether the legs touch the ground."""
        return _observe(states)

    def step(self, states: FloatArray, actions: ActionArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Fire nothing, the left, the main or the right engine for a fiftieth of a second."""
        return step_landers(states, actions, _dispersions(states))


@compiled
def _dispersions(states: FloatArray) -> FloatArray:
    """Two numbers from -1 to 1 for each state, from its seed and its step: Steele, Lea and Flood's SplitMix64."""
    numbers = np.empty((len(states), 2))
    for i in range(len(states)):
        start = np.uint64(states[i, SEED]) * np.uint64(2048) + np.uint64(2) * np.uint64(states[i, STEP])
        for j in range(2):
            z = (start + np.uint64(j + 1)) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
            numbers[i, j] = np.float64(z >> np.uint64(11)) * 2.0**-52 - 1.0
    return numbers


@compiled
def _observe(states: FloatArray) -> FloatArray:
    seen = np.empty((len(states), 8))
    for i in range(len(states)):
        row = states[i]
        seen[i, 0] = (row[0] + math.sin(row[2]) * LIFT - WIDTH / 2) / (WIDTH / 2)
        seen[i, 1] = (row[1] - math.cos(row[2]) * LIFT - (PAD + 18 / SCALE)) / (HEIGHT / 2)
        seen[i, 2] = row[3] * (WIDTH / 2) * INTERVAL
        seen[i, 3] = row[4] * (HEIGHT / 2) * INTERVAL
        seen[i, 4] = row[2]
        seen[i, 5] = 20.0 * row[5] * INTERVAL
        seen[i, 6] = row[TOUCH]
        seen[i, 7] = row[TOUCH + 1]
    return seen


@compiled
def step_landers(
    states: FloatArray, actions: ActionArray, dispersions: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """The next states, the rewards, and where the episode ended; dispersions are those of the engines."""
    following = states.copy()
    rewards, ended = np.empty(len(states)), np.empty(len(states), np.bool_)
    contacts = _no_contacts()
    for i in range(len(states)):
        row = following[i]
        bodies = row[:JOINTS].reshape(N_BODIES, 6)
        fuel = _fire(bodies, actions[i], dispersions[i, 0] / SCALE, dispersions[i, 1] / SCALE)
        crashed = _meets(LANDER, bodies[0], row, RADIUS)
        for leg in range(2):
            _meet(row, bodies[1 + leg], contacts, leg)
        before = bodies[:, :3].copy()
        asleep = _solve(row, bodies, contacts)
        for leg in range(2):
            _hit(row, bodies, contacts, leg, before[1 + leg])
        crashed |= _meets(LANDER, bodies[0], row, TARGET)
        row[STEP] += 1
        seen = _observe(following[i : i + 1])[0]
        shaping = (
            -100 * math.sqrt(seen[0] ** 2 + seen[1] ** 2)
            - 100 * math.sqrt(seen[2] ** 2 + seen[3] ** 2)
            - 100 * abs(seen[4])
            + 10 * seen[6]
            + 10 * seen[7]
        )
        rewards[i] = shaping - row[SHAPING] - fuel
        row[SHAPING] = shaping
        ended[i] = False
        if crashed or abs(seen[0]) >= 1:
            rewards[i], ended[i] = -100.0, True
        if asleep:
            rewards[i], ended[i] = 100.0, True
    return following, rewards, ended


@compiled
def _no_contacts() -> Contacts:
    return Contacts(
        np.zeros(4, np.int64),
        np.zeros(4, np.int64),
        np.zeros(4, np.bool_),
        np.zeros((4, 2)),
        np.zeros((4, 2)),
        np.zeros((4, 2, 2)),
        np.zeros((4, 2), np.int64),
        np.zeros((4, 2, 2)),
        np.zeros(4, np.int64),
        np.zeros((4, 2)),
        np.zeros((4, 2, 2)),
        np.zeros((4, 2, 2)),
        np.zeros((4, 3)),
    )


@compiled
def _fire(bodies: FloatArray, action: int, first: float, second: float) -> float:
    """An engine's push on the lander; the fuel it takes."""
    if action == 0:
        return 0.0
    sine, cosine = math.sin(bodies[0, 2]), math.cos(bodies[0, 2])
    if action == 2:
        fuel, power = 0.3, 13.0
        along, across = 4 / SCALE + 2 * first, second
    else:
        fuel, power = 0.03, 0.6
        along, across = first, 3 * second + (action - 2) * 12 / SCALE
    x, y = sine * along - cosine * across, -cosine * along - sine * across
    # From the centre of mass.
    at_x, at_y = x + sine * LIFT, y - cosine * LIFT
    if action != 2:
        at_x, at_y = at_x - sine * 17 / SCALE, at_y + cosine * 14 / SCALE
    bodies[0, 3] -= LANDER_INVERSE_MASS * x * power
    bodies[0, 4] -= LANDER_INVERSE_MASS * y * power
    bodies[0, 5] -= LANDER_INVERSE_INERTIA * (at_x * y - at_y * x) * power
    return fuel


@compiled
def _meets(polygon: Polygon, body: FloatArray, row: FloatArray, distance: float) -> bool:
    """Whether a polygon is as near to the ground as this."""
    even, odd = _apart(polygon, body, row, _chunk(body[0], 0)), _apart(polygon, body, row, _chunk(body[0], 1))
    return min(even, odd) <= distance


@compiled
def _meet(row: FloatArray, body: FloatArray, contacts: Contacts, leg: int) -> None:
    """Find the contacts of a leg, with their impulses of the step before."""
    for slot in range(2):
        k = 2 * leg + slot
        chunk = _chunk(body[0], slot)
        n_points = _collide(body, row, chunk, contacts, k)
        contacts.n_points[k], contacts.chunk[k] = n_points, chunk
        old = row[CONTACTS + k * N_CONTACT : CONTACTS + (k + 1) * N_CONTACT]
        same = old[0] == chunk
        # As gymnasium's listener: the end of one contact is that of all.
        if n_points > 0 and not same:
            row[TOUCH + leg] = 1.0
        if old[0] >= 0 and (n_points == 0 or not same):
            row[TOUCH + leg] = 0.0
        for point in range(n_points):
            contacts.impulses[k, point] = 0.0
            if same:
                for before in range(2):
                    if old[1 + 3 * before] == contacts.ids[k, point]:
                        contacts.impulses[k, point, 0] = old[2 + 3 * before]
                        contacts.impulses[k, point, 1] = old[3 + 3 * before]
                        break


@compiled
def _remember(row: FloatArray, contacts: Contacts, leg: int) -> None:
    """Keep the contacts of a leg for the next step."""
    for k in (2 * leg, 2 * leg + 1):
        at = CONTACTS + k * N_CONTACT
        row[at] = contacts.chunk[k] if contacts.n_points[k] > 0 else -1
        for point in range(2):
            row[at + 1 + 3 * point] = contacts.ids[k, point] if point < contacts.n_points[k] else -1
            row[at + 2 + 3 * point : at + 4 + 3 * point] = contacts.impulses[k, point]


@compiled
def _hit(row: FloatArray, bodies: FloatArray, contacts: Contacts, leg: int, start: FloatArray) -> None:
    """Stop a leg that would fly into the ground where it gets there, and let it go on: b2World::SolveTOI."""
    body, left = bodies[1 + leg], INTERVAL
    for _ in range(HITS):
        share = _first_hit(row, start, body[:3])
        if share == 1.0:
            break
        body[:3] = start + share * (body[:3] - start)
        left *= 1 - share
        _meet(row, body, contacts, leg)
        _remember(row, contacts, leg)
        for _ in range(HIT_ITERATIONS):
            least = 0.0
            for k in (2 * leg, 2 * leg + 1):
                least = min(least, _place_contact(bodies, contacts, k, HIT_BAUMGARTE))
            if least >= -1.5 * SLOP:
                break
        start[:] = body[:3]
        for k in (2 * leg, 2 * leg + 1):
            contacts.impulses[k] = 0.0
            _prepare_contact(bodies, contacts, k)
        speed, (n0, n1) = _speed(bodies, 1 + leg), contacts.n_solved[2 * leg : 2 * leg + 2]
        first0, second0, matrix0, impulses0 = _contact_numbers(contacts, 2 * leg)
        first1, second1, matrix1, impulses1 = _contact_numbers(contacts, 2 * leg + 1)
        for _ in range(VELOCITY_ITERATIONS):
            change = 0.0
            if n0 > 0:
                speed, impulses0, change = _solve_contact(n0, first0, second0, matrix0, speed, impulses0)
            if n1 > 0:
                speed, impulses1, other = _solve_contact(n1, first1, second1, matrix1, speed, impulses1)
                change = max(change, other)
            if change < SOLVED:
                break
        body[3:] = speed
        body[:3] += left * body[3:]


@compiled
def _first_hit(row: FloatArray, start: FloatArray, end: FloatArray) -> float:
    """The share of the way of a leg after which it gets to the ground; 1 if it does not: b2TimeOfImpact."""
    first, pose = 1.0, np.empty(3)
    for slot in range(2):
        chunk = _chunk(end[0], slot)
        low, high = 0.0, 1.0
        low_apart, high_apart = _apart(LEG, start, row, chunk), _apart(LEG, end, row, chunk)
        if low_apart <= 0:
            continue
        if low_apart < TARGET + SLOP / 4:
            return 0.0
        if high_apart >= TARGET - SLOP / 4:
            continue
        share = 0.5
        for i in range(50):
            if i % 2:
                share = low + (TARGET - low_apart) * (high - low) / (high_apart - low_apart)
            else:
                share = (low + high) / 2
            pose[:] = start + share * (end - start)
            apart = _apart(LEG, pose, row, chunk)
            if abs(apart - TARGET) < SLOP / 4:
                break
            if apart > TARGET:
                low, low_apart = share, apart
            else:
                high, high_apart = share, apart
        first = min(first, share)
    return first


@compiled
def _chunk(x: float, slot: int) -> int:
    """Of the two nearest chunks of ground that of even or odd number."""
    near = math.floor(x / CHUNK - 0.5)
    return near + (near - slot) % 2


@compiled
def _ground(row: FloatArray, chunk: int, body: FloatArray) -> tuple[float, float, float, float, float, float]:
    """Both ends of a chunk of ground, so that the body is on its left, and the normal on that side."""
    x1, y1 = (chunk + 1) * CHUNK, row[GROUND + chunk + 1]
    x2, y2 = chunk * CHUNK, row[GROUND + chunk]
    length = math.hypot(x2 - x1, y2 - y1)
    nx, ny = (y2 - y1) / length, (x1 - x2) / length
    if nx * (body[0] - x1) + ny * (body[1] - y1) > 0:
        return x1, y1, x2, y2, nx, ny
    return x2, y2, x1, y1, -nx, -ny


@compiled
def _placed(polygon: Polygon, body: FloatArray) -> Polygon:
    """A polygon where its body is."""
    sine, cosine = math.sin(body[2]), math.cos(body[2])
    corners, normals = np.empty_like(polygon.corners), np.empty_like(polygon.normals)
    for i in range(len(corners)):
        x, y = polygon.corners[i]
        corners[i, 0], corners[i, 1] = body[0] + cosine * x - sine * y, body[1] + sine * x + cosine * y
        x, y = polygon.normals[i]
        normals[i, 0], normals[i, 1] = cosine * x - sine * y, sine * x + cosine * y
    return Polygon(corners, normals)


@compiled
def _apart(polygon: Polygon, body: FloatArray, row: FloatArray, chunk: int) -> float:
    """How far a polygon is from a chunk of ground, at least; negative where it is in it."""
    if chunk < 0 or chunk >= N_CHUNKS - 1:
        return np.inf
    if body[1] > max(row[GROUND + chunk], row[GROUND + chunk + 1]) + 1.0:
        return np.inf
    x1, y1, x2, y2, nx, ny = _ground(row, chunk, body)
    corners, normals = _placed(polygon, body)
    apart, most = np.inf, -np.inf
    for i in range(len(corners)):
        (px, py), (mx, my) = corners[i], normals[i]
        apart = min(apart, nx * (px - x1) + ny * (py - y1))
        most = max(most, min(mx * (x1 - px) + my * (y1 - py), mx * (x2 - px) + my * (y2 - py)))
    return max(apart, most)


@compiled
def _collide(body: FloatArray, row: FloatArray, chunk: int, contacts: Contacts, k: int) -> int:
    """Find the points where a leg touches a chunk of ground, and count them: b2CollideEdgeAndPolygon."""
    if _apart(LEG, body, row, chunk) > RADIUS:
        return 0
    x1, y1, x2, y2, nx, ny = _ground(row, chunk, body)
    corners, normals = _placed(LEG, body)
    apart, side, side_apart, facing, least = np.inf, -1, -np.inf, 0, np.inf
    for i in range(len(corners)):
        (px, py), (mx, my) = corners[i], normals[i]
        apart = min(apart, nx * (px - x1) + ny * (py - y1))
        cosine = nx * mx + ny * my
        if cosine < least:
            facing, least = i, cosine
        own = min(mx * (x1 - px) + my * (y1 - py), mx * (x2 - px) + my * (y2 - py))
        if own > side_apart:
            side, side_apart = i, own
    of_ground = side_apart <= 0.98 * apart + 0.001
    points, ids = contacts.points[k], contacts.ids[k]
    if of_ground:
        # The side of the leg is cut where the ground ends.
        after = (facing + 1) % len(corners)
        points[0], points[1] = corners[facing], corners[after]
        ids[0], ids[1] = 100 + 10 * facing, 100 + 10 * after
        ax, ay, bx, by = x1, y1, x2, y2
        first, second = (1, 0) if x1 > x2 else (0, 1)
    else:
        # And the reverse.
        after = (side + 1) % len(corners)
        points[0, 0], points[0, 1], points[1, 0], points[1, 1] = (x2, y2, x1, y1) if x1 > x2 else (x1, y1, x2, y2)
        ids[:] = 100 + side
        (ax, ay), (bx, by), (nx, ny) = corners[side], corners[after], normals[side]
        first, second = side, after
    if not _clip(points, ids, ny, -nx, ny * ax - nx * ay, first, of_ground):
        return 0
    if not _clip(points, ids, -ny, nx, nx * by - ny * bx, second, of_ground):
        return 0
    contacts.of_ground[k] = of_ground
    if of_ground:
        contacts.side[k, 0], contacts.side[k, 1] = nx, ny
        contacts.origin[k, 0], contacts.origin[k, 1] = ax, ay
    else:
        contacts.side[k], contacts.origin[k] = LEG.normals[side], LEG.corners[side]
    count = 0
    sine, cosine = math.sin(body[2]), math.cos(body[2])
    for j in range(2):
        px, py = points[j]
        if nx * (px - ax) + ny * (py - ay) <= RADIUS:
            if of_ground:
                px, py = px - body[0], py - body[1]
                px, py = cosine * px + sine * py, cosine * py - sine * px
            points[count, 0], points[count, 1] = px, py
            ids[count] = ids[j]
            count += 1
    return count


@compiled
def _clip(
    points: FloatArray, ids: IntArray, nx: float, ny: float, offset: float, corner: int, of_ground: bool
) -> bool:
    """Cut a segment at a line: b2ClipSegmentToLine."""
    d0 = nx * points[0, 0] + ny * points[0, 1] - offset
    d1 = nx * points[1, 0] + ny * points[1, 1] - offset
    if d0 <= 0 and d1 <= 0:
        return True
    if d0 > 0 and d1 > 0:
        return False
    if d0 * d1 == 0:  # one is on the line, and the other beyond it
        return False
    share = d0 / (d0 - d1)
    x = points[0, 0] + share * (points[1, 0] - points[0, 0])
    y = points[0, 1] + share * (points[1, 1] - points[0, 1])
    # Numbers that tell points apart, and find them again at the next step.
    index = ids[0] // 10 - 10 if of_ground and ids[0] < 200 else ids[0] % 10
    # What was cut off comes last.
    if d0 > 0:
        points[0] = points[1]
        ids[0] = ids[1]
    points[1, 0], points[1, 1] = x, y
    ids[1] = (200 if of_ground else 100) + 10 * corner + index
    return True


@compiled
def _solve(row: FloatArray, bodies: FloatArray, contacts: Contacts) -> bool:
    """Move for an interval, as b2Island::Solve does; whether all has come to rest."""
    for b in range(N_BODIES):
        bodies[b, 4] += INTERVAL * GRAVITY
    for k in range(4):
        _prepare_contact(bodies, contacts, k)
    impulses = row[JOINTS:REST].reshape(2, 4)
    joints = Joints(impulses, np.empty(2, np.int64), np.empty((2, 4)), np.empty((2, 6)), np.empty((2, 9)))
    for leg in (1, 0):
        _prepare_joint(bodies, joints, leg)
    lander, left, right = _speed(bodies, 0), _speed(bodies, 1), _speed(bodies, 2)
    left_joint, right_joint = _joint_numbers(joints, 0), _joint_numbers(joints, 1)
    left_impulses, right_impulses = _joint_impulses(joints, 0), _joint_impulses(joints, 1)
    n0, n1, n2, n3 = contacts.n_solved
    first0, second0, matrix0, impulses0 = _contact_numbers(contacts, 0)
    first1, second1, matrix1, impulses1 = _contact_numbers(contacts, 1)
    first2, second2, matrix2, impulses2 = _contact_numbers(contacts, 2)
    first3, second3, matrix3, impulses3 = _contact_numbers(contacts, 3)
    for _ in range(VELOCITY_ITERATIONS):
        lander, right, right_impulses, change = _solve_joint(right_joint, lander, right, right_impulses)
        lander, left, left_impulses, other = _solve_joint(left_joint, lander, left, left_impulses)
        change = max(change, other)
        if n0 > 0:
            left, impulses0, other = _solve_contact(n0, first0, second0, matrix0, left, impulses0)
            change = max(change, other)
        if n1 > 0:
            left, impulses1, other = _solve_contact(n1, first1, second1, matrix1, left, impulses1)
            change = max(change, other)
        if n2 > 0:
            right, impulses2, other = _solve_contact(n2, first2, second2, matrix2, right, impulses2)
            change = max(change, other)
        if n3 > 0:
            right, impulses3, other = _solve_contact(n3, first3, second3, matrix3, right, impulses3)
            change = max(change, other)
        if change < SOLVED:
            break
    bodies[0, 3:], bodies[1, 3:], bodies[2, 3:] = lander, left, right
    impulses[0], impulses[1] = left_impulses, right_impulses
    of_contacts = contacts.impulses.reshape(4, 4)
    of_contacts[0], of_contacts[1], of_contacts[2], of_contacts[3] = impulses0, impulses1, impulses2, impulses3
    for leg in range(2):
        _remember(row, contacts, leg)
    for b in range(N_BODIES):
        for j in range(3):
            bodies[b, j] += INTERVAL * bodies[b, 3 + j]
    placed = False
    for _ in range(POSITION_ITERATIONS):
        placed = True
        for k in range(4):
            placed &= _place_contact(bodies, contacts, k, BAUMGARTE) >= -3 * SLOP
        for leg in (1, 0):
            placed &= _place_joint(bodies, joints, leg)
        if placed:
            break
    rest = np.inf
    for b in range(N_BODIES):
        if abs(bodies[b, 5]) > STILL_TURN or bodies[b, 3] ** 2 + bodies[b, 4] ** 2 > STILL**2:
            row[REST + b] = 0.0
        else:
            row[REST + b] += INTERVAL
        rest = min(rest, row[REST + b])
    return placed and rest >= TIME_TO_SLEEP - 1e-6


@inlined
def _speed(bodies: FloatArray, b: int) -> Triple:
    return bodies[b, 3], bodies[b, 4], bodies[b, 5]


@inlined
def _push(speed: Triple, mass: float, inertia: float, x: float, y: float, turn: float) -> Triple:
    """The speed after an impulse; mass and inertia are inverse."""
    return speed[0] + mass * x, speed[1] + mass * y, speed[2] + inertia * turn


@compiled
def _arms(bodies: FloatArray, joints: Joints, leg: int) -> None:
    """Where the joint is, and its inverse mass."""
    arms, matrix = joints.arms, joints.matrix
    ax, ay = math.sin(bodies[0, 2]) * LIFT, -math.cos(bodies[0, 2]) * LIFT
    sine, cosine = math.sin(bodies[1 + leg, 2]), math.cos(bodies[1 + leg, 2])
    bx, by = cosine * ANCHOR_X[leg] - sine * ANCHOR_Y, sine * ANCHOR_X[leg] + cosine * ANCHOR_Y
    arms[leg, 0], arms[leg, 1], arms[leg, 2], arms[leg, 3] = ax, ay, bx, by
    a, b, m = LANDER_INVERSE_INERTIA, LEG_INVERSE_INERTIA, LANDER_INVERSE_MASS + LEG_INVERSE_MASS
    matrix[leg, 0] = m + ay * ay * a + by * by * b
    matrix[leg, 1] = -ay * ax * a - by * bx * b
    matrix[leg, 2] = m + ax * ax * a + bx * bx * b
    matrix[leg, 3] = -ay * a - by * b
    matrix[leg, 4] = ax * a + bx * b
    matrix[leg, 5] = a + b


@compiled
def _prepare_joint(bodies: FloatArray, joints: Joints, leg: int) -> None:
    """Which limit holds the joint; the impulses of the step before are applied."""
    impulses, inverse, arms = joints.impulses, joints.inverse, joints.arms
    _arms(bodies, joints, leg)
    xx, xy, yy, xz, yz, zz = joints.matrix[leg]
    determinant = xx * yy - xy * xy
    inverse[leg, 0], inverse[leg, 1], inverse[leg, 2] = yy / determinant, -xy / determinant, xx / determinant
    cx, cy, cz = yy * zz - yz * yz, yz * xz - xy * zz, xy * yz - yy * xz
    determinant = xx * cx + xy * cy + xz * cz
    inverse[leg, 3], inverse[leg, 4], inverse[leg, 5] = cx / determinant, cy / determinant, cz / determinant
    inverse[leg, 6] = (xx * zz - xz * xz) / determinant
    inverse[leg, 7] = (xy * xz - xx * yz) / determinant
    inverse[leg, 8] = (xx * yy - xy * xy) / determinant
    angle = bodies[1 + leg, 2] - bodies[0, 2]
    joints.limit[leg] = 0
    if angle <= LOWER[leg]:
        joints.limit[leg] = -1
        impulses[leg, 2] = max(impulses[leg, 2], 0.0)
    elif angle >= UPPER[leg]:
        joints.limit[leg] = 1
        impulses[leg, 2] = min(impulses[leg, 2], 0.0)
    else:
        impulses[leg, 2] = 0.0
    turn = impulses[leg, 2] + impulses[leg, 3]
    bodies[0, 3:], bodies[1 + leg, 3:] = _push_joint(
        (arms[leg, 0], arms[leg, 1], arms[leg, 2], arms[leg, 3]),
        _speed(bodies, 0),
        _speed(bodies, 1 + leg),
        impulses[leg, 0],
        impulses[leg, 1],
        turn,
    )


@inlined
def _joint_impulses(joints: Joints, leg: int) -> Quadruple:
    impulses = joints.impulses
    return impulses[leg, 0], impulses[leg, 1], impulses[leg, 2], impulses[leg, 3]


@inlined
def _joint_numbers(joints: Joints, leg: int) -> JointNumbers:
    """What one iteration needs: limit, speed of the motor, arms, xz, yz and zz of the matrix, and its inverse."""
    a, m, v = joints.arms[leg], joints.matrix[leg], joints.inverse[leg]
    return (
        (float(joints.limit[leg]), MOTOR_SPEED * SIDE[leg]),
        (a[0], a[1], a[2], a[3]),
        (m[3], m[4], m[5]),
        (v[0], v[1], v[2]),
        (v[3], v[4], v[5], v[6], v[7], v[8]),
    )


@inlined
def _push_joint(
    arms: Quadruple, lander: Triple, own: Triple, x: float, y: float, turn: float
) -> tuple[Triple, Triple]:
    """The speeds of lander and leg after an impulse between them."""
    back, forth = arms[0] * y - arms[1] * x, arms[2] * y - arms[3] * x
    return (
        _push(lander, LANDER_INVERSE_MASS, LANDER_INVERSE_INERTIA, -x, -y, -back - turn),
        _push(own, LEG_INVERSE_MASS, LEG_INVERSE_INERTIA, x, y, forth + turn),
    )


@inlined
def _solve_joint(
    joint: JointNumbers, lander: Triple, own: Triple, impulses: Quadruple
) -> tuple[Triple, Triple, Quadruple, float]:
    """One iteration for the speeds, which go in and out with the impulses; the largest change of an impulse."""
    (limit, motor_speed), arms, (xz, yz, zz), of_two, of_three = joint
    motor = impulses[3] - (own[2] - lander[2] - motor_speed) / zz
    motor = min(max(motor, -MOTOR_IMPULSE), MOTOR_IMPULSE)
    change = motor - impulses[3]
    lander = lander[0], lander[1], lander[2] - LANDER_INVERSE_INERTIA * change
    own = own[0], own[1], own[2] + LEG_INVERSE_INERTIA * change
    dx = own[0] - own[2] * arms[3] - lander[0] + lander[2] * arms[1]
    dy = own[1] + own[2] * arms[2] - lander[1] - lander[2] * arms[0]
    z, free = 0.0, limit == 0
    x, y = 0.0, 0.0
    if not free:
        dz = own[2] - lander[2]
        x = -(of_three[0] * dx + of_three[1] * dy + of_three[2] * dz)
        y = -(of_three[1] * dx + of_three[3] * dy + of_three[4] * dz)
        z = -(of_three[2] * dx + of_three[4] * dy + of_three[5] * dz)
        if limit * (impulses[2] + z) > 0:
            # The limit would pull: it lets go.
            free, z = True, -impulses[2]
            dx += z * xz
            dy += z * yz
    if free:
        x = -(of_two[0] * dx + of_two[1] * dy)
        y = -(of_two[1] * dx + of_two[2] * dy)
    lander, own = _push_joint(arms, lander, own, x, y, z)
    change = max(abs(change), abs(x), abs(y), abs(z))
    return lander, own, (impulses[0] + x, impulses[1] + y, impulses[2] + z, motor), change


@inlined
def _solve_2(xx: float, xy: float, yy: float, x: float, y: float) -> tuple[float, float]:
    determinant = xx * yy - xy * xy
    return (yy * x - xy * y) / determinant, (xx * y - xy * x) / determinant


@compiled
def _place_joint(bodies: FloatArray, joints: Joints, leg: int) -> bool:
    """One iteration for the positions; whether they are right."""
    lander, own, limit = bodies[0], bodies[1 + leg], joints.limit[leg]
    arms, matrix = joints.arms[leg], joints.matrix[leg]
    angular_error = 0.0
    if limit != 0:
        angle = own[2] - lander[2]
        if limit < 0:
            excess = angle - LOWER[leg]
            angular_error = -excess
            excess = min(max(excess + ANGULAR_SLOP, -ANGULAR_CORRECTION), 0.0)
        else:
            excess = angle - UPPER[leg]
            angular_error = excess
            excess = min(max(excess - ANGULAR_SLOP, 0.0), ANGULAR_CORRECTION)
        impulse = -excess / matrix[5]
        lander[2] -= LANDER_INVERSE_INERTIA * impulse
        own[2] += LEG_INVERSE_INERTIA * impulse
    _arms(bodies, joints, leg)
    dx = own[0] + arms[2] - lander[0] - arms[0]
    dy = own[1] + arms[3] - lander[1] - arms[1]
    x, y = _solve_2(matrix[0], matrix[1], matrix[2], -dx, -dy)
    lander[0] -= LANDER_INVERSE_MASS * x
    lander[1] -= LANDER_INVERSE_MASS * y
    lander[2] -= LANDER_INVERSE_INERTIA * (arms[0] * y - arms[1] * x)
    own[0] += LEG_INVERSE_MASS * x
    own[1] += LEG_INVERSE_MASS * y
    own[2] += LEG_INVERSE_INERTIA * (arms[2] * y - arms[3] * x)
    return math.hypot(dx, dy) <= SLOP and angular_error <= ANGULAR_SLOP


@compiled
def _contact_point(
    bodies: FloatArray, contacts: Contacts, k: int, j: int
) -> tuple[float, float, float, float, float]:
    """The normal upwards from the ground, where a point of a contact is, and how far apart the bodies are."""
    b = 1 + k // 2
    sine, cosine = math.sin(bodies[b, 2]), math.cos(bodies[b, 2])
    nx, ny = contacts.side[k, 0], contacts.side[k, 1]
    px, py = contacts.origin[k, 0], contacts.origin[k, 1]
    qx, qy = contacts.points[k, j, 0], contacts.points[k, j, 1]
    if contacts.of_ground[k]:
        qx, qy = bodies[b, 0] + cosine * qx - sine * qy, bodies[b, 1] + sine * qx + cosine * qy
    else:
        nx, ny = cosine * nx - sine * ny, sine * nx + cosine * ny
        px, py = bodies[b, 0] + cosine * px - sine * py, bodies[b, 1] + sine * px + cosine * py
    apart = (qx - px) * nx + (qy - py) * ny
    if contacts.of_ground[k]:
        return nx, ny, qx, qy, apart - RADIUS
    return -nx, -ny, qx, qy, apart - RADIUS


@compiled
def _prepare_contact(bodies: FloatArray, contacts: Contacts, k: int) -> None:
    """Arms and masses; the impulses of the step before are applied."""
    b, mass, inertia = 1 + k // 2, LEG_INVERSE_MASS, LEG_INVERSE_INERTIA
    normal, arm, matrix = contacts.normal, contacts.arm, contacts.matrix
    contacts.n_solved[k] = contacts.n_points[k]
    crosses = (0.0, 0.0)
    for j in range(contacts.n_points[k]):
        nx, ny, x, y, apart = _contact_point(bodies, contacts, k, j)
        # Half way between the bodies.
        shift = 0.5 * (apart + RADIUS) * (-1.0 if contacts.of_ground[k] else 1.0)
        x, y = x + shift * nx - bodies[b, 0], y + shift * ny - bodies[b, 1]
        arm[k, j, 0], arm[k, j, 1], normal[k, 0], normal[k, 1] = x, y, nx, ny
        cross = x * ny - y * nx
        crosses = (crosses[1], cross)
        contacts.masses[k, j, 0] = 1 / (mass + inertia * cross**2)
        # Along the ground is (ny, -nx).
        contacts.masses[k, j, 1] = 1 / (mass + inertia * (x * nx + y * ny) ** 2)
    if contacts.n_points[k] == 2:
        matrix[k, 0] = mass + inertia * crosses[0] ** 2
        matrix[k, 1] = mass + inertia * crosses[0] * crosses[1]
        matrix[k, 2] = mass + inertia * crosses[1] ** 2
        if matrix[k, 0] ** 2 >= 1000.0 * (matrix[k, 0] * matrix[k, 2] - matrix[k, 1] ** 2):
            contacts.n_solved[k] = 1  # two that are nearly one
    for j in range(contacts.n_solved[k]):
        along, across = contacts.impulses[k, j]
        point = _point_numbers(contacts, k, j)
        bodies[b, 3:] = _push_contact(point, _speed(bodies, b), along, across)


@inlined
def _point_numbers(contacts: Contacts, k: int, j: int) -> PointNumbers:
    """Of a point of a contact the normal, the arm, and the masses along the normal and along the ground."""
    normal, arm, masses = contacts.normal, contacts.arm, contacts.masses
    return normal[k, 0], normal[k, 1], arm[k, j, 0], arm[k, j, 1], masses[k, j, 0], masses[k, j, 1]


@inlined
def _contact_numbers(contacts: Contacts, k: int) -> tuple[PointNumbers, PointNumbers, Triple, Quadruple]:
    """What one iteration needs: both points, the inverse mass of both together, and the impulses."""
    m, i = contacts.matrix, contacts.impulses
    return (
        _point_numbers(contacts, k, 0),
        _point_numbers(contacts, k, 1),
        (m[k, 0], m[k, 1], m[k, 2]),
        (i[k, 0, 0], i[k, 0, 1], i[k, 1, 0], i[k, 1, 1]),
    )


@inlined
def _push_contact(point: PointNumbers, speed: Triple, along: float, across: float) -> Triple:
    nx, ny, arm_x, arm_y, _, _ = point
    x, y = along * nx + across * ny, along * ny - across * nx
    return _push(speed, LEG_INVERSE_MASS, LEG_INVERSE_INERTIA, x, y, arm_x * y - arm_y * x)


@inlined
def _speed_along(point: PointNumbers, speed: Triple) -> float:
    """Of a point of a leg, along the normal."""
    nx, ny, arm_x, arm_y, _, _ = point
    return (speed[0] - speed[2] * arm_y) * nx + (speed[1] + speed[2] * arm_x) * ny


@inlined
def _rub(point: PointNumbers, speed: Triple, along: float, across: float) -> tuple[Triple, float]:
    """The speed and the impulse along the ground after friction at a point."""
    nx, ny, arm_x, arm_y, _, mass = point
    bound = FRICTION * along
    after = across - mass * ((speed[0] - speed[2] * arm_y) * ny - (speed[1] + speed[2] * arm_x) * nx)
    after = min(max(after, -bound), bound)
    return _push_contact(point, speed, 0.0, after - across), after


@compiled
def _solve_contact(
    n: int, first: PointNumbers, second: PointNumbers, matrix: Triple, speed: Triple, impulses: Quadruple
) -> tuple[Triple, Quadruple, float]:
    """One iteration for the speed of the leg, which goes in and out with the impulses; their largest change."""
    before0, across0, before1, across1 = impulses
    speed, new_across0 = _rub(first, speed, before0, across0)
    new_across1, x0, x1 = across1, before0, before1
    if n == 1:
        x0 = max(before0 - first[4] * _speed_along(first, speed), 0.0)
        speed = _push_contact(first, speed, x0 - before0, 0.0)
    else:
        speed, new_across1 = _rub(second, speed, before1, across1)
        # Both points together, by trying which of them push.
        xx, xy, yy = matrix
        speed0 = _speed_along(first, speed) - xx * before0 - xy * before1
        speed1 = _speed_along(second, speed) - xy * before0 - yy * before1
        x0, x1 = _solve_2(xx, xy, yy, -speed0, -speed1)
        if not (x0 >= 0 and x1 >= 0):
            x0, x1 = -first[4] * speed0, 0.0
            if not (x0 >= 0 and xy * x0 + speed1 >= 0):
                x0, x1 = 0.0, -second[4] * speed1
                if not (x1 >= 0 and xy * x1 + speed0 >= 0):
                    x1 = 0.0
                    if not (speed0 >= 0 and speed1 >= 0):
                        x0, x1 = before0, before1
        speed = _push_contact(first, speed, x0 - before0, 0.0)
        speed = _push_contact(second, speed, x1 - before1, 0.0)
    change = max(abs(x0 - before0), abs(x1 - before1), abs(new_across0 - across0), abs(new_across1 - across1))
    return speed, (x0, new_across0, x1, new_across1), change


@compiled
def _place_contact(bodies: FloatArray, contacts: Contacts, k: int, share: float) -> float:
    """One iteration for the positions, by a share of what is wrong; how deep the leg was."""
    b, least = 1 + k // 2, 0.0
    for j in range(contacts.n_points[k]):
        nx, ny, x, y, apart = _contact_point(bodies, contacts, k, j)
        least = min(least, apart)
        excess = min(max(share * (apart + SLOP), -CORRECTION), 0.0)
        cross = (x - bodies[b, 0]) * ny - (y - bodies[b, 1]) * nx
        impulse = -excess / (LEG_INVERSE_MASS + LEG_INVERSE_INERTIA * cross**2)
        bodies[b, 0] += LEG_INVERSE_MASS * impulse * nx
        bodies[b, 1] += LEG_INVERSE_MASS * impulse * ny
        bodies[b, 2] += LEG_INVERSE_INERTIA * impulse * cross
    return least
