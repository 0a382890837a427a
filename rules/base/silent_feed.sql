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
-- gap_days: 1
-- history_days: 30
-- power: reports/silent_feed.json
-- sabotage: silent_feed.missing_share tighter=1.1 looser=0.5
-- A report that is not yet due is not missing: the county is judged when its last deadline has passed.
WITH counted AS (
  SELECT area_code, feed, report_date,
    count(*) AS expected,
    sum(CASE WHEN state = 'missing' THEN 1 ELSE 0 END) AS missing
  FROM expected_reports
  GROUP BY area_code, feed, report_date
),
judged AS (
  SELECT *, CAST(missing AS DOUBLE) / expected AS missing_share
  FROM counted
),
followed AS (
  SELECT *,
    lag(report_date) OVER days AS date_before,
    lag(missing_share) OVER days AS share_before
  FROM judged
  WINDOW days AS (PARTITION BY area_code, feed ORDER BY report_date)
),
silent AS (
  SELECT *
  FROM followed
  WHERE missing_share >= param('silent_feed.missing_share')
),
-- Silence goes on over the days between two silent ones on which nothing was owed (a weekend, a holiday).
between_reports AS (
  SELECT area_code, feed, expected, missing, missing_share,
    CAST(unnest(generate_series(date_before + 1, report_date - 1, INTERVAL '1 day')) AS DATE) AS silent_date
  FROM silent
  WHERE share_before >= param('silent_feed.missing_share') AND report_date - date_before > 1
),
silent_days AS (
  SELECT area_code, feed, expected, missing, missing_share, report_date AS silent_date FROM silent
  UNION ALL
  SELECT area_code, feed, expected, missing, missing_share, silent_date FROM between_reports
)
SELECT
  'county' AS unit_kind,
  area_code AS unit_id,
  area_code,
  feed || '_report' AS signal,
  CAST(NULL AS VARCHAR) AS syndrome,
  silent_date AS window_start,
  silent_date AS window_end,
  missing AS observed,
  CAST(expected AS DOUBLE) AS expected,
  param('silent_feed.missing_share') AS threshold,
  missing_share AS statistic
FROM silent_days
