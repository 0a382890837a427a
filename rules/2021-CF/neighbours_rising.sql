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
-- sabotage: neighbours_rising.threshold tighter=9 looser=1
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
-- For each pair a window ends on every day on which one of the two rises.
pair_days AS (
  SELECT a.here, a.there, r.event_date AS window_end FROM adjacent a JOIN risen r ON r.unit_id = a.here
  UNION
  SELECT a.here, a.there, r.event_date AS window_end FROM adjacent a JOIN risen r ON r.unit_id = a.there
),
windows AS (
  SELECT *, window_end - (CAST(param('neighbours_rising.days') AS INT) - 1) AS first_date
  FROM pair_days
),
pairs AS (
  SELECT w.here, w.there, w.first_date, w.window_end,
    min(h.area_code) AS area_code, min(h.signal) AS signal, min(h.syndrome) AS syndrome,
    max(h.c2) AS here_c2, max(t.c2) AS there_c2
  FROM windows w
  JOIN risen h ON h.unit_id = w.here AND h.event_date BETWEEN w.first_date AND w.window_end
  JOIN risen t ON t.unit_id = w.there AND t.event_date BETWEEN w.first_date AND w.window_end
  GROUP BY w.here, w.there, w.first_date, w.window_end
),
-- Of two neighbours the one that rose more speaks for both; the smaller code among equals.
spoken AS (
  SELECT here, first_date, window_end,
    min(area_code) AS area_code, min(signal) AS signal, min(syndrome) AS syndrome,
    count(*) + 1 AS counties,
    max(there_c2) AS weaker_c2
  FROM pairs
  WHERE here_c2 > there_c2 OR (here_c2 = there_c2 AND here < there)
  GROUP BY here, first_date, window_end
)
SELECT
  'county' AS unit_kind,
  here AS unit_id,
  area_code,
  signal,
  syndrome,
  first_date AS window_start,
  window_end,
  counties AS observed,
  param('neighbours_rising.threshold') AS threshold,
  weaker_c2 AS statistic
FROM spoken
WHERE counties >= param('neighbours_rising.counties')
