//! Every key of the configuration: its default, its unit, what it is for and why the default is what it is.
//!
//! Promises: one entry a key. Reading, refusing, docs/configuration.md and deploy/qianshao.toml all follow from here.

/// What may stand behind a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of at least one of these words.
    Several(&'static [&'static str]),
    Whole {
        min: u64,
        max: u64,
    },
    /// A file or folder; a relative one starts at the folder of the configuration file.
    Path,
    /// librdkafka's names and texts.
    Settings,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub section: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    /// As words: lists are separated by spaces. Without one the key may be left out.
    pub default: Option<&'static str>,
    /// What deploy/qianshao.toml shows where the default would teach nothing.
    pub example: Option<&'static str>,
    pub unit: &'static str,
    pub en: &'static str,
    pub zh: &'static str,
}

/// What a process may be told to be.
pub const ROLES: &[&str] = &["consume", "detect", "publish", "serve"];
pub const ALGORITHMS: &[&str] = &["hmac-sha256", "hmac-sm3"];
/// The words of `alert::Mode`.
pub const MODES: &[&str] = &["actual", "exercise", "replay", "test"];

/// The edition for years without a campaign.
pub const PACK: &str = "routine";
pub const LOG_FORMATS: &[&str] = &["text", "json"];

/// The sections in the order of the documents.
pub const SECTIONS: &[(&str, &str, &str)] = &[
    ("kafka", "where messages come from and alerts go", "消息从哪里来，预警到哪里去"),
    ("state", "the log of everything that was taken in", "全部已入库数据的日志"),
    ("folders", "feeds, rules, registers and code lists as files", "数据流、规则、登记表与代码表"),
    ("identity", "how personal identifiers become tokens", "个人标识如何变为假名"),
    ("epoch", "how much one commit takes in", "一次提交收多少"),
    ("detect", "which edition of rules, and whether alerts are meant", "采用哪一版规则，预警是否为实情"),
    ("observe", "how this process is watched: probes, metrics, its log", "如何监视本进程：探测、指标与日志"),
    ("serve", "what this process does, and where it answers SQL", "本进程的职责与 SQL 地址"),
];

const fn key(section: &'static str, name: &'static str, kind: Kind, en: &'static str, zh: &'static str) -> Key {
    Key { section, name, kind, default: None, example: None, unit: "", en, zh }
}

impl Key {
    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }

    const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// As people say it: `kafka.group_id`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

/// Every key, by section.
pub const KEYS: &[Key] = &[
    key(
        "kafka",
        "bootstrap_servers",
        Kind::Text,
        "Brokers to ask first, `host:port` separated by commas. Name several: any one of them may be down.",
        "首先联系的代理，`主机:端口`，逗号分隔。请写多个，以防其中一个停机。",
    )
    .default("127.0.0.1:9092")
    .example("kafka-1.example:9093,kafka-2.example:9093,kafka-3.example:9093"),
    key(
        "kafka",
        "topic_prefix",
        Kind::Text,
        "What every topic name begins with. Another prefix lets an exercise share the brokers with the real thing.",
        "所有主题名的前缀。演练可用不同前缀与正式系统共用代理。",
    )
    .default("qianshao"),
    key(
        "kafka",
        "group_id",
        Kind::Text,
        "Processes of one group share the partitions. Progress stands in the log, not in the group.",
        "同组进程分担分区。进度记在日志中，不记在消费组里。",
    )
    .default("qianshao"),
    key(
        "kafka",
        "group_instance_id",
        Kind::Text,
        "A name for this process. One that comes back under its name within the session timeout keeps its partitions, so a restart moves nothing. Without it every restart is a rebalance.",
        "本进程的固定名称。会话超时之内以同名恢复的进程保留原有分区；不设则每次重启都会重新分配。",
    )
    .example("qianshao-1"),
    key(
        "kafka",
        "session_timeout_ms",
        Kind::Whole { min: 1_000, max: 300_000 },
        "After this silence a process counts as dead and others take its partitions. 6,000 is the least that a broker allows by its own defaults; librdkafka's 45,000 would be 45 s without data after a crash.",
        "静默超过此时长即视为进程失效，由其他进程接管。6000 是代理默认允许的最小值；librdkafka 默认 45000 意味着故障后 45 秒无数据。",
    )
    .default("6000")
    .unit("ms"),
    key(
        "kafka",
        "security",
        Kind::Settings,
        "A table of librdkafka's own names, in quotes. Passwords only as the file that holds them (`…_file`), so that a configuration can be shown to anyone. SSL needs a program built with `--features tls`.",
        "使用 librdkafka 原名的表，名称加引号。口令只写所在文件（`…_file`），配置文件便可示人。SSL 需以 `--features tls` 构建。",
    )
    .example("\"security.protocol\" = \"SASL_SSL\"\n\"ssl.ca.location\" = \"/etc/qianshao/ca.pem\"\n\"sasl.mechanism\" = \"SCRAM-SHA-512\"\n\"sasl.username\" = \"qianshao\"\n\"sasl.password_file\" = \"/etc/qianshao/kafka.password\""),
    key(
        "state",
        "folder",
        Kind::Path,
        "The Delta tables. A local disk that keeps what was synced: every commit waits for it. This folder is the backup.",
        "存放 Delta 表。须为同步写入可靠的本地磁盘，每次提交都等待落盘。备份即备份此文件夹。",
    )
    .default("/var/lib/qianshao"),
    key(
        "folders",
        "feeds",
        Kind::Path,
        "`<feed>/<kind>/` folders. Without it, the shipped feeds inside the program.",
        "`<数据流>/<消息种类>/` 文件夹。不设则用程序内置的数据流。",
    )
    .example("/etc/qianshao/feeds"),
    key(
        "folders",
        "rules",
        Kind::Path,
        "`<pack>/` folders with rules and their numbers. Without it, the shipped packs inside the program.",
        "`<规则包>/` 文件夹，含规则与参数。不设则用程序内置的规则包。",
    )
    .example("/etc/qianshao/rules"),
    key(
        "folders",
        "registers",
        Kind::Path,
        "facilities.csv, calendars.csv and expected_reports.csv of your area. Without it, those of the invented city, which fit nobody.",
        "本地区的 facilities.csv、calendars.csv、expected_reports.csv。不设则用虚构城市的登记表，不适用于任何真实地区。",
    )
    .example("/etc/qianshao/registers"),
    key(
        "folders",
        "codes",
        Kind::Path,
        "areas.csv and the other code lists. Without it, the shipped ones with the invented areas 99….",
        "areas.csv 等代码表。不设则用内置代码表（虚构地区 99…）。",
    )
    .example("/etc/qianshao/codes"),
    key(
        "identity",
        "key_file",
        Kind::Path,
        "One line: 64 or more hexadecimal digits, optionally after a key id and a colon. Needed by the role consume only. Lost, nobody can be matched with an earlier record; shared, tokens can be tried out. Readable by its owner alone.",
        "一行：64 位以上十六进制数字，前面可写密钥号和冒号。仅 consume 需要。丢失则无法与既往记录关联，外泄则假名可被试出。仅限属主可读。",
    )
    .example("/etc/qianshao/identity.key"),
    key(
        "identity",
        "algorithm",
        Kind::OneOf(ALGORITHMS),
        "The hash under the tokens; `hmac-sm3` where the State's commercial cryptography is required. A change makes new tokens: nobody is matched across it.",
        "假名所用的杂凑算法；要求商用密码时用 `hmac-sm3`。更换后生成新的假名，前后无法关联。",
    )
    .default("hmac-sha256"),
    key(
        "epoch",
        "messages_max",
        Kind::Whole { min: 1, max: 1_000_000 },
        "Messages in one commit. Larger delays the first alert after a backlog; smaller commits too often for the log.",
        "一次提交的消息数上限。过大会推迟积压后的首个预警，过小则提交过频。",
    )
    .default("20000")
    .unit("messages"),
    key(
        "epoch",
        "bytes_max",
        Kind::Whole { min: 65_536, max: 1_073_741_824 },
        "Bytes of messages in one commit: what bounds memory when messages are large. Decoding needs a few times as much.",
        "一次提交的字节上限，消息较大时用以限制内存。解码所需为其数倍。",
    )
    .default("16777216")
    .unit("bytes"),
    key(
        "epoch",
        "wait_ms_min",
        Kind::Whole { min: 1, max: 60_000 },
        "How long a commit waits for more messages when little comes. It is part of the delay of every alert. A slow disk lengthens it by itself: never shorter than the last commit took.",
        "消息少时一次提交等待的时间，计入每个预警的延迟。磁盘慢时自动延长，不短于上次提交的耗时。",
    )
    .default("50")
    .unit("ms"),
    key(
        "epoch",
        "wait_ms_max",
        Kind::Whole { min: 1, max: 60_000 },
        "The same under backlog, where fewer and larger commits take in more.",
        "积压时的等待时间；此时次数少、批量大的提交吞吐更高。",
    )
    .default("1000")
    .unit("ms"),
    key(
        "detect",
        "pack",
        Kind::Text,
        "The edition of rules in force: a folder name under rules. A change judges everything anew and withdraws what no longer holds. A rule judges only windows within its own validity: of an edition that is over, only what it extends is left.",
        "现行规则版本，即规则文件夹下的名称。更换后全部重新评估，不再成立的预警撤销。规则只评估自身有效期内的时间窗；版本过期后只剩其所继承的规则。",
    )
    .default(PACK),
    key(
        "detect",
        "mode",
        Kind::OneOf(MODES),
        "Stands in every alert: whether it is meant. Nobody should have to guess that an alert was an exercise.",
        "写入每条预警：是否为实情。不应让人猜测预警是不是演练。",
    )
    .default("actual"),
    key(
        "observe",
        "address",
        Kind::Text,
        "Where `/livez`, `/readyz` and `/metrics` answer over HTTP; `off` for nowhere, port 0 for a free one. They ask for no password and show topics, numbers and problems, never a message. In a container let it be `0.0.0.0:9180`.",
        "`/livez`、`/readyz`、`/metrics` 的 HTTP 地址；`off` 为关闭，端口 0 为任一空闲端口。不验证口令，只显示主题、数字与问题，不含消息内容。容器内可设为 `0.0.0.0:9180`。",
    )
    .default("127.0.0.1:9180"),
    key(
        "observe",
        "log_format",
        Kind::OneOf(LOG_FORMATS),
        "Lines for people, or one JSON object a line for machines. The environment's `QIANSHAO_LOG_FORMAT` comes first, as `QIANSHAO_LOG` does for what is logged.",
        "供人阅读的文本行，或每行一个 JSON 对象。环境变量 `QIANSHAO_LOG_FORMAT` 优先；记录哪些内容由 `QIANSHAO_LOG` 决定。",
    )
    .default("text"),
    key(
        "serve",
        "roles",
        Kind::Several(ROLES),
        "What this process does. Apart, each can stop without the others: they meet only in the state folder.",
        "本进程承担的职责。分开运行时互不影响，只通过 state 文件夹相接。",
    )
    .default("consume detect publish serve"),
    key(
        "serve",
        "sql_address",
        Kind::Text,
        "Where the read-only PostgreSQL port answers. Loopback only: it asks for no password yet.",
        "只读 PostgreSQL 端口的地址。目前不验证口令，因此只接受本机地址。",
    )
    .default("127.0.0.1:5433"),
];

/// The key of a section, where there is one.
pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// What was probably meant: compared with the name alone too, because a right key may stand in the wrong section.
pub fn nearest(section: &str, name: &str) -> Option<String> {
    /// Below this two words have little in common.
    const LIKENESS_MIN: f64 = 0.8;
    let asked = format!("{section}.{name}");
    let likeness = |key: &Key| strsim::jaro_winkler(&asked, &key.path()).max(strsim::jaro_winkler(name, key.name));
    let best = KEYS.iter().map(|key| (likeness(key), key)).max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= LIKENESS_MIN).then(|| best.1.path())
}
