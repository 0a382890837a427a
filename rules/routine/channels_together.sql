-- id: channels_together
-- zh: 多渠道合并后异常增多（Stouffer）
-- en: several channels high together, none of them perhaps alone (Stouffer)
-- severity: orange
-- scope: dirty
-- kind: statistical
-- valid_from: 2006-01-01
-- valid_to:
-- verify_hours: 4
-- audience: county_cdc, prefecture_cdc
-- cites: Stouffer 1949, with correlation; Burkom 2007 (ESSENCE) per channel
-- gap_days: 2
-- history_days: 60
-- power: reports/channels_together.json
-- sabotage: channels_together.alpha tighter=0.0000000001 looser=0.5
WITH series AS (
  SELECT unit_kind, unit_id, area_code, signal, channel, event_date, count
  FROM cells
  -- One signal a channel, the one that says most: p-values of one channel's signals are one voice.
  WHERE unit_kind = 'county' AND signal IN ('fever_visit', 'sale_antipyretic', 'school_fever') AND expected > 0
),
judged AS (
  SELECT *,
    essence_switch(count, 'date', event_date) OVER (PARTITION BY unit_id, signal ORDER BY event_date) AS recent
  FROM series
),
joined AS (
  SELECT unit_kind, unit_id, area_code, event_date,
    count(recent['pvalue']) AS channels_heard,
    stouffer(recent['pvalue'], 'correlation', param('channels_together.correlation')) AS together,
    array_to_string(array_sort(array_agg(channel)), ',') AS channels
  FROM judged
  WHERE recent['pvalue'] IS NOT NULL
  GROUP BY unit_kind, unit_id, area_code, event_date
)
SELECT
  unit_kind, unit_id, area_code,
  'channels_together' AS signal,
  event_date AS window_start,
  event_date AS window_end,
  channels_heard AS observed,
  -log10(param('channels_together.alpha')) AS threshold,
  -log10(greatest(together['p'], 1e-300)) AS statistic,
  channels
FROM joined
WHERE channels_heard >= param('channels_together.channels') AND together['p'] < param('channels_together.alpha')
