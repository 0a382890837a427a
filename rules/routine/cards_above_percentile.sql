-- id: cards_above_percentile
-- zh: 报告病例数高于往年同期百分位（移动百分位数法）
-- en: report cards above the percentile of the same weeks of earlier years (moving percentile)
-- severity: blue
-- scope: dirty
-- kind: statistical
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 24
-- audience: county_cdc
-- cites: CIDARS, 杨维中 et al. 2011: 7 days against 5 weeks of each of 5 earlier years, around the Spring Festival those as far from it; percentiles by disease as published there
-- gap_days: 1
-- history_days: 1860
-- power: reports/cards_above_percentile.json
-- sabotage: cards_above_percentile.varicella tighter=100 looser=45
WITH cards AS (
  SELECT unit_id, area_code, signal, syndrome, event_date, count
  FROM cells
  WHERE unit_kind = 'county' AND signal IN (
      'case_varicella', 'case_mumps', 'case_influenza', 'case_hfmd', 'case_scarlet_fever', 'case_rubella',
      'case_infectious_diarrhoea', 'case_dysentery', 'case_measles', 'case_pertussis', 'case_ahc')
),
beginnings AS (
  SELECT unit_id, min(event_date) AS first_day
  FROM cells
  WHERE unit_kind = 'county'
  GROUP BY unit_id
),
calendar AS (
  SELECT c.unit_id, c.signal, min(c.area_code) AS area_code, min(c.syndrome) AS syndrome,
    unnest(generate_series(min(b.first_day), max(c.event_date), INTERVAL '1 day')) AS event_date
  FROM cards c
  JOIN beginnings b ON b.unit_id = c.unit_id
  GROUP BY c.unit_id, c.signal
),
series AS (
  -- Nobody owes a card: from the county's first report on, a day without one has none.
  SELECT 'county' AS unit_kind, d.unit_id, d.area_code, d.signal, d.syndrome, d.event_date, coalesce(c.count, 0) AS count
  FROM calendar d
  LEFT JOIN cards c ON c.unit_id = d.unit_id AND c.signal = d.signal AND c.event_date = d.event_date
),
sums AS (
  SELECT *,
    sum(count) OVER week AS total,
    count(*) OVER week AS days,
    -- Seven series of every seventh day: each day is the last of one week.
    CAST(event_date AS INT) % 7 AS phase
  FROM series
  WINDOW week AS (PARTITION BY unit_id, signal ORDER BY event_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)
),
judged AS (
  SELECT *,
    moving_percentile(
      CASE WHEN days = 7 THEN total END,
      'date', event_date, 'years', CAST(param('cards_above_percentile.years') AS BIGINT), 'plus_minus', 2, 'ret', 'upperbound',
      'lunar_new_year', true,
      'percentile', CASE signal
        WHEN 'case_varicella' THEN param('cards_above_percentile.varicella')
        WHEN 'case_mumps' THEN param('cards_above_percentile.mumps')
        WHEN 'case_influenza' THEN param('cards_above_percentile.influenza')
        WHEN 'case_hfmd' THEN param('cards_above_percentile.hfmd')
        WHEN 'case_scarlet_fever' THEN param('cards_above_percentile.scarlet_fever')
        WHEN 'case_rubella' THEN param('cards_above_percentile.rubella')
        ELSE param('cards_above_percentile.other') END
    ) OVER (PARTITION BY unit_id, signal, phase ORDER BY event_date) AS earlier
  FROM sums
)
SELECT
  unit_kind, unit_id, area_code, signal, syndrome,
  event_date - 6 AS window_start,
  event_date AS window_end,
  total AS observed,
  earlier['p50'] AS expected,
  earlier['upperbound'] AS threshold
FROM judged
WHERE earlier['alarm'] AND total >= param('cards_above_percentile.count_min')
