-- id: multi_channel
-- zh: 多渠道相互印证
-- en: several channels say the same
-- severity: orange
-- scope: all
-- kind: statistical
-- valid_from: 2020-09-15
-- valid_to: 2021-05-13
-- verify_hours: 4
-- audience: county_cdc, prefecture_cdc
-- cites: 多渠道监测预警; weights in tenths from the evidence per channel, ours
-- gap_days: 2
-- history_days: 3
-- needs: fever_clinic_c2, fever_clinic_c3, pharmacy_c2, school_c2
-- power: reports/multi_channel.json
-- sabotage: multi_channel.days tighter=2 looser=4
WITH names AS (
  SELECT signal, min(syndrome) AS syndrome, min(channel) AS channel, max(weight_tenths) AS weight_tenths
  FROM signal_names
  GROUP BY signal
),
heard AS (
  SELECT DISTINCT f.unit_id, f.area_code, f.window_end, n.syndrome, n.channel, n.weight_tenths
  FROM findings f
  JOIN names n ON n.signal = f.signal
  WHERE f.unit_kind = 'county'
    AND f.rule IN ('fever_clinic_c2', 'fever_clinic_c3', 'pharmacy_c2', 'school_c2')
),
compatible AS (
  SELECT syndrome_a AS anchor, syndrome_b AS syndrome FROM compatible_syndromes
  UNION
  SELECT syndrome_b AS anchor, syndrome_a AS syndrome FROM compatible_syndromes
  UNION
  SELECT syndrome AS anchor, syndrome FROM heard
),
-- Every finding is an anchor: what else was heard in its county, in the days up to it, of a compatible syndrome.
anchors AS (
  SELECT DISTINCT unit_id, area_code, window_end, syndrome,
    window_end - (CAST(param('multi_channel.days') AS INT) - 1) AS first_date
  FROM heard
),
channels AS (
  SELECT a.unit_id, a.area_code, a.window_end, a.syndrome, h.channel,
    max(h.weight_tenths) AS weight_tenths,
    min(h.window_end) AS heard_from
  FROM anchors a
  JOIN compatible c ON c.anchor = a.syndrome
  JOIN heard h
    ON h.unit_id = a.unit_id AND h.syndrome = c.syndrome AND h.window_end BETWEEN a.first_date AND a.window_end
  GROUP BY a.unit_id, a.area_code, a.window_end, a.syndrome, h.channel
),
weighed AS (
  SELECT unit_id, area_code, window_end, syndrome,
    min(heard_from) AS window_start,
    count(*) AS channels_heard,
    sum(weight_tenths) AS weight_tenths,
    array_to_string(array_sort(array_agg(channel)), ',') AS channels
  FROM channels
  GROUP BY unit_id, area_code, window_end, syndrome
),
-- One alert a county and day: the heaviest anchor, the first by name among equals.
ranked AS (
  SELECT *,
    row_number() OVER (
      PARTITION BY unit_id, window_end
      ORDER BY weight_tenths DESC, channels_heard DESC, syndrome) AS place
  FROM weighed
)
SELECT
  'county' AS unit_kind,
  unit_id,
  area_code,
  'multi_channel' AS signal,
  syndrome,
  window_start,
  window_end,
  channels_heard AS observed,
  param('multi_channel.weight_tenths') AS threshold,
  weight_tenths AS statistic,
  channels
FROM ranked
WHERE place = 1
  AND weight_tenths >= param('multi_channel.weight_tenths')
  AND channels_heard >= param('multi_channel.channels')
