-- id: notifiable_single_case
-- zh: 一例即报的法定传染病
-- en: one case of a disease of which one is enough
-- severity: red
-- scope: dirty
-- kind: threshold
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 2
-- audience: county_cdc, prefecture_cdc, province_cdc
-- cites: 国家突发公共卫生事件相关信息报告管理工作规范(试行)
-- gap_days: 30
-- history_days: 0
-- power: reports/notifiable_single_case.json
-- sabotage: notifiable_single_case.single_case_mark tighter=2 looser=0
-- A card comes days after onset and is one case for ever: gap_days keeps its alert open while it is in the horizon.
WITH marked AS (
  SELECT
    'case_' || lower(code) AS signal,
    CASE WHEN lower(CAST(single_case AS VARCHAR)) = 'true' THEN 1 ELSE 0 END AS single_case_mark
  FROM diseases
)
SELECT
  c.unit_kind, c.unit_id, c.area_code, c.facility_id, c.signal, c.syndrome,
  c.event_date AS window_start,
  c.event_date AS window_end,
  c.count AS observed,
  param('notifiable_single_case.cases') AS threshold
FROM cells c
JOIN marked m ON m.signal = c.signal
WHERE c.unit_kind = 'case'
  AND m.single_case_mark >= param('notifiable_single_case.single_case_mark')
  AND c.count >= param('notifiable_single_case.cases')
