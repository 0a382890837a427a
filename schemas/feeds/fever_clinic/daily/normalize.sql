-- Three counts of one clinic and day, all over the visits of the same rooms. Zeros are rows too: a zero report is data.
WITH bands AS (
  SELECT message, unnest(ili_by_age) AS band
  FROM raw
),
ili AS (
  SELECT message, sum(band['value']) AS cases
  FROM bands
  GROUP BY message
)
SELECT message, 'clinic_visit' AS signal, 'facility' AS unit_kind, facility_id AS unit_id, facility_id, report_date AS event_date,
  visits_total AS value, CAST(NULL AS BIGINT) AS denominator
FROM raw
UNION ALL
SELECT message, 'fever_visit', 'facility', facility_id AS unit_id, facility_id, report_date, fever_visits, visits_total
FROM raw
UNION ALL
-- No age groups sent: influenza-like illness was not reported, which is not zero. An empty map is zero.
SELECT raw.message, 'ili_visit', 'facility', raw.facility_id AS unit_id, raw.facility_id, raw.report_date, coalesce(ili.cases, 0), raw.visits_total
FROM raw
LEFT JOIN ili ON ili.message = raw.message
WHERE raw.ili_by_age IS NOT NULL
