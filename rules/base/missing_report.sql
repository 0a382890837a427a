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
-- gap_days: 1
-- history_days: 30
-- power: reports/missing_report.json
-- sabotage: missing_report.yellow_days tighter=3 looser=1
WITH followed AS (
  SELECT facility_id, feed, report_date, state, area_code, missing_run, missing_since,
    lag(report_date) OVER (PARTITION BY facility_id, feed ORDER BY report_date) AS date_before
  FROM expected_reports
),
missing AS (
  SELECT *
  FROM followed
  WHERE state = 'missing'
),
-- Silence goes on over the days between two missing reports on which nothing was owed (a weekend, a holiday).
between_reports AS (
  SELECT facility_id, feed, area_code, missing_since, missing_run - 1 AS days_missing,
    CAST(unnest(generate_series(date_before + 1, report_date - 1, INTERVAL '1 day')) AS DATE) AS silent_date
  FROM missing
  WHERE missing_run > 1 AND report_date - date_before > 1
),
silent_days AS (
  SELECT facility_id, feed, area_code, missing_since, missing_run AS days_missing, report_date AS silent_date FROM missing
  UNION ALL
  SELECT facility_id, feed, area_code, missing_since, days_missing, silent_date FROM between_reports
)
SELECT
  'facility' AS unit_kind,
  facility_id AS unit_id,
  area_code,
  facility_id,
  feed || '_report' AS signal,
  CAST(NULL AS VARCHAR) AS syndrome,
  missing_since AS window_start,
  silent_date AS window_end,
  days_missing AS observed,
  param('missing_report.blue_days') AS threshold,
  CASE
    WHEN days_missing >= param('missing_report.orange_days') THEN 'orange'
    WHEN days_missing >= param('missing_report.yellow_days') THEN 'yellow'
    ELSE 'blue'
  END AS severity
FROM silent_days
WHERE days_missing >= param('missing_report.blue_days')
