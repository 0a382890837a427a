-- One row for each distinct syndrome of the pupil, for the class and, for boarders, for the dormitory.
-- A school's pupil number is unique only within the school, so the key carries the school.
WITH stated AS (
  SELECT message, syndrome_of(symptom) AS syndrome
  FROM (SELECT message, unnest(symptoms) AS symptom FROM raw) AS listed
  UNION ALL
  SELECT message, 'fever'
  FROM raw
  WHERE temp_c >= 37.3
),
syndromes AS (
  SELECT DISTINCT
    message,
    CASE
      WHEN syndrome IN ('fever', 'respiratory', 'gi', 'rash', 'parotitis', 'conjunctivitis', 'jaundice') THEN syndrome
      ELSE 'other'
    END AS syndrome
  FROM stated
),
pupils AS (
  SELECT
    raw.message,
    concat('school_', syndromes.syndrome) AS signal,
    raw.school_id,
    raw.class_id,
    raw.dorm_id,
    raw.onset_at,
    raw.school_id || '/' || raw.student_id AS person_key
  FROM raw
  JOIN syndromes ON syndromes.message = raw.message
)
SELECT message, signal, 'class' AS unit_kind, concat(school_id, '/', class_id) AS unit_id, school_id AS facility_id,
  onset_at AS event_time, 1 AS value, person_key
FROM pupils
UNION ALL
SELECT message, signal, 'dormitory', concat(school_id, '/dorm-', dorm_id), school_id, onset_at, 1, person_key
FROM pupils
WHERE dorm_id IS NOT NULL
