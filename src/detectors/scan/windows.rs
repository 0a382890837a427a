//! The stretches of time that a scan looks at.

/// Intervals `start` to `end`, the end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub start: usize,
    pub end: usize,
}

/// Every window of 1 to `length_max` intervals whose end lies in `end_first..=intervals`, by end, the shortest first.
///
/// The order decides between exact ties: SaTScan keeps the first.
pub fn windows(intervals: usize, length_max: usize, end_first: usize) -> Vec<Window> {
    let ends = end_first.max(1)..=intervals;
    ends.flat_map(|end| (1..=length_max.min(end)).map(move |length| Window { start: end - length, end })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prospective_windows_end_on_the_last_interval() {
        let found = windows(5, 3, 5);
        let starts: Vec<usize> = found.iter().map(|window| window.start).collect();
        assert_eq!(starts, [4, 3, 2]);
        assert!(found.iter().all(|window| window.end == 5));
    }

    #[test]
    fn retrospective_windows_are_counted() {
        assert_eq!(windows(19, 9, 1).len(), (11..=19).sum::<usize>());
        assert!(windows(0, 3, 1).is_empty());
    }
}
