-- id: missing_report
-- zh: 应报未报
-- en: an expected report is missing
-- severity: blue
-- scope: all
-- kind: threshold
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 24
-- audience: county_cdc
-- cites: 零报告制度: 无病例也要报告, 未报不等于零
-- gap_days: 3
-- history_days: 30
-- sabotage: missing_report.yellow_days tighter=3 looser=1
-- gap_days bridges a weekend on which a school has nothing to report.
WITH numbered AS (
  SELECT facility_id, feed, report_date, state, area_code, missing_run,
    row_number() OVER (PARTITION BY facility_id, feed ORDER BY report_date) AS place
  FROM expected_reports
),
missing AS (
  SELECT *, min(report_date) OVER (PARTITION BY facility_id, feed, place - missing_run) AS first_date
  FROM numbered
  WHERE state = 'missing'
)
SELECT
  'facility' AS unit_kind,
  facility_id AS unit_id,
  area_code,
  facility_id,
  feed || '_report' AS signal,
  CAST(NULL AS VARCHAR) AS syndrome,
  first_date AS window_start,
  report_date AS window_end,
  missing_run AS observed,
  param('missing_report.blue_days') AS threshold,
  CASE
    WHEN missing_run >= param('missing_report.orange_days') THEN 'orange'
    WHEN missing_run >= param('missing_report.yellow_days') THEN 'yellow'
    ELSE 'blue'
  END AS severity
FROM missing
WHERE missing_run >= param('missing_report.blue_days')
