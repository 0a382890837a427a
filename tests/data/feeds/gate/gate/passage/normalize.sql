-- Passages at 37.3 °C or above, of all passages of the gate.
SELECT message, 'gate_temp_high' AS signal, 'gate' AS unit_kind, concat(station_id, '/', gate_id) AS unit_id,
  station_id AS facility_id, passage_date AS event_date, temp_high AS value, passed AS denominator
FROM raw
