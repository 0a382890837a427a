//! Properties of what comes from outside: each holds for any bytes, here as proptest draws them, under `fuzz/` as
//! libFuzzer finds them. The bodies in `tests/properties/` are the same.

use proptest::collection::vec;
use proptest::prelude::*;

mod areas;
mod decode;
mod envelopes;
mod examples;
mod headers;
mod identity;
mod times;

/// Bytes that say what to do: enough for a few choices, seldom for many.
fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => vec(any::<u8>(), 0..80), 1 => vec(any::<u8>(), 80..400)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn any_damage_has_one_outcome_and_neighbours_are_as_if_alone(data in choices()) {
        decode::holds(&data);
    }

    #[test]
    fn a_text_is_a_moment_or_nothing(data in prop_oneof![
        "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?",
        "[12０-９][0-9０-９]{3}-?[01][0-9]-?[0-3][0-9]",
        "\\PC{0,30}",
    ]) {
        times::holds(data.as_bytes());
    }

    #[test]
    fn a_moment_is_read_as_counting_days_would_read_it(
        civil in (1895_u32..2105, 0_u32..14, 0_u32..33, 0_u32..25, 0_u32..61, 0_u32..61),
        midnight in any::<bool>(), offset in prop_oneof![Just(0), Just(480), -720_i32..=840],
    ) {
        let (year, month, day, hour, minute, second) = civil;
        let (clock, offset) = if midnight { ([0; 3], 0) } else { ([hour, minute, second], offset) };
        times::agrees([year, month, day, clock[0], clock[1], clock[2]], offset);
    }

    #[test]
    fn any_register_of_areas_leads_to_todays_code_or_nowhere(data in choices()) {
        areas::holds(&data);
    }

    #[test]
    fn a_person_has_one_token_and_is_nowhere_in_clear(data in choices()) {
        identity::holds(&data);
    }

    #[test]
    fn a_header_is_read_as_written_or_refused_with_its_place(data in choices()) {
        headers::holds(&data);
    }

    #[test]
    fn a_body_states_the_same_in_every_envelope(data in choices()) {
        envelopes::holds(&data);
    }
}
