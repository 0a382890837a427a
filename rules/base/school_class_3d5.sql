-- id: school_class_3d5
-- zh: 连续三日内同班（同宿舍）五例相似症状
-- en: five pupils of one class or dormitory with similar symptoms within three consecutive days
-- severity: yellow
-- scope: dirty
-- kind: threshold
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 24
-- audience: county_cdc, education
-- cites: 卫办疾控发〔2006〕65号 学校和托幼机构传染病疫情报告工作规范(试行)
-- gap_days: 2
-- history_days: 3
-- power: reports/school_class_3d5.json
-- sabotage: school_class_3d5.pupils tighter=6 looser=4
-- Every number is a lower bound of the pupils who fell ill in the window, so the greatest is taken and none are added up:
-- pupils known one by one, new cases of each day, and totals, which name a pupil again on every day of the illness.
WITH days AS (
  SELECT unit_kind, unit_id, area_code, facility_id, signal, syndrome, event_date,
    event_date - (CAST(param('school_class_3d5.days') AS INT) - 1) AS first_date
  FROM cells
  WHERE unit_kind IN ('class', 'dormitory')
    AND signal IN (
      'school_fever', 'school_respiratory', 'school_gi', 'school_rash',
      'school_parotitis', 'school_conjunctivitis', 'school_jaundice')
    AND count > 0
),
persons AS (
  SELECT DISTINCT unit_kind, unit_id, signal, event_date, person_key
  FROM signals
  WHERE unit_kind IN ('class', 'dormitory') AND person_key IS NOT NULL AND value > 0
),
-- Of one day's sessions the greatest counts. A slot that ends in _total comes from a form without new_today.
totals AS (
  SELECT unit_kind, unit_id, signal, event_date,
    max(CASE WHEN right(coalesce(slot, ''), 6) <> '_total' THEN value END) AS new_cases,
    max(CASE WHEN right(coalesce(slot, ''), 6) = '_total' THEN value END) AS total
  FROM signals
  WHERE unit_kind IN ('class', 'dormitory') AND person_key IS NULL AND value > 0
  GROUP BY unit_kind, unit_id, signal, event_date
),
-- Windows end on days with a case: the day on which the number is reached.
counted AS (
  SELECT d.unit_kind, d.unit_id, d.signal, d.event_date, count(DISTINCT p.person_key) AS pupils
  FROM days d
  JOIN persons p
    ON p.unit_kind = d.unit_kind AND p.unit_id = d.unit_id AND p.signal = d.signal
    AND p.event_date BETWEEN d.first_date AND d.event_date
  GROUP BY d.unit_kind, d.unit_id, d.signal, d.event_date
),
summed AS (
  SELECT d.unit_kind, d.unit_id, d.signal, d.event_date,
    sum(t.new_cases) AS new_cases,
    max(t.total) AS total
  FROM days d
  JOIN totals t
    ON t.unit_kind = d.unit_kind AND t.unit_id = d.unit_id AND t.signal = d.signal
    AND t.event_date BETWEEN d.first_date AND d.event_date
  GROUP BY d.unit_kind, d.unit_id, d.signal, d.event_date
),
judged AS (
  SELECT d.*, greatest(coalesce(c.pupils, 0), coalesce(s.new_cases, 0), coalesce(s.total, 0)) AS pupils
  FROM days d
  LEFT JOIN counted c
    ON c.unit_kind = d.unit_kind AND c.unit_id = d.unit_id AND c.signal = d.signal AND c.event_date = d.event_date
  LEFT JOIN summed s
    ON s.unit_kind = d.unit_kind AND s.unit_id = d.unit_id AND s.signal = d.signal AND s.event_date = d.event_date
)
SELECT
  unit_kind, unit_id, area_code, facility_id, signal, syndrome,
  first_date AS window_start,
  event_date AS window_end,
  pupils AS observed,
  param('school_class_3d5.pupils') AS threshold
FROM judged
WHERE pupils >= param('school_class_3d5.pupils')
