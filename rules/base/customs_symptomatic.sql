-- id: customs_symptomatic
-- zh: 入境人员有症状
-- en: symptomatic arrival at a port of entry
-- severity: yellow
-- scope: dirty
-- kind: threshold
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 2
-- audience: county_cdc, customs
-- cites: 国境卫生检疫法: 健康申明, 体温监测, 医学排查
-- gap_days: 0
-- history_days: 0
-- power: reports/customs_symptomatic.json
-- sabotage: customs_symptomatic.arrivals tighter=3 looser=0
SELECT
  unit_kind,
  unit_id,
  substr(area_code, 1, 6) AS area_code,
  unit_id AS facility_id,
  'customs_symptomatic' AS signal,
  (SELECT min(syndrome) FROM signal_names WHERE signal = 'customs_symptomatic') AS syndrome,
  event_date AS window_start,
  event_date AS window_end,
  sum(CASE WHEN signal = 'customs_symptomatic' THEN value ELSE 0 END) AS observed,
  param('customs_symptomatic.arrivals') AS threshold
FROM signals
-- The port reports, the county of destination acts: one alert for each pair and day.
WHERE unit_kind = 'facility' AND signal IN ('customs_arrival', 'customs_symptomatic')
GROUP BY unit_kind, unit_id, substr(area_code, 1, 6), event_date
HAVING sum(CASE WHEN signal = 'customs_symptomatic' THEN value ELSE 0 END) >= param('customs_symptomatic.arrivals')
