SELECT message, 'seen' AS signal, 'facility' AS unit_kind, place AS unit_id, place AS facility_id, qs_reported_at AS event_time, 1 AS value FROM raw
