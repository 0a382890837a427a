-- An arrival is one signal, with symptoms or 37.3 °C it is two. A departure is counted, so that its message is accounted for.
-- The area is where the person goes, by today's code; without a destination it is the port's.
WITH declared AS (
  SELECT
    message,
    direction,
    port_code,
    area_at(destination_area, local_date(declared_at)) AS area_code,
    declared_at,
    person['id'] AS person_key,
    coalesce(temp_c >= 37.3, FALSE) OR coalesce(cardinality(array_remove_all(symptoms, 'none')) > 0, FALSE) AS is_symptomatic
  FROM raw
)
SELECT message, CASE WHEN direction = 'in' THEN 'customs_arrival' ELSE 'customs_departure' END AS signal,
  'facility' AS unit_kind, port_code AS unit_id, port_code AS facility_id, area_code, declared_at AS event_time, 1 AS value, person_key
FROM declared
UNION ALL
SELECT message, 'customs_symptomatic', 'facility', port_code AS unit_id, port_code AS facility_id, area_code, declared_at, 1, person_key
FROM declared
WHERE direction = 'in' AND is_symptomatic
