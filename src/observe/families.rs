//! Every metric: its name, its labels, what it counts and in which unit. docs/metrics.md is written from here.
//!
//! Promises: base units, `_total` for what only grows, one entry a name.
//! Never: a person, a facility, an area or anything else of which there is no short list as a label.

/// How a value behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    Gauge,
    /// Counted at or below each of these bounds, in seconds.
    Histogram(&'static [f64]),
}

/// One metric, in as many series as its labels have values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub en: &'static str,
    pub zh: &'static str,
}

/// From a commit on a fast disk to a judgement of everything after a change of rules.
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

const fn family(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    en: &'static str,
    zh: &'static str,
) -> Family {
    Family { name, kind, labels, en, zh }
}

const fn counter(name: &'static str, labels: &'static [&'static str], en: &'static str, zh: &'static str) -> Family {
    family(name, Kind::Counter, labels, en, zh)
}

const fn gauge(name: &'static str, labels: &'static [&'static str], en: &'static str, zh: &'static str) -> Family {
    family(name, Kind::Gauge, labels, en, zh)
}

pub const BUILD: Family = gauge(
    "qianshao_build_info",
    &["version", "revision"],
    "Always 1; the labels say which program this is.",
    "恒为 1；标签为程序版本。",
);
pub const READY: Family =
    gauge("qianshao_ready", &[], "1 while /readyz answers 200, else 0.", "/readyz 为 200 时为 1，否则为 0。");
pub const LAST_TURN: Family = gauge(
    "qianshao_loop_last_turn_timestamp_seconds",
    &["loop"],
    "When each loop of this process last came round.",
    "各循环最近一次运转的时刻。",
);

pub const CONSUMED: Family = counter(
    "qianshao_messages_consumed_total",
    &["topic"],
    "Messages whose epoch was committed by this process.",
    "本进程已提交的消息数。",
);
pub const ACCEPTED: Family = counter(
    "qianshao_messages_accepted_total",
    &["topic"],
    "Of these, messages that became rows of signals. Exact repeats are among them: the view accounting tells them apart.",
    "其中成为 signals 行的消息数，含完全重复者（视图 accounting 可区分）。",
);
pub const QUARANTINED: Family = counter(
    "qianshao_messages_quarantined_total",
    &["topic", "reason"],
    "Of these, messages that could not be used, by reason as in docs/problems.md.",
    "其中无法使用而隔离的消息数，按原因（见 docs/problems.md）。",
);
pub const EPOCHS: Family = counter(
    "qianshao_epochs_total",
    &["outcome"],
    "Epochs that were committed, or dropped to be read again.",
    "已提交（committed）或丢弃重读（dropped）的批次数。",
);
pub const WAITING: Family = gauge(
    "qianshao_partitions_waiting",
    &[],
    "Partitions of this process that wait for a person because they cannot be read without a gap.",
    "因无法无缺口读取而等待人工确认的分区数。",
);
pub const LAG: Family = gauge(
    "qianshao_lag_messages",
    &["topic", "partition"],
    "Offsets between the log and the end of each partition that this process reads. Markers of senders' transactions count.",
    "本进程所读各分区末尾与日志之间的偏移量差，含发送方事务标记。",
);
pub const END_OFFSET: Family = gauge(
    "qianshao_kafka_end_offset",
    &["topic", "partition"],
    "Where each partition that this process reads ends in Kafka.",
    "本进程所读各分区在 Kafka 中的末尾偏移量。",
);
pub const BROKERS: Family = gauge(
    "qianshao_kafka_brokers_up",
    &["role"],
    "Connections to brokers that stand, by the role that holds them.",
    "各职责当前可用的代理连接数。",
);

pub const COMMITS: Family = counter(
    "qianshao_commits_total",
    &["table", "outcome"],
    "Attempts to commit: now, refused (somebody else was first; it is tried again), unknown (it is read back).",
    "提交尝试次数：now 成功，refused 他人先行（重试），unknown 结果不明（回读确认）。",
);
pub const COMMIT_SECONDS: Family = family(
    "qianshao_commit_seconds",
    Kind::Histogram(SECONDS),
    &["table"],
    "How long an attempt to commit took, synced to disk.",
    "一次提交（含落盘）的耗时。",
);
pub const LOG_VERSION: Family =
    gauge("qianshao_log_version", &["table"], "Version of the newest commit of each table.", "各表最新提交的版本。");
pub const LOG_KNOWN_AT: Family = gauge(
    "qianshao_log_known_at_timestamp_seconds",
    &["table"],
    "known_at of the newest commit of each table.",
    "各表最新提交的 known_at。",
);
pub const LOG_OFFSET: Family = gauge(
    "qianshao_log_offset",
    &["topic", "partition"],
    "The next offset to read of every partition that the log knows, whoever reads it.",
    "日志所知各分区的下一个偏移量，不论由谁读取。",
);

pub const TICKS: Family = counter("qianshao_ticks_total", &[], "Ticks that were judged.", "已评估的时刻数。");
pub const TICK_SECONDS: Family = family(
    "qianshao_tick_seconds",
    Kind::Histogram(SECONDS),
    &[],
    "How long a tick took: counting, judging and writing.",
    "一次评估的耗时：计数、判定与写入。",
);
pub const LAST_TICK: Family =
    gauge("qianshao_last_tick_timestamp_seconds", &[], "The logical moment of the newest tick.", "最新评估时刻。");
pub const FINDINGS: Family = gauge(
    "qianshao_findings",
    &[],
    "Rows that the rules returned at the newest tick.",
    "最新评估时刻各规则返回的行数。",
);
pub const ALERT_CHANGES: Family = counter(
    "qianshao_alert_changes_total",
    &["state", "severity"],
    "Revisions of alerts that were written.",
    "已写入的预警修订数。",
);

pub const SEATED: Family = gauge(
    "qianshao_publisher_seated",
    &[],
    "1 while this process is the one that publishes.",
    "本进程为发布者时为 1。",
);
pub const TRANSACTIONS: Family = counter(
    "qianshao_publish_transactions_total",
    &["outcome"],
    "Kafka transactions by outcome: yes, no (aborted), unknown (read back), fenced (another publisher took over).",
    "Kafka 事务次数：yes 成功，no 中止，unknown 结果不明（回读），fenced 已被其他发布者接替。",
);
pub const PUBLISHED_MESSAGES: Family = counter(
    "qianshao_published_messages_total",
    &[],
    "Messages in transactions that were a yes.",
    "成功事务中的消息数。",
);
pub const PUBLISHED_ROWS: Family = counter(
    "qianshao_published_rows_total",
    &["kind"],
    "Rows that became visible in Kafka: alerts, and dead letters.",
    "已在 Kafka 可见的行数：预警（alert）与死信（dead_letter）。",
);
pub const PUBLISH_FAILURES: Family = counter(
    "qianshao_publish_failures_total",
    &["code"],
    "Rounds of publishing that ended with a problem, by its code.",
    "以问题告终的发布轮次，按问题代码。",
);

pub const CPU: Family =
    counter("process_cpu_seconds_total", &[], "Processor time that this process has used.", "进程已用处理器时间。");
pub const MEMORY: Family =
    gauge("process_resident_memory_bytes", &[], "Memory that this process occupies.", "进程占用内存。");
pub const VIRTUAL_MEMORY: Family =
    gauge("process_virtual_memory_bytes", &[], "Address space that this process has asked for.", "进程地址空间。");
pub const THREADS: Family = gauge("process_threads", &[], "Threads of this process.", "线程数。");
pub const OPEN_FDS: Family = gauge("process_open_fds", &[], "Open files and sockets.", "已打开的文件与套接字数。");
pub const MAX_FDS: Family = gauge("process_max_fds", &[], "How many it may open.", "可打开的上限。");
pub const START_TIME: Family = gauge(
    "process_start_time_seconds",
    &[],
    "When this process began, in seconds since 1970.",
    "进程启动时刻（1970 年起的秒数）。",
);

/// Every metric, in the order of the page.
pub const ALL: &[Family] = &[
    BUILD,
    READY,
    LAST_TURN,
    CONSUMED,
    ACCEPTED,
    QUARANTINED,
    EPOCHS,
    WAITING,
    LAG,
    END_OFFSET,
    BROKERS,
    COMMITS,
    COMMIT_SECONDS,
    LOG_VERSION,
    LOG_KNOWN_AT,
    LOG_OFFSET,
    TICKS,
    TICK_SECONDS,
    LAST_TICK,
    FINDINGS,
    ALERT_CHANGES,
    SEATED,
    TRANSACTIONS,
    PUBLISHED_MESSAGES,
    PUBLISHED_ROWS,
    PUBLISH_FAILURES,
    CPU,
    MEMORY,
    VIRTUAL_MEMORY,
    THREADS,
    OPEN_FDS,
    MAX_FDS,
    START_TIME,
];
