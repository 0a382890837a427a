-- id: silent_feed
-- zh: 全县某渠道无一报告
-- en: a whole channel of a county is silent
-- severity: orange
-- scope: all
-- kind: threshold
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 4
-- audience: county_cdc, operations
-- cites: 零报告制度: 未报不等于零
-- gap_days: 3
-- history_days: 0
-- sabotage: silent_feed.missing_share tighter=1.1 looser=0.5
-- A report that is not yet due is not missing: the county is judged when its last deadline has passed.
WITH counted AS (
  SELECT area_code, feed, report_date,
    count(*) AS expected,
    sum(CASE WHEN state = 'missing' THEN 1 ELSE 0 END) AS missing
  FROM expected_reports
  GROUP BY area_code, feed, report_date
)
SELECT
  'county' AS unit_kind,
  area_code AS unit_id,
  area_code,
  feed || '_report' AS signal,
  CAST(NULL AS VARCHAR) AS syndrome,
  report_date AS window_start,
  report_date AS window_end,
  missing AS observed,
  CAST(expected AS DOUBLE) AS expected,
  param('silent_feed.missing_share') AS threshold,
  CAST(missing AS DOUBLE) / expected AS statistic
FROM counted
WHERE CAST(missing AS DOUBLE) / expected >= param('silent_feed.missing_share')
