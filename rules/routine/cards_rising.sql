-- id: cards_rising
-- zh: 报告病例数较前八周上升（按报告延迟校正）
-- en: report cards of a week above the eight weeks before, with those that are still to come (nowcast)
-- severity: blue
-- scope: all
-- kind: statistical
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 24
-- audience: county_cdc
-- cites: Hutwagner et al. 2003 (EARS C1) over weeks; McGough et al. 2020, Günther et al. 2021 (nowcast)
-- gap_days: 1
-- history_days: 70
-- power: reports/cards_rising.json
-- sabotage: cards_rising.alpha tighter=0.0000000000001 looser=0.5
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
    unnest(generate_series(min(b.first_day), local_date(now()), INTERVAL '1 day')) AS event_date
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
    ears_c1(
      CASE WHEN days = 7 THEN total END,
      'date', event_date, 'baseline', 8, 'min_sigma', 1, 'alpha', param('cards_rising.alpha')
    ) OVER (PARTITION BY unit_id, signal, phase ORDER BY event_date)['upperbound'] AS bound,
    avg(total) OVER (PARTITION BY unit_id, signal, phase ORDER BY event_date ROWS BETWEEN 8 PRECEDING AND 1 PRECEDING) AS before
  FROM sums
),
-- Who would have to hear of twice as many cards as came is not near the bound.
near AS (
  SELECT *
  FROM judged
  WHERE event_date > local_date(now()) - 30 AND days = 7
    AND total >= param('cards_rising.count_min') AND 2 * total > bound
),
corrected AS (
  SELECT substr(s.area_code, 1, 6) AS unit_id, s.signal,
    unnest(nowcast(s.event_date, local_date(s.reported_at), local_date(now()), 'count', s.value)) AS day
  FROM signals s
  JOIN (SELECT DISTINCT unit_id, signal FROM near) n ON n.unit_id = substr(s.area_code, 1, 6) AND n.signal = s.signal
  WHERE s.event_date > local_date(now()) - 60
  GROUP BY substr(s.area_code, 1, 6), s.signal
),
to_come AS (
  SELECT n.unit_id, n.signal, n.event_date, sum(greatest(c.day['expected'] - c.day['observed'], 0)) AS cards
  FROM near n
  JOIN corrected c ON c.unit_id = n.unit_id AND c.signal = n.signal
    AND c.day['event_date'] > n.event_date - 7 AND c.day['event_date'] <= n.event_date
  GROUP BY n.unit_id, n.signal, n.event_date
)
SELECT
  n.unit_kind, n.unit_id, n.area_code, n.signal, n.syndrome,
  n.event_date - 6 AS window_start,
  n.event_date AS window_end,
  n.total AS observed,
  n.before AS expected,
  n.bound AS threshold,
  n.total + coalesce(t.cards, 0) AS statistic
FROM near n
LEFT JOIN to_come t ON t.unit_id = n.unit_id AND t.signal = n.signal AND t.event_date = n.event_date
WHERE n.total + coalesce(t.cards, 0) > n.bound
