-- id: school_ili_7d10
-- zh: 七日内同校流感样病例十例
-- en: ten influenza-like illnesses in one school within seven days
-- severity: orange
-- scope: dirty
-- kind: threshold
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 24
-- audience: county_cdc, education
-- cites: 国家突发公共卫生事件相关信息报告管理工作规范(试行)
-- gap_days: 6
-- history_days: 7
-- power: reports/school_ili_7d10.json
-- sabotage: school_ili_7d10.pupils tighter=11 looser=9
WITH days AS (
  SELECT unit_kind, unit_id, area_code, facility_id, signal, syndrome, event_date, count
  FROM cells
  -- ili_count is given by the school; it is never put together from single symptoms.
  WHERE unit_kind = 'facility' AND signal = 'school_ili' AND count > 0
),
windows AS (
  SELECT *, event_date - (CAST(param('school_ili_7d10.days') AS INT) - 1) AS first_date
  FROM days
),
summed AS (
  SELECT w.unit_id, w.event_date, sum(d.count) AS pupils
  FROM windows w
  JOIN days d ON d.unit_id = w.unit_id AND d.event_date BETWEEN w.first_date AND w.event_date
  GROUP BY w.unit_id, w.event_date
)
SELECT
  w.unit_kind, w.unit_id, w.area_code, w.facility_id, w.signal, w.syndrome,
  w.first_date AS window_start,
  w.event_date AS window_end,
  s.pupils AS observed,
  param('school_ili_7d10.pupils') AS threshold
FROM windows w
JOIN summed s ON s.unit_id = w.unit_id AND s.event_date = w.event_date
WHERE s.pupils >= param('school_ili_7d10.pupils')
