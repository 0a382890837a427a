"""Series and settings drawn from a seed, as R reads them and as `qianshao detect` does.

Promises: case number i of a seed is the same whatever the number of cases.
"""

import math
import random
from datetime import date, timedelta

KINDS = ["ears_c1", "ears_c2", "ears_c3_r", "cusum", "cusum", "cusum", "glr_poisson", "glr_poisson", "glr_negbin", "glr_negbin",
         "farrington", "farrington", "farrington", "farrington_flexible", "farrington_flexible", "farrington_flexible",
         "farrington_flexible", "farrington_flexible", "moving_percentile", "bayes", "bayes", "benjamini_hochberg",
         "benjamini_yekutieli", "holm"]
P_ADJUST = {"benjamini_hochberg": "BH", "benjamini_yekutieli": "BY", "holm": "holm"}
# Which function of reference.R a method is asked of.
OF = {"ears_c1": "ears", "ears_c2": "ears", "ears_c3_r": "ears", "glr_poisson": "glr", "glr_negbin": "glr",
      **{method: "adjusted" for method in P_ADJUST}}
ALPHAS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1]


class Case:
    """One series, one method and its settings; `params` in the reference's spelling, values of Python."""

    def __init__(self, number, method, observed, params, freq=52, from_=1, dates=None, population=None, start_period=1):
        self.number, self.method, self.observed, self.params = number, method, observed, params
        self.freq, self.from_, self.dates, self.population = freq, from_, dates, population
        self.start_period = start_period

    def told(self):
        more = " ".join(f"{name}={cli(value)}" for name, value in self.params.items())
        kind = f"{len(self.observed)} values, freq {self.freq}, from {self.from_}"
        return f"{self.method}, {kind}{', dated' if self.dates else ''}: {more[:400]}"

    def r(self):
        """The line of reference.R."""
        control = {name: value for name, value in self.params.items() if "." not in name or name == "c.ARL"}
        seasonal = {name[4:]: value for name, value in self.params.items() if name.startswith("mu0.")}
        if seasonal:
            control["mu0"] = seasonal
        if self.method.startswith("ears_"):
            control["method"] = {"1": "C1", "2": "C2", "3": "C3"}[self.method[6]]
        if self.method in P_ADJUST:
            control["method"] = P_ADJUST[self.method]
        fields = {"id": self.name(), "kind": OF.get(self.method, self.method), "observed": self.observed, "freq": self.freq,
                  "from": self.from_, "start_period": self.start_period, "poisson": self.method == "glr_poisson"}
        if self.dates:
            fields["dates"] = [(day - date(1970, 1, 1)).days for day in self.dates]
        if self.population:
            fields["population"] = self.population
        return in_r({**fields, "control": control})

    def name(self):
        return f"case-{self.number}"

    def csv(self):
        lines = ["t,observed,freq,start_year,start_period" + (",date,epoch_as_date" if self.dates else "")
                 + (",population" if self.population else "")]
        for at, value in enumerate(self.observed):
            line = f"{at + 1},{'' if value is None else repr(value)},{self.freq},2001,{self.start_period}"
            if self.dates:
                line += f",{self.dates[at]},1"
            if self.population:
                line += f",{self.population[at]!r}"
            lines.append(line)
        return "\n".join(lines) + "\n"

    def arguments(self):
        params = {**self.params, "range_start": self.from_}
        return [word for name, value in params.items() for word in ("--param", f"{name}={cli(value)}")]


def cli(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (list, tuple)):
        return ",".join(repr(one) for one in value)
    return str(value)


def in_r(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        return "list(" + ", ".join(f"{name} = {in_r(one)}" for name, one in value.items()) + ")"
    if isinstance(value, (list, tuple)):
        return "c(" + ", ".join("NA" if one is None else in_r(one) for one in value) + ")"
    return repr(value)


def poisson(rng, mean):
    if mean > 500:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def gaps(rng, observed, share):
    """Single missing values and whole stretches."""
    observed = [None if rng.random() < share else value for value in observed]
    if rng.random() < 0.3 and len(observed) > 8:
        at = rng.randrange(len(observed))
        length = rng.randint(2, max(2, len(observed) // 10))
        observed[at:at + length] = [None] * len(observed[at:at + length])
    return observed


def counts(rng, n, freq, huge=1e6, missing=True):
    """n counts of a drawn nature: level, season, trend, days of the week, dispersion, outbreaks, zeros, gaps."""
    nature = rng.choice(["zero", "rare", "low", "usual", "usual", "usual", "high", "huge", "constant", "halves", "dies", "born"])
    level = {"zero": 0, "rare": 0.08, "low": 0.8, "usual": rng.uniform(2, 25), "high": rng.uniform(50, 900),
             "huge": rng.uniform(0.1, 1) * huge}.get(nature, rng.uniform(1, 12))
    season = rng.choice([0, 0, 0.3, 0.8, 1.5])
    trend = rng.choice([0, 0, 0, 1, -1]) * rng.uniform(0.1, 2) / n
    size = rng.choice([None, None, 0.7, 2, 10])
    weekday = rng.choice([0, 0, 0.5]) if freq == 365 else 0
    observed = []
    for t in range(n):
        mean = level * math.exp(season * math.cos(2 * math.pi * t / freq) + trend * t - (weekday if t % 7 > 4 else 0))
        mean = 0 if (nature == "dies" and t > n * 0.6) or (nature == "born" and t < n * 0.6) else min(mean, huge)
        spread = rng.gammavariate(size, 1 / size) if size else 1
        observed.append(round(level) if nature == "constant" else poisson(rng, mean * spread))
    for _ in range(rng.choice([0, 1, 3])):
        at = rng.randrange(n)
        for t in range(at, min(n, at + rng.randint(1, 4))):
            observed[t] += poisson(rng, 3 * math.sqrt(level + 1))
    if rng.random() < 0.5:
        observed[-1] += poisson(rng, 4 * math.sqrt(level + 1))
    if missing and rng.random() < 0.3:
        observed = gaps(rng, observed, rng.choice([0, 0.02, 0.15, 0.6]))
    return [float(y) / 2 if nature == "halves" and y is not None else y for y in observed]


def ears(rng, number, method):
    n = rng.choice([rng.randint(3, 20), rng.randint(20, 120)])
    params = {"baseline": rng.choice([3, 7, 7, 14, 28]), "minSigma": rng.choice([0, 0, 0.5, 1]), "alpha": rng.choice(ALPHAS + [None])}
    first = params["baseline"] + {"1": 1, "2": 3, "3": 5}[method[6]]
    return Case(number, method, counts(rng, n, 365, huge=1e12), params, from_=first + rng.choice([0, 0, 3]), freq=365)


def split(rng, n):
    return rng.choice([n // 2 + 1, rng.randint(2, n), max(2, n - 20)])


def cusum(rng, number, method):
    n, freq = rng.choice([rng.randint(4, 20), rng.randint(60, 240)]), rng.choice([52, 52, 7, 12, 365])
    start = split(rng, n)
    params = {"k": rng.choice([1.04, 0.5, 0.91, 0]), "h": rng.choice([2.26, 3, 4.5, 0.5]), "alpha": rng.choice([0.1, 0.5, 0]),
              "trans": rng.choice(["standard", "rossi", "anscombe", "anscombe2nd", "pearsonNegBin", "none"])}
    mean = rng.choice(["before", "before", "fixed", "glm", "given"])
    if mean == "fixed":
        params["m"] = rng.choice([0.1, 1, 3.7, 20, 0])
    if mean == "given" and n > start:
        params["m"] = [round(rng.uniform(0.1, 9), 3) for _ in range(start, n + 1)]
    if mean == "glm":
        params["m"] = "glm"
    return Case(number, method, counts(rng, n, freq, huge=1e9), params, freq=freq, from_=start, start_period=rng.randint(1, 12))


def glr(rng, number, method):
    n, freq = rng.choice([rng.randint(6, 20), rng.randint(60, 150)]), rng.choice([52, 52, 12, 365])
    start = split(rng, n)
    params = {"c.ARL": rng.choice([5, 3, 1, 10]), "Mtilde": rng.choice([1, 1, 1, 2, 5]), "M": rng.choice([-1, -1, 1, 4, 15]),
              "change": rng.choice(["intercept", "intercept", "intercept", "epi"]), "ret": rng.choice(["value", "value", "cases"]),
              "dir": rng.choice(["inc", "inc", "inc", "dec"])}
    if rng.random() < 0.3:
        params["theta"] = rng.choice([0.3, 0.7, 1.5, -0.4])
    if method == "glr_negbin":
        params["alpha"] = rng.choice([0.1, 0.5, 2, 0, None])
    huge, fitted = 1e6, rng.random() < 0.5
    if params["ret"] == "cases":
        # R tries one count after the other, without end in a window that Mtilde leaves empty.
        huge, params["M"] = 60, max(params["M"], params["Mtilde"]) if params["M"] > 0 else -1
        fitted = fitted and start > 50
        if method == "glr_negbin":
            params["xMax"], n = 60, min(n, 24)
            start = min(start, n)
    if fitted:
        if params["dir"] == "dec" or params.get("theta", 0) < 0:
            params["Mtilde"] = 1  # A fitted mean may be beyond all counts: see with_quiet_days.
        params.update({"mu0.S": rng.choice([0, 1, 1, 2]), "mu0.trend": rng.random() < 0.4, "mu0.refit": rng.random() < 0.3})
        if params["ret"] == "cases":
            params.update({"mu0.S": 1, "mu0.trend": False})
    else:
        mean = rng.choice([0.2, 1, 4, 30])
        params["mu0"] = [mean] * (n + 1 - start) if rng.random() < 0.5 else [round(mean * rng.uniform(0.5, 2), 3) for _ in range(start, n + 1)]
        if params.get("alpha", 0) is None:
            params["alpha"] = 0.3
    return Case(number, method, [y if y is None else int(y) for y in counts(rng, n, freq, huge=huge)], params, freq=freq, from_=start)


def dated(rng, n, freq):
    first = date(1999, 1, 1) + timedelta(rng.randrange(1200))
    if freq == 52:
        return [first + timedelta(7 * at) for at in range(n)]
    if freq == 365:
        return [first + timedelta(at) for at in range(n)]
    day = rng.choice([1, 1, 15])
    return [date(1999 + at // 12, at % 12 + 1, day) for at in range(n)]


def years_back(rng, years, freq, more, periods):
    """Length of a series with `periods` at its end that have their years."""
    return years * freq + more + periods - 1


def farrington(rng, number, method):
    freq, periods = rng.choice([52, 52, 52, 12, 365]), 6
    params = {"b": rng.choice([1, 2, 3, 4, 5]), "w": rng.choice([0, 1, 2, 3, 4]), "reweight": rng.random() < 0.8,
              "alpha": rng.choice(ALPHAS), "trend": rng.random() < 0.8, "limit54": rng.choice([[5, 4], [5, 4], [0, 4], [3, 1]]),
              "powertrans": rng.choice(["2/3", "2/3", "1/2", "none"])}
    if freq == 365:
        params["b"] = min(params["b"], 3)
    by_date = rng.random() < 0.4
    n = years_back(rng, params["b"], freq, params["w"] + rng.choice([3, 9, -params["w"] - 1]), periods)
    return Case(number, method, counts(rng, n, freq, missing=rng.random() < 0.3), params, freq=freq, from_=n - periods + 1,
                dates=dated(rng, n, freq) if by_date else None)


def flexible(rng, number, method):
    freq, periods = rng.choice([52, 52, 52, 52, 12, 365]), 5
    params = {"b": rng.choice([1, 2, 3, 4, 5]), "w": rng.choice([0, 1, 2, 3, 3, 5]), "reweight": rng.random() < 0.8,
              "weightsThreshold": rng.choice([2.58, 2.58, 1, 0.3]), "alpha": rng.choice(ALPHAS), "trend": rng.random() < 0.8,
              "pThresholdTrend": rng.choice([0.05, 1]), "limit54": rng.choice([[5, 4], [5, 4], [0, 4], [3, 1]]),
              "powertrans": rng.choice(["2/3", "2/3", "1/2", "none"]), "populationOffset": rng.random() < 0.3,
              "noPeriods": rng.choice([1, 1, 2, 5, 10, 10]), "thresholdMethod": rng.choice(["delta", "nbPlugin", "muan"]),
              "pastWeeksNotIncluded": rng.choice([None, 0, 3, 26])}
    if freq == 365:
        params["b"] = min(params["b"], 2)
    if freq == 12:
        params.update({"w": min(params["w"], 2), "noPeriods": min(params["noPeriods"], 5), "pastWeeksNotIncluded": rng.choice([None, 0, 3])})
    n = years_back(rng, params["b"], freq, params["w"] + rng.choice([1, 3, 9]), periods)
    people = rng.uniform(1e3, 1e6)
    population = [round(people * (1 + 0.1 * math.sin(t / 40) + t / 2000)) for t in range(n)]
    return Case(number, method, counts(rng, n, freq), params, freq=freq, from_=n - periods + 1,
                dates=dated(rng, n, freq) if rng.random() < 0.4 else None, population=population if params["populationOffset"] else None)


def moving_percentile(rng, number, method):
    freq, periods = rng.choice([52, 52, 12, 365]), 12
    params = {"years": rng.choice([1, 3, 5]), "w": rng.choice([0, 1, 2, 3]), "freq": freq, "percentile": rng.choice([80, 40, 90, 95, 100, 0, 33.3]),
              "or_equal": rng.random() < 0.3, "missing_max": rng.choice([0, 2, 5])}
    n = years_back(rng, params["years"], freq, params["w"] + 1, periods)
    return Case(number, method, counts(rng, n, freq, huge=1e12), params, freq=freq, from_=n - periods + 1)


def bayes(rng, number, method):
    freq, periods = rng.choice([52, 52, 12, 365]), 12
    params = {"b": rng.choice([0, 0, 1, 2, 3]), "w": rng.choice([1, 2, 4, 6]), "actY": rng.random() < 0.7, "alpha": rng.choice(ALPHAS)}
    params["actY"] = params["actY"] or params["b"] == 0
    n = years_back(rng, params["b"], freq, params["w"] + 1, periods)
    return Case(number, method, counts(rng, n, freq), params, freq=freq, from_=n - periods + 1)


def p_values(rng, number, method):
    n = rng.choice([0, 1, 2, rng.randint(3, 20), rng.randint(50, 400)])
    nature = rng.choice(["uniform", "small", "tied", "tiny"])
    drawn = {"uniform": rng.random, "small": lambda: rng.random() ** 6, "tied": lambda: rng.choice([0.0, 0.01, 0.05, 0.5, 1.0]),
             "tiny": lambda: 10 ** -rng.uniform(0, 300)}[nature]
    observed = [drawn() for _ in range(max(n, 1))]
    if rng.random() < 0.3:
        observed = gaps(rng, observed, rng.choice([0.1, 0.9, 1]))
    return Case(number, method, observed, {"alpha": rng.choice(ALPHAS)})


DRAWN = {"cusum": cusum, "glr_poisson": glr, "glr_negbin": glr, "farrington": farrington, "farrington_flexible": flexible,
         "moving_percentile": moving_percentile, "bayes": bayes, **{method: p_values for method in P_ADJUST}}


def case(seed, number):
    method = KINDS[number % len(KINDS)]
    return DRAWN.get(method, ears)(random.Random(f"{seed}/{number}"), number, method)
