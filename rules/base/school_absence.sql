-- id: school_absence
-- zh: 因病缺勤异常
-- en: unusual absence through illness in a school or class
-- severity: yellow
-- scope: dirty
-- kind: statistical
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 24
-- audience: county_cdc, education
-- cites: WS/T 772-2020 因病缺勤登记追踪; thresholds are ours (pack.toml)
-- gap_days: 3
-- history_days: 90
-- power: reports/school_absence.json
-- sabotage: school_absence.class_share tighter=0.31 looser=0.275
-- sabotage: school_absence.pupils tighter=13 looser=4
WITH series AS (
  SELECT unit_kind, unit_id, area_code, facility_id, signal, syndrome, event_date, count, denominator,
    CAST(count AS DOUBLE) / nullif(denominator, 0) AS share
  FROM cells
  -- Days on which a report was expected; a missing report is null and leaves the median alone.
  WHERE unit_kind = 'facility' AND signal = 'school_absent_sick' AND expected > 0
),
compared AS (
  SELECT *,
    median(share) OVER earlier AS usual_share,
    count(share) OVER earlier AS usual_values
  FROM series
  WINDOW earlier AS (PARTITION BY unit_id, signal ORDER BY event_date ROWS BETWEEN 14 PRECEDING AND 1 PRECEDING)
),
limits AS (
  SELECT *,
    greatest(
      param('school_absence.floor_share'),
      CASE WHEN usual_values >= param('school_absence.median_values_min')
        THEN param('school_absence.median_factor') * usual_share END) AS limit_share
  FROM compared
)
SELECT
  unit_kind, unit_id, area_code, facility_id, signal, syndrome,
  event_date AS window_start,
  event_date AS window_end,
  count AS observed,
  CASE WHEN usual_values >= param('school_absence.median_values_min') THEN usual_share * denominator END AS expected,
  limit_share AS threshold,
  share AS statistic
FROM limits
WHERE share > limit_share AND count >= param('school_absence.pupils')
UNION ALL
SELECT
  unit_kind, unit_id, area_code, facility_id, signal, syndrome,
  event_date AS window_start,
  event_date AS window_end,
  count AS observed,
  CAST(NULL AS DOUBLE) AS expected,
  param('school_absence.class_share') AS threshold,
  CAST(count AS DOUBLE) / denominator AS statistic
FROM cells
WHERE unit_kind = 'class' AND signal = 'school_absent_sick' AND denominator > 0
  AND CAST(count AS DOUBLE) / denominator >= param('school_absence.class_share')
