//! What the system says about this process: memory, processor time, open files. Linux tells it under /proc.
//!
//! Promises: what cannot be read is left out, never guessed.

use super::families::{self, Family};

/// Ticks of a second in /proc: a constant of Linux' interface, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// The texts that are read.
#[derive(Default)]
struct Texts {
    stat: String,
    status: String,
    limits: String,
    system: String,
    open_files: Option<usize>,
}

/// What this process uses right now.
pub fn usage() -> Vec<(Family, f64)> {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let open_files = std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
    numbers(&Texts {
        stat: text("/proc/self/stat"),
        status: text("/proc/self/status"),
        limits: text("/proc/self/limits"),
        system: text("/proc/stat"),
        open_files,
    })
}

fn numbers(texts: &Texts) -> Vec<(Family, f64)> {
    // The name of the program may hold spaces and brackets; the fields begin behind its last one.
    let stat: Vec<&str> = texts.stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let field = |number: usize| stat.get(number - 3)?.parse::<f64>().ok();
    let kilobytes = |name| Some(word_after(&texts.status, name)? * 1_024.0);
    let cpu = field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS_PER_SECOND);
    let start = word_after(&texts.system, "btime").zip(field(22)).map(|(boot, ticks)| boot + ticks / TICKS_PER_SECOND);
    let all = [
        (families::CPU, cpu),
        (families::MEMORY, kilobytes("VmRSS:")),
        (families::VIRTUAL_MEMORY, kilobytes("VmSize:")),
        (families::THREADS, word_after(&texts.status, "Threads:")),
        (families::OPEN_FDS, texts.open_files.map(|count| count as f64)),
        (families::MAX_FDS, word_after(&texts.limits, "Max open files")),
        (families::START_TIME, start),
    ];
    all.into_iter().filter_map(|(family, value)| Some((family, value?))).collect()
}

/// The number that follows a name at the beginning of a line.
fn word_after(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_texts_and_what_is_missing_is_left_out() {
        let texts = Texts {
            stat: "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 4 0 5000 1000 10".to_owned(),
            status: "Name:\ta\nVmSize:\t  2048 kB\nVmRSS:\t    16 kB\nThreads:\t4\n".to_owned(),
            limits: "Limit Soft Hard\nMax open files            1024                 4096                 files\n"
                .to_owned(),
            system: "cpu 1 2\nbtime 1600000000\n".to_owned(),
            open_files: Some(9),
        };
        let shown =
            |texts: &Texts| numbers(texts).into_iter().map(|(family, value)| (family.name, value)).collect::<Vec<_>>();
        let expected = [
            ("process_cpu_seconds_total", 3.0),
            ("process_resident_memory_bytes", 16_384.0),
            ("process_virtual_memory_bytes", 2_097_152.0),
            ("process_threads", 4.0),
            ("process_open_fds", 9.0),
            ("process_max_fds", 1_024.0),
            ("process_start_time_seconds", 1_600_000_050.0),
        ];
        assert_eq!(shown(&texts), expected);
        assert_eq!(shown(&Texts::default()), []);
    }

    #[test]
    fn this_process_uses_memory_and_files() {
        let used = usage();
        for family in [families::MEMORY, families::OPEN_FDS, families::THREADS] {
            assert!(used.iter().any(|(one, value)| *one == family && *value >= 1.0), "{}", family.name);
        }
    }
}
