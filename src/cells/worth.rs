//! What the rows of one series and day are worth.
//!
//! Promises: the same rows in any order give the same.

use std::collections::BTreeMap;

use super::meanings::Count;
use super::names::Name;
use super::rows::Row;

/// Count and denominator; nothing where no row counts.
pub type Worth = Option<(i64, Option<i64>)>;

/// What `rows` are worth by a rule of counting.
pub fn worth(rule: Count, rows: &[Row]) -> Worth {
    let mut rows = rows.iter().filter(|row| row.what.counts).peekable();
    rows.peek()?;
    let add = |sum: (i64, Option<i64>), row: &Row| {
        let denominator = row.what.denominator.map(|denominator| denominator + sum.1.unwrap_or(0));
        (sum.0 + row.what.value, denominator.or(sum.1))
    };
    Some(match rule {
        Count::Sum => rows.fold((0, None), add),
        Count::DistinctPersons => {
            let (mut persons, mut nameless, mut denominator) = (Vec::new(), 0, None);
            for row in rows {
                denominator = add((0, denominator), row).1;
                match row.person {
                    Some(person) if row.what.value > 0 => persons.push(person),
                    Some(_) => {}
                    None => nameless += row.what.value,
                }
            }
            persons.sort_unstable();
            persons.dedup();
            (persons.len() as i64 + nameless, denominator)
        }
        Count::GreatestSlot => {
            let mut slots: BTreeMap<Option<Name>, (i64, Option<i64>)> = BTreeMap::new();
            for row in rows {
                let sum = slots.entry(row.what.slot).or_insert((0, None));
                *sum = add(*sum, row);
            }
            slots.into_values().max().unwrap_or((0, None))
        }
    })
}
