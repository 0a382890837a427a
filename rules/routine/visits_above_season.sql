-- id: visits_above_season
-- zh: 发热、流感样病例就诊高于往年同期
-- en: fever or influenza-like visits above the season of earlier years
-- severity: yellow
-- scope: dirty
-- kind: statistical
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 24
-- audience: county_cdc
-- cites: Noufaily et al. 2013 (Farrington flexible) over sums of 14 days; Burkom 2007 (ESSENCE) where history is short
-- gap_days: 1
-- history_days: 1900
-- power: reports/visits_above_season.json
-- sabotage: visits_above_season.alpha tighter=0.00001 looser=0.2
WITH series AS (
  SELECT unit_kind, unit_id, area_code, signal, syndrome, event_date,
    -- A day on which too few clinics reported is missing, not low.
    CASE WHEN reported >= param('visits_above_season.coverage_min') * expected THEN count END AS count
  FROM cells
  WHERE unit_kind = 'county' AND signal IN ('fever_visit', 'ili_visit') AND expected > 0
),
sums AS (
  SELECT *,
    count(count) OVER fortnight AS days,
    sum(count) OVER fortnight AS total,
    min(event_date) OVER fortnight AS first_date,
    -- Seven series of every seventh day: each day is the last of one fortnight.
    CAST(event_date AS INT) % 7 AS phase
  FROM series
  WINDOW fortnight AS (PARTITION BY unit_id, signal ORDER BY event_date ROWS BETWEEN 13 PRECEDING AND CURRENT ROW)
),
judged AS (
  SELECT *,
    farrington_flexible(
      CASE WHEN days = 14 AND event_date - first_date = 13 THEN total END,
      'date', event_date, 'epoch_as_date', true, 'years', CAST(param('visits_above_season.years') AS BIGINT),
      'half_width', 5, 'no_periods', 10, 'past_weeks_not_included', 26, 'threshold_method', 'nbPlugin', 'limit54', '0,4',
      'alpha', param('visits_above_season.alpha')
    ) OVER (PARTITION BY unit_id, signal, phase ORDER BY event_date) AS season,
    essence_switch(count, 'date', event_date) OVER (PARTITION BY unit_id, signal ORDER BY event_date) AS recent
  FROM sums
),
compared AS (
  SELECT *, season['pvalue'] IS NOT NULL AS is_long
  FROM judged
),
scored AS (
  SELECT unit_kind, unit_id, area_code, signal, syndrome,
    CASE WHEN is_long THEN first_date ELSE event_date END AS window_start,
    event_date AS window_end,
    CASE WHEN is_long THEN total ELSE count END AS observed,
    CASE WHEN is_long THEN season['mu0Vector'] ELSE recent['expected'] END AS expected,
    CASE WHEN is_long THEN season['pvalue'] ELSE recent['pvalue'] END AS p,
    CASE WHEN is_long THEN param('visits_above_season.alpha') ELSE param('visits_above_season.alpha_short') END AS alpha
  FROM compared
)
SELECT
  unit_kind, unit_id, area_code, signal, syndrome, window_start, window_end, observed, expected,
  -- Tenfold rarer is one more.
  -log10(alpha) AS threshold,
  -log10(greatest(p, 1e-300)) AS statistic
FROM scored
WHERE p < alpha AND observed > expected AND observed >= param('visits_above_season.count_min')
