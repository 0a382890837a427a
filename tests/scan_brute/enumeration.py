"""Kulldorff's scan written from the definitions: every circle, every window, every log-likelihood ratio.

Kulldorff (1997), Commun Stat Theory Methods 26:1481; Kulldorff et al. (2005), PLoS Med 2:e59 for the permutation model;
Kulldorff (2001), JRSS A 164:61 for windows that end today. Which clusters are reported is as SaTScan's: of each centre
its best cylinder; looking back also the best one of the time before and after it, at least a day apart, above a ratio
of 1, and never on the last day again; all of these by ratio, each that has no place and time in common with a better one.

Promises: whole numbers as long as they can be; no code in common with the program.
"""

import math

RATIO_MIN, LATER_RATIO_MIN = 0.001, 1.0
TIE = 1e-9
ALTERNATIVES_MAX = 200


def ratio(observed, expected, total, cases_min):
    if observed < cases_min or expected <= 0 or observed <= expected:
        return 0.0
    rest = total - observed
    return observed * math.log(observed / expected) + (rest * math.log(rest / (total - expected)) if rest else 0.0)


class Cylinder:
    def __init__(self, members, start, end, observed, expected, value):
        self.members, self.start, self.end = members, start, end
        self.observed, self.expected, self.value = observed, expected, value

    def overlaps(self, other):
        apart = self.end + 1 < other.start or other.end + 1 < self.start
        return not apart and not self.members.isdisjoint(other.members)

    def is_same(self, other):
        return (self.members, self.start, self.end) == (other.members, other.start, other.end)


class Enumeration:
    def __init__(self, plan):
        self.plan = plan
        self.by_place = [sum(row) for row in plan.cases]
        self.by_day = [sum(row[day] for row in plan.cases) for day in range(plan.days)]
        self.total = sum(self.by_place)
        self.weights = self.by_place if plan.people is None else plan.people
        first_end = plan.days - 1 if plan.prospective else 0
        self.windows = [(end - length + 1, end) for end in range(first_end, plan.days) for length in range(1, plan.window_max + 1)
                        if length <= end + 1]
        self.circles = {centre: self.circles_of(centre) for centre in sorted(set(plan.points))}

    def circles_of(self, centre):
        """Growing sets of places round a point, as far as share and radius allow."""
        points, found = self.plan.points, []
        squared = lambda point: (point[0] - centre[0]) ** 2 + (point[1] - centre[1]) ** 2
        key = (lambda point: (squared(point), point)) if self.plan.one_by_one else squared
        for reach in sorted({key(point) for point in points}):
            members = frozenset(n for n, point in enumerate(points) if key(point) <= reach)
            farthest = max(squared(points[n]) for n in members)
            if sum(self.weights[n] for n in members) * 100 > sum(self.weights) * self.plan.percent:
                break
            if self.plan.radius is not None and farthest > self.plan.radius ** 2:
                break
            found.append(members)
        return found

    def expected(self, members, start, end):
        weight = sum(self.weights[n] for n in members)
        if self.plan.people is None:
            return weight * sum(self.by_day[start:end + 1]) / self.total
        return self.total * weight * (end - start + 1) / (sum(self.weights) * self.plan.days)

    def cylinders(self, circles):
        for members in circles:
            for start, end in self.windows:
                observed = sum(sum(self.plan.cases[n][start:end + 1]) for n in members)
                expected = self.expected(members, start, end)
                value = ratio(observed, expected, self.total, self.plan.cases_min)
                if value >= RATIO_MIN:
                    yield Cylinder(members, start, end, observed, expected, value)

    def lists(self):
        """By centre, the lists of cylinders that it may put forward: more than one where ratios tie, None where too many."""
        for circles in self.circles.values():
            found = list(self.cylinders(circles))
            try:
                yield self.forward(found, [ALTERNATIVES_MAX])
            except OverflowError:
                yield None

    def forward(self, found, left):
        best = best_of(found)
        if self.plan.prospective or not best:
            return [[one] for one in best] or [[]]
        later = [one for one in found if one.value > LATER_RATIO_MIN]
        lists = []
        for one in best:
            after = [other for other in later if other.start >= one.end + 2 and other.end <= self.plan.days - 2]
            before = [other for other in later if other.end <= one.start - 2]
            lists += joined(one, apart(before, left), apart(after, left), left)
        return lists

    def distinct(self):
        """Every circle once, with the windows' expected counts."""
        circles = sorted({members for circles in self.circles.values() for members in circles}, key=sorted)
        return [(sorted(members), [self.expected(members, start, end) for start, end in self.windows]) for members in circles]

    def null(self, rng, count):
        """The greatest ratio of each of `count` maps drawn without clusters."""
        circles = self.distinct()
        return [self.greatest(circles, self.shuffled(rng)) for _ in range(count)]

    def shuffled(self, rng):
        """Permutation: each case keeps its place, the days are dealt anew. Poisson: each case falls anew."""
        plan = self.plan
        cases = [[0] * plan.days for _ in plan.points]
        if plan.people is None:
            days = [day for day, count in enumerate(self.by_day) for _ in range(count)]
            rng.shuffle(days)
            places = [place for place, count in enumerate(self.by_place) for _ in range(count)]
        else:
            days = rng.choices(range(plan.days), k=self.total)
            places = rng.choices(range(len(plan.points)), plan.people, k=self.total)
        for place, day in zip(places, days):
            cases[place][day] += 1
        return cases

    def greatest(self, circles, cases):
        most, cases_min, total, windows = 0.0, self.plan.cases_min, self.total, self.windows
        for members, expected in circles:
            sums = [0]
            for counts in zip(*(cases[n] for n in members)):
                sums.append(sums[-1] + sum(counts))
            if sums[-1] < cases_min:
                continue
            for (start, end), mean in zip(windows, expected):
                observed = sums[end + 1] - sums[start]
                if observed > mean:
                    most = max(most, ratio(observed, mean, total, cases_min))
        return most


def joined(one, before, after, left):
    left[0] -= len(before) * len(after)
    if left[0] < 0:
        raise OverflowError
    return [[one, *first, *second] for first in before for second in after]


def apart(inside, left):
    """Lists from one stretch of time, which the best there cuts in two again."""
    lists = []
    for one in best_of(inside):
        before = [other for other in inside if other.end <= one.start - 2]
        after = [other for other in inside if other.start >= one.end + 2]
        lists += joined(one, apart(before, left), apart(after, left), left)
    return lists or [[]]


def best_of(found):
    """The greatest, and its equals that are another cylinder."""
    most = max((one.value for one in found), default=0.0)
    best = []
    for one in found:
        if one.value > most - TIE and not any(one.is_same(other) for other in best):
            best.append(one)
    return best


def reported(lists):
    """What is reported where nothing ties."""
    candidates = sorted((one for alternatives in lists for one in alternatives[0]), key=lambda one: -one.value)
    kept = []
    for one in candidates:
        if not any(one.overlaps(better) for better in kept):
            kept.append(one)
    return kept
