-- Every row of every accepted message; what a row is worth today follows from all messages about its record, and from
-- the register: of two kinds of one feed only one counts for a facility and signal.
SELECT
  {columns},
  CASE
    WHEN kind <> authority_of(feed, signal, facility_id) THEN concat_ws(',', quality, 'not_authoritative')
    ELSE quality
  END AS quality,
  -- All rows of one message are peers: they have one place.
  rank() OVER (
    PARTITION BY record_key, revision, content_hash
    ORDER BY known_at, topic, "partition", "offset") > 1 AS is_duplicate,
  CASE
    WHEN rank() OVER (
      PARTITION BY record_key
      ORDER BY revision DESC, reported_at DESC, topic DESC, "partition" DESC, "offset" DESC) > 1 THEN 'superseded'
    WHEN operation = 'retract' THEN 'retracted'
    ELSE 'current'
  END AS standing
FROM stored_signals
