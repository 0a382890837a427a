-- id: neighbours_rising
-- zh: 相邻县区同步上升
-- en: neighbouring counties rising together
-- severity: yellow
-- scope: all
-- kind: statistical
-- valid_from: 2020-09-15
-- valid_to: 2021-05-13
-- verify_hours: 24
-- audience: county_cdc, prefecture_cdc
-- cites: R-MULTI in space: adjacency table, never guessed; numbers ours
-- gap_days: 2
-- history_days: 30
-- power: reports/neighbours_rising.json
-- sabotage: neighbours_rising.threshold tighter=4 looser=1
WITH series AS (
  SELECT unit_kind, unit_id, area_code, signal, syndrome, event_date, count
  FROM cells
  -- The same series as fever_clinic_c2, judged by a lower threshold.
  WHERE unit_kind = 'county' AND signal = 'fever_visit' AND expected > 0
),
baseline AS (
  -- Sums of integers are exact in any order, so a rerun gives the same bits.
  SELECT *,
    count(count) OVER earlier AS n,
    sum(count) OVER earlier AS s,
    sum(count * count) OVER earlier AS q
  FROM series
  WINDOW earlier AS (PARTITION BY unit_id, signal ORDER BY event_date ROWS BETWEEN 9 PRECEDING AND 3 PRECEDING)
),
spread AS (
  SELECT *,
    CAST(s AS DOUBLE) / n AS mean,
    sqrt(greatest(q - CAST(s AS DOUBLE) * s / n, 0.0) / (n - 1)) AS sd
  FROM baseline
  WHERE n >= param('neighbours_rising.baseline_min') AND n > 1
),
scored AS (
  SELECT *, (count - mean) / greatest(sd, param('neighbours_rising.sd_min')) AS c2
  FROM spread
),
risen AS (
  SELECT unit_id, area_code, signal, syndrome, event_date, count, mean, c2
  FROM scored
  WHERE c2 > param('neighbours_rising.threshold') AND count >= param('neighbours_rising.count_min')
),
adjacent AS (
  SELECT area_a AS here, area_b AS there FROM adjacency
  UNION
  SELECT area_b AS here, area_a AS there FROM adjacency
),
-- A county is looked at on every day on which it or a neighbour rises.
ends AS (
  SELECT unit_id AS here, event_date AS window_end FROM risen
  UNION
  SELECT a.here, r.event_date AS window_end FROM adjacent a JOIN risen r ON r.unit_id = a.there
),
windows AS (
  SELECT *, window_end - (CAST(param('neighbours_rising.days') AS INT) - 1) AS first_date
  FROM ends
),
own AS (
  SELECT w.here, w.first_date, w.window_end,
    min(r.area_code) AS area_code, min(r.signal) AS signal, min(r.syndrome) AS syndrome,
    max(r.c2) AS peak
  FROM windows w
  JOIN risen r ON r.unit_id = w.here AND r.event_date BETWEEN w.first_date AND w.window_end
  GROUP BY w.here, w.first_date, w.window_end
),
others AS (
  SELECT w.here, w.window_end, count(DISTINCT r.unit_id) AS neighbours, max(r.c2) AS peak
  FROM windows w
  JOIN adjacent a ON a.here = w.here
  JOIN risen r ON r.unit_id = a.there AND r.event_date BETWEEN w.first_date AND w.window_end
  GROUP BY w.here, w.window_end
)
-- Every county of the group is told, for each has its own people on duty; the weaker of its two peaks decides.
SELECT
  'county' AS unit_kind,
  o.here AS unit_id,
  o.area_code,
  o.signal,
  o.syndrome,
  o.first_date AS window_start,
  o.window_end,
  n.neighbours + 1 AS observed,
  param('neighbours_rising.threshold') AS threshold,
  least(o.peak, n.peak) AS statistic
FROM own o
JOIN others n ON n.here = o.here AND n.window_end = o.window_end
WHERE n.neighbours + 1 >= param('neighbours_rising.counties')
