-- id: fever_clinic_c3
-- zh: 发热门诊就诊持续爬升（EARS C3）
-- en: fever-clinic visits creeping up over three days (EARS C3)
-- severity: yellow
-- scope: dirty
-- kind: statistical
-- valid_from: 2020-09-15
-- valid_to: 2021-05-13
-- verify_hours: 24
-- audience: county_cdc
-- cites: EARS C3 (CDC): sum over t, t-1, t-2 of max(0, C2 - 1)
-- gap_days: 1
-- history_days: 30
-- power: reports/fever_clinic_c3.json
-- sabotage: fever_clinic_c3.threshold tighter=3 looser=1
WITH series AS (
  SELECT unit_kind, unit_id, area_code, signal, syndrome, event_date, count
  FROM cells
  -- Days on which a report was expected; a day without one is null, not zero.
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
    CAST(s AS DOUBLE) / nullif(n, 0) AS mean,
    sqrt(greatest(q - CAST(s AS DOUBLE) * s / nullif(n, 0), 0.0) / nullif(n - 1, 0)) AS sd
  FROM baseline
),
scored AS (
  SELECT *,
    CASE WHEN n >= param('fever_clinic_c3.baseline_min')
      THEN (count - mean) / greatest(sd, param('fever_clinic_c3.sd_min')) END AS c2
  FROM spread
),
excess AS (
  SELECT *, greatest(c2 - 1, 0.0) AS above
  FROM scored
),
summed AS (
  -- lag and not a window sum: floats added and taken away again would not come back to the same bits.
  SELECT *,
    above
      + coalesce(lag(above, 1) OVER days, 0.0)
      + coalesce(lag(above, 2) OVER days, 0.0) AS c3,
    coalesce(lag(event_date, 2) OVER days, event_date) AS first_date
  FROM excess
  WINDOW days AS (PARTITION BY unit_id, signal ORDER BY event_date)
)
SELECT
  unit_kind, unit_id, area_code, signal, syndrome,
  first_date AS window_start,
  event_date AS window_end,
  count AS observed,
  mean AS expected,
  param('fever_clinic_c3.threshold') AS threshold,
  c3 AS statistic
FROM summed
WHERE c2 IS NOT NULL AND c3 > param('fever_clinic_c3.threshold') AND count >= param('fever_clinic_c3.count_min')
