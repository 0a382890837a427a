-- Absence always, zero too; influenza-like illness where counted; one row for each syndrome that has pupils.
-- Of several symptoms of one syndrome the greatest count stands: two who vomit and one with diarrhoea may be two pupils
-- or three, so the syndrome has at least two.
-- The slot is the session. Totals (`symptom_counts`) name the same sick pupil day after day, new cases (`new_today`) do
-- not; a rule over several days must not add totals, so their slot says so: `am` is new cases, `am_total` is a total.
WITH entries AS (
  SELECT
    message,
    CASE WHEN new_today IS NULL THEN concat(session, '_total') ELSE session END AS slot,
    unnest(coalesce(new_today, symptom_counts)) AS entry
  FROM raw
),
mapped AS (
  SELECT message, slot, coalesce(syndrome_of(entry['key']), 'other') AS syndrome, entry['value'] AS pupils
  FROM entries
  WHERE entry['value'] > 0
),
syndromes AS (
  SELECT
    message,
    slot,
    CASE
      WHEN syndrome IN ('fever', 'respiratory', 'gi', 'rash', 'parotitis', 'conjunctivitis', 'jaundice') THEN syndrome
      ELSE 'other'
    END AS syndrome,
    max(pupils) AS pupils
  FROM mapped
  WHERE syndrome <> 'none'
  GROUP BY 1, 2, 3
),
checks AS (
  SELECT message, school_id, concat(school_id, '/', class_id) AS class_unit, check_date, session, enrolled, absent_sick, ili_count
  FROM raw
)
SELECT message, 'school_absent_sick' AS signal, 'class' AS unit_kind, class_unit AS unit_id, school_id AS facility_id,
  check_date AS event_date, absent_sick AS value, enrolled AS denominator, session AS slot
FROM checks
UNION ALL
SELECT message, 'school_ili', 'class', class_unit, school_id, check_date, ili_count, enrolled, session
FROM checks
WHERE ili_count IS NOT NULL
UNION ALL
SELECT checks.message, concat('school_', syndromes.syndrome), 'class', checks.class_unit, checks.school_id, checks.check_date,
  syndromes.pupils, checks.enrolled, syndromes.slot
FROM checks
JOIN syndromes ON syndromes.message = checks.message
