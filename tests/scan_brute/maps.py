"""Small maps drawn from a seed: places on a grid, so that distances tie and places share a point, cases by day, people.

Promises: what a map is, is whole numbers; the grid is moved and scaled only in the files that the program reads.
"""

import random
from datetime import date, timedelta

FIRST = date(2021, 3, 1)


class Map:
    """`cases[place][day]`; `people` is None for the permutation model."""

    def __init__(self, seed, number):
        rng = random.Random(f"{seed}/{number}")
        self.number, self.rng = number, rng
        places, side = rng.randint(2, 12), rng.choice([2, 3, 4, 9])
        self.points = [(rng.randrange(side), rng.randrange(side)) for _ in range(places)]
        self.days = rng.randint(1, 9)
        self.people = self.draw_people(rng) if rng.random() < 0.5 else None
        self.cases = self.draw_cases(rng)
        self.prospective = rng.random() < 0.5
        self.percent = rng.choice([50, 50, 25, 80, 100])
        self.radius = rng.choice([None, None, 1, 2, 3])
        self.window_max = rng.randint(1, self.days)
        self.cases_min = rng.choice([2, 2, 2, 1, 3])
        self.one_by_one = rng.random() < 0.25

    def draw_people(self, rng):
        most = rng.choice([3, 500])
        people = [rng.randint(1, most) for _ in self.points]
        if len(people) > 2 and rng.random() < 0.4:
            people[rng.randrange(len(people))] = 0
        return people

    def draw_cases(self, rng):
        often = rng.choice([0.15, 0.6, 1.5, 4])
        one = lambda: sum(rng.random() < often / 6 for _ in range(6))
        cases = [[one() for _ in range(self.days)] for _ in self.points]
        for _ in range(rng.choice([0, 1, 1, 2])):
            at, day = rng.randrange(len(cases)), rng.randrange(self.days)
            for place, point in enumerate(self.points):
                if abs(point[0] - self.points[at][0]) + abs(point[1] - self.points[at][1]) < 2:
                    for later in range(day, min(self.days, day + 2)):
                        cases[place][later] += rng.randint(0, 5)
        for place, people in enumerate(self.people or []):
            if people == 0:
                cases[place] = [0] * self.days
        if not any(map(sum, cases)):
            cases[(self.people or [1]).index(max(self.people or [1]))][0] = 2
        return cases

    def told(self):
        model = "permutation" if self.people is None else "Poisson"
        return (f"{model}, {len(self.points)} places, {self.days} days, {sum(map(sum, self.cases))} cases, {self.percent} %, radius"
                f" {self.radius}, windows to {self.window_max}, {'prospective' if self.prospective else 'retrospective'}")

    def day(self, number):
        """As the answer writes it."""
        day = FIRST + timedelta(number)
        return f"{day.year}/{day.month}/{day.day}"

    def arguments(self, work):
        """Writes the files; the words after `scan`."""
        work.mkdir(parents=True, exist_ok=True)
        geo = "".join(f"p{n},{x * 0.1 + 7.3:.1f},{y * 0.1 - 2.9:.1f}\n" for n, (x, y) in enumerate(self.points))
        (work / "geo.csv").write_text("id,x,y\n" + geo)
        rows = [f"p{place},{part},{FIRST + timedelta(day)}\n" for place, row in enumerate(self.cases) for day, count in enumerate(row)
                for part in self.parts(count)]
        self.rng.shuffle(rows)
        (work / "cases.csv").write_text("id,cases,date\n" + "".join(rows))
        last = FIRST + timedelta(self.days - 1)
        words = ["--model", "permutation" if self.people is None else "poisson", "--cases", work / "cases.csv", "--geo", work / "geo.csv",
                 "--study-period", f"{FIRST}..{last}", "--max-share", self.percent / 100, "--max-window", self.window_max,
                 "--min-cases", self.cases_min, "--ties", "one-by-one" if self.one_by_one else "together"]
        if self.people is not None:
            (work / "people.csv").write_text("id,population\n" + "".join(f"p{n},{one}\n" for n, one in enumerate(self.people)))
            words += ["--population", work / "people.csv"]
        if self.radius is not None:
            words += ["--max-radius-km", f"{self.radius * 0.1:.1f}"]
        words += ["--prospective", last] if self.prospective else ["--retrospective"]
        return [str(word) for word in words]

    def parts(self, count):
        """Several rows of one place and day are added up."""
        while count > 0:
            part = self.rng.randint(1, count)
            yield part
            count -= part
