"""A rule of the routine pack beside Farrington flexible, on simulations that nobody has seen: seeds are drawn now.

Both are judged on the same series (Noufaily et al. 2013, 28 scenarios). Farrington flexible gets the alpha at which it calls
out falsely as often as the rule; what is compared is what each of them finds.

Promises: fails where the rule calls out falsely in more than 1.5 % of the weeks, or finds no more than the method.
"""

import argparse
import json
import random
import subprocess
import sys

RULE = "rules/routine/visits_above_season.sql"
METHOD = [
    "noPeriods=10", "pastWeeksNotIncluded=26", "weightsThreshold=2.58", "pThresholdTrend=1", "thresholdMethod=nbPlugin", "limit54=0,4",
]
FALSE_MAX = 0.015
ALPHAS = (0.0005, 0.1)
HALVINGS = 12


def power(program, words, seed, replicates):
    asked = [program, "power", *words, "--simulation", "noufaily", "--seed", str(seed), "--replicates", str(replicates), "--format", "json"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    if answer.returncode:
        sys.exit(f"{' '.join(asked)}\n{answer.stderr}")
    return json.loads(answer.stdout)["overall"]


def mean(of_seeds):
    """Of the seeds, which have equally many series."""
    sizes = len(of_seeds[0]["pod"])
    return {
        "fpr": sum(one["fpr"] for one in of_seeds) / len(of_seeds),
        "pod": [sum(one["pod"][size] for one in of_seeds) / len(of_seeds) for size in range(sizes)],
        "pod_mean": sum(one["pod_mean_k1_10"] for one in of_seeds) / len(of_seeds),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--seeds", help="a comma list; five are drawn where it is absent")
    parser.add_argument("--replicates", type=int, default=15)
    wanted = parser.parse_args()
    seeds = [int(seed) for seed in wanted.seeds.split(",")] if wanted.seeds else [random.SystemRandom().randrange(10**6) for _ in range(5)]
    print(f"seeds {','.join(map(str, seeds))}, {wanted.replicates} series of each of 28 scenarios and each seed", flush=True)

    def of_method(alpha):
        words = ["--method", "farrington_flexible", "--param", *METHOD, f"alpha={alpha}"]
        return mean([power(wanted.program, words, seed, wanted.replicates) for seed in seeds])

    rule = mean([power(wanted.program, ["--rule", RULE], seed, wanted.replicates) for seed in seeds])
    low, high = ALPHAS
    # The larger of the two: the method is not asked for less than the rule.
    alpha, method = high, None
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        told = of_method(middle)
        if told["fpr"] > rule["fpr"]:
            high = middle
            alpha, method = middle, told
        else:
            low = middle
    method = method or of_method(alpha)
    print("| | false-positive rate % | " + " | ".join(f"k = {size}" for size in range(1, 11)) + " | mean |")
    print("|---|" + "---|" * 12)
    for name, told in ((f"`{RULE.split('/')[-1][:-4]}`", rule), (f"Farrington flexible, alpha {alpha:.4f}", method)):
        found = " | ".join(f"{100 * part:.0f}" for part in told["pod"])
        print(f"| {name} | {100 * told['fpr']:.2f} | {found} | {100 * told['pod_mean']:.1f} |")
    failed = []
    if rule["fpr"] > FALSE_MAX:
        failed.append(f"the rule calls out falsely in {100 * rule['fpr']:.2f} % of the weeks")
    if method["fpr"] < rule["fpr"]:
        failed.append(f"no alpha up to {ALPHAS[1]} calls out as often as the rule")
    if rule["pod_mean"] <= method["pod_mean"]:
        failed.append("the method finds as much as the rule")
    sys.exit("\n".join(failed) or None)


if __name__ == "__main__":
    main()
