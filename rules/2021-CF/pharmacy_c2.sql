-- id: pharmacy_c2
-- zh: 药店退热止咳药销量异常增多（EARS C2）
-- en: pharmacy sales above their recent level (EARS C2)
-- severity: blue
-- scope: dirty
-- kind: statistical
-- valid_from: 2020-09-15
-- valid_to: 2021-05-13
-- verify_hours: 24
-- audience: county_cdc, market_regulation
-- cites: EARS C2 (CDC): baseline t-9 to t-3, two guard days
-- gap_days: 1
-- history_days: 30
-- power: reports/pharmacy_c2.json
-- sabotage: pharmacy_c2.threshold tighter=5 looser=2
WITH series AS (
  SELECT unit_kind, unit_id, area_code, signal, syndrome, event_date, count
  FROM cells
  -- Antibiotics follow prescriptions and policy more than illness: left out.
  WHERE unit_kind = 'county' AND signal IN ('sale_antipyretic', 'sale_cough', 'sale_antiviral') AND expected > 0
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
  WHERE n >= param('pharmacy_c2.baseline_min') AND n > 1
),
scored AS (
  SELECT *, (count - mean) / greatest(sd, param('pharmacy_c2.sd_min')) AS c2
  FROM spread
)
SELECT
  unit_kind, unit_id, area_code, signal, syndrome,
  event_date AS window_start,
  event_date AS window_end,
  count AS observed,
  mean AS expected,
  param('pharmacy_c2.threshold') AS threshold,
  c2 AS statistic
FROM scored
WHERE c2 > param('pharmacy_c2.threshold') AND count >= param('pharmacy_c2.count_min')
