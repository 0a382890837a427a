-- id: facilities_above_usual
-- zh: 单个机构就诊或销量异常增多（控制误报比例）
-- en: a facility above its usual level, few of those named being false
-- severity: blue
-- scope: all
-- kind: statistical
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 24
-- audience: county_cdc
-- cites: Burkom 2007 (ESSENCE); Benjamini & Hochberg 1995 over every facility and signal of a day
-- gap_days: 1
-- history_days: 60
-- power: reports/facilities_above_usual.json
-- sabotage: facilities_above_usual.false_share tighter=0.0000000001 looser=0.9
WITH series AS (
  SELECT unit_kind, unit_id, area_code, facility_id, signal, syndrome, event_date, count
  FROM cells
  WHERE unit_kind = 'facility'
    AND signal IN ('fever_visit', 'ili_visit', 'sale_antipyretic', 'sale_cough', 'sale_antiviral') AND expected > 0
),
judged AS (
  SELECT *,
    essence_switch(count, 'date', event_date) OVER (PARTITION BY unit_id, signal ORDER BY event_date) AS recent
  FROM series
),
adjusted AS (
  -- Every series that can be judged is asked, not only the high ones: that is what the share is a share of.
  SELECT *, benjamini_hochberg(recent['pvalue']) OVER (PARTITION BY event_date) AS false_share
  FROM judged
  WHERE recent['pvalue'] IS NOT NULL
)
SELECT
  unit_kind, unit_id, area_code, facility_id, signal, syndrome,
  event_date AS window_start,
  event_date AS window_end,
  count AS observed,
  recent['expected'] AS expected,
  -log10(param('facilities_above_usual.false_share')) AS threshold,
  -log10(greatest(false_share, 1e-300)) AS statistic
FROM adjusted
WHERE false_share <= param('facilities_above_usual.false_share')
  AND count > recent['expected'] AND count >= param('facilities_above_usual.count_min')
