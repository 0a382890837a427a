//! Problems at the Kafka ends: reading feeds, publishing alerts.

use super::Code;

pub const KAFKA_SETTING: Code = Code {
    id: "QS-K001",
    reason: "kafka_setting",
    en: "a Kafka setting is not known or cannot be used",
    zh: "Kafka 设置项未知或不可用",
    help: "see docs/configuration.md, section kafka",
};

pub const KAFKA_UNREACHABLE: Code = Code {
    id: "QS-K002",
    reason: "kafka_unreachable",
    en: "Kafka did not answer as it should",
    zh: "Kafka 未按预期应答",
    help: "check kafka.bootstrap_servers, the network, and that the broker is up; nothing is lost, work goes on when it answers",
};

pub const TOPIC_MISSING: Code = Code {
    id: "QS-K003",
    reason: "topic_missing",
    en: "a topic does not exist or may not be read",
    zh: "主题不存在或无权读取",
    help: "create the topic, or give this user Read and Describe on it; reading begins by itself when it is there",
};

pub const TOPIC_RECREATED: Code = Code {
    id: "QS-K004",
    reason: "topic_recreated",
    en: "a topic is not the one that was read before: it was deleted and created again",
    zh: "主题已被删除并重新创建，与先前读取的不是同一个",
    help: "if that was meant, `qianshao offsets --accept-gap TOPIC/PARTITION=OFFSET` says where to go on; until then the partition waits",
};

pub const RETENTION_GAP: Code = Code {
    id: "QS-K005",
    reason: "retention_gap",
    en: "the topic no longer holds messages that were not read yet",
    zh: "主题中尚未读取的消息已被清除",
    help: "ask the senders to send that range again, lengthen the topic's retention, then `qianshao offsets --accept-gap TOPIC/PARTITION=OFFSET`; until then the partition waits",
};

pub const PARTITION_ADDED: Code = Code {
    id: "QS-K006",
    reason: "partition_added",
    en: "a topic has a partition that was not there before; it is read from its beginning",
    zh: "主题新增了分区，将从头读取",
    help: "nothing to do if that was meant; senders that partition by key now put a key elsewhere than before",
};

pub const KAFKA_READ: Code = Code {
    id: "QS-K007",
    reason: "kafka_read",
    en: "reading from Kafka stopped",
    zh: "读取 Kafka 中断",
    help: "start again; reading resumes where the log ends. If it stops again, see the broker's log",
};

pub const TOPIC_SHAPE: Code = Code {
    id: "QS-K008",
    reason: "topic_shape",
    en: "a topic of ours is not set up as it must be",
    zh: "本系统主题的配置不符合要求",
    help: "set cleanup.policy=compact on it (kafka-configs --alter), or let this program create it",
};

pub const PUBLISH_STUCK: Code = Code {
    id: "QS-P001",
    reason: "publish_stuck",
    en: "messages could not be published after several attempts",
    zh: "多次尝试后消息仍未能发布",
    help: "nothing is lost: the rows stand in the log and go out when Kafka takes them; see the reason and the broker's log",
};

pub const PROGRESS_UNREADABLE: Code = Code {
    id: "QS-P002",
    reason: "progress_unreadable",
    en: "the publisher's own record of progress cannot be read",
    zh: "发布进度记录无法读取",
    help: "was it written by a newer program? Otherwise delete the progress topic: progress is then read back from the alert topics",
};

pub const ROW_SHAPE: Code = Code {
    id: "QS-P003",
    reason: "row_shape",
    en: "rows to publish lack a column or hold another type",
    zh: "待发布的数据缺少列或类型不符",
    help: "the table was written by another version: run this version's `qianshao check`",
};

pub const ALL: &[Code] = &[
    KAFKA_SETTING,
    KAFKA_UNREACHABLE,
    TOPIC_MISSING,
    TOPIC_RECREATED,
    RETENTION_GAP,
    PARTITION_ADDED,
    KAFKA_READ,
    TOPIC_SHAPE,
    PUBLISH_STUCK,
    PROGRESS_UNREADABLE,
    ROW_SHAPE,
];
