-- id: school_class_1d3
-- zh: 一日内同班（同宿舍）三例相似症状
-- en: three pupils of one class or dormitory with similar symptoms in one day
-- severity: yellow
-- scope: dirty
-- kind: threshold
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 24
-- audience: county_cdc, education
-- cites: 卫办疾控发〔2006〕65号 学校和托幼机构传染病疫情报告工作规范(试行)
-- gap_days: 1
-- history_days: 0
-- power: reports/school_class_1d3.json
-- sabotage: school_class_1d3.pupils tighter=4 looser=2
SELECT
  unit_kind, unit_id, area_code, facility_id, signal, syndrome,
  event_date AS window_start,
  event_date AS window_end,
  count AS observed,
  param('school_class_1d3.pupils') AS threshold
FROM cells
WHERE unit_kind IN ('class', 'dormitory')
  -- Per syndrome, never the union; "other" is not a similar symptom.
  AND signal IN (
    'school_fever', 'school_respiratory', 'school_gi', 'school_rash',
    'school_parotitis', 'school_conjunctivitis', 'school_jaundice')
  AND count >= param('school_class_1d3.pupils')
