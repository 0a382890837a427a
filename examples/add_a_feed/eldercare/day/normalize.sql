-- Two counts of one home and day, both over its residents. Zeros are rows too.
SELECT message, 'eldercare_fever' AS signal, 'facility' AS unit_kind, home_id AS unit_id, home_id AS facility_id,
  report_date AS event_date, fever AS value, residents AS denominator
FROM raw
UNION ALL
SELECT message, 'eldercare_respiratory', 'facility', home_id AS unit_id, home_id AS facility_id, report_date, cough, residents
FROM raw
WHERE cough IS NOT NULL
