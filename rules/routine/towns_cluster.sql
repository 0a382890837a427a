-- id: towns_cluster
-- zh: 相邻乡镇时空聚集（置换扫描）
-- en: a cluster of neighbouring towns and days (permutation scan)
-- severity: orange
-- scope: all
-- kind: statistical
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 24
-- audience: county_cdc, prefecture_cdc
-- cites: Kulldorff et al. 2005, space-time permutation scan, prospective, as of every complete day
-- gap_days: 1
-- history_days: 60
-- power: reports/towns_cluster.json
-- sabotage: towns_cluster.recurrence_days tighter=100000 looser=1
WITH towns AS (
  -- A town without a point on the map cannot be scanned.
  SELECT code, CAST(nullif(CAST(lat AS VARCHAR), '') AS DOUBLE) AS lat, CAST(nullif(CAST(lon AS VARCHAR), '') AS DOUBLE) AS lon
  FROM areas
  WHERE level = 'town'
),
series AS (
  SELECT c.unit_id, c.area_code, c.signal, c.syndrome, c.event_date, c.count, t.lat, t.lon
  FROM cells c
  JOIN towns t ON t.code = c.unit_id
  WHERE c.unit_kind = 'town' AND c.signal IN ('fever_visit', 'ili_visit') AND c.expected > 0
    AND t.lat IS NOT NULL AND t.lon IS NOT NULL
    -- Today is not over.
    AND c.event_date < local_date(now())
),
ends AS (
  SELECT DISTINCT event_date AS window_end
  FROM series
  WHERE event_date >= local_date(now()) - 30
),
studied AS (
  SELECT e.window_end, s.*,
    count(s.count) OVER place AS known,
    count(CASE WHEN s.event_date > e.window_end - 7 THEN s.count END) OVER place AS known_lately,
    sum(CASE WHEN s.event_date > e.window_end - 7 THEN 1 ELSE 0 END) OVER place AS asked_lately
  FROM ends e
  JOIN series s ON s.event_date <= e.window_end AND s.event_date > e.window_end - CAST(param('towns_cluster.study_days') AS INT)
  WINDOW place AS (PARTITION BY e.window_end, s.unit_id, s.signal)
),
scanned AS (
  SELECT signal, window_end, min(syndrome) AS syndrome,
    space_time_scan(
      unit_id, lat, lon, event_date, count,
      'max_share', 0.5, 'max_window', 7, 'min_cases', CAST(param('towns_cluster.count_min') AS BIGINT),
      'replications', 999, 'enough', 50) AS clusters
  FROM studied
  -- Who was silent in the last week must not read as healthy, and who reports seldom has no past.
  WHERE known_lately = asked_lately AND count IS NOT NULL
    AND known >= param('towns_cluster.coverage_min') * param('towns_cluster.study_days')
  GROUP BY signal, window_end
),
found AS (
  SELECT signal, syndrome, window_end, unnest(clusters) AS found_one
  FROM scanned
),
named AS (
  SELECT signal, syndrome, window_end,
    found_one['centre'] AS unit_id,
    found_one['start'] AS window_start,
    found_one['observed'] AS observed,
    found_one['expected'] AS expected,
    found_one['recurrence_interval'] AS recurrence_days
  FROM found
)
SELECT
  'town' AS unit_kind,
  unit_id,
  substr(unit_id, 1, 6) AS area_code,
  signal, syndrome, window_start, window_end, observed, expected,
  param('towns_cluster.recurrence_days') AS threshold,
  recurrence_days AS statistic
FROM named
WHERE recurrence_days >= param('towns_cluster.recurrence_days')
