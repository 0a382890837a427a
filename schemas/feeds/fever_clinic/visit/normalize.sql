-- A visit is one signal; with fever it is two, with influenza-like illness three.
WITH visits AS (
  SELECT
    message,
    facility_id,
    event_time,
    coalesce(person['id'], person_id) AS person_key,
    coalesce(temp_c >= 37.3, FALSE) OR coalesce(array_has(symptoms, 'fever') OR array_has(symptoms, 'high_fever'), FALSE) AS is_fever,
    coalesce(temp_c >= 38.0, FALSE)
      AND coalesce(array_has_any(symptoms, make_array('cough', 'dry_cough', 'sore_throat')), FALSE) AS is_ili
  FROM raw
)
SELECT message, 'clinic_visit' AS signal, 'facility' AS unit_kind, facility_id AS unit_id, facility_id, event_time, 1 AS value, person_key
FROM visits
UNION ALL
SELECT message, 'fever_visit', 'facility', facility_id AS unit_id, facility_id, event_time, 1, person_key
FROM visits
WHERE is_fever
UNION ALL
SELECT message, 'ili_visit', 'facility', facility_id AS unit_id, facility_id, event_time, 1, person_key
FROM visits
WHERE is_ili
