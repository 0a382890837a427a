//! Problems of the log: tables, files, commits.

use super::Code;

pub const FILE_NOT_ENCODED: Code = Code {
    id: "QS-L001",
    reason: "file_not_encoded",
    en: "rows could not be written as a data file",
    zh: "数据行无法写成数据文件",
    help: "this is a fault of ours, not of the data: keep the message and report it",
};

pub const FILE_NOT_DECODED: Code = Code {
    id: "QS-L002",
    reason: "file_not_decoded",
    en: "a data file could not be read",
    zh: "数据文件无法读取",
    help: "the file is damaged or missing: set it aside and let its epoch be replayed, or restore a backup",
};

pub const COMMIT_GAVE_UP: Code = Code {
    id: "QS-L003",
    reason: "commit_gave_up",
    en: "a commit had no clear outcome",
    zh: "提交结果无法确定",
    help: "look at the disk and at other writers of the same state folder; nothing is lost, the next start reads the log and goes on",
};

pub const LOG_NOT_OPENED: Code = Code {
    id: "QS-L004",
    reason: "log_not_opened",
    en: "a table could not be opened",
    zh: "数据表无法打开",
    help: "restore the state folder from a backup, or set the table's folder aside and let Kafka replay it",
};

pub const LOG_TAIL_TORN: Code = Code {
    id: "QS-L005",
    reason: "log_tail_torn",
    en: "the newest log entry was not whole and has been set aside",
    zh: "最新日志条目不完整，已移开",
    help: "nothing to do: the offsets stepped back with the rows, and the messages are read again from Kafka",
};

pub const CHECKPOINT_BROKEN: Code = Code {
    id: "QS-L006",
    reason: "checkpoint_broken",
    en: "a checkpoint of the log was not whole and has been set aside",
    zh: "日志检查点不完整，已移开",
    help: "nothing to do: the log entries themselves are all there and a new checkpoint will be made",
};

pub const LOG_DAMAGED: Code = Code {
    id: "QS-L007",
    reason: "log_damaged",
    en: "a log entry older than the newest is damaged or missing",
    zh: "较早的日志条目损坏或缺失",
    help: "do not delete anything: restore the state folder from a backup",
};

pub const REGISTER_UNREADABLE: Code = Code {
    id: "QS-L008",
    reason: "register_unreadable",
    en: "a register or code list cannot be read",
    zh: "登记表或代码表无法读取",
    help: "compare its first line with the list of the same name in schemas/; every row needs as many fields as that line",
};

pub const DETECT_FENCED: Code = Code {
    id: "QS-L018",
    reason: "detect_fenced",
    en: "another process judges now; what this one judged was not written",
    zh: "另一进程已接管判定，本进程的结果未写入",
    help: "nothing to do: one process judges at a time, and this one waits for its turn",
};

pub const FILE_GONE: Code = Code {
    id: "QS-L009",
    reason: "file_gone",
    en: "a data file that the log names is missing",
    zh: "日志所列的数据文件缺失",
    help: "do not delete anything: look for the file where somebody may have moved it, else restore a backup",
};

pub const FILE_DAMAGED: Code = Code {
    id: "QS-L010",
    reason: "file_damaged",
    en: "a data file is not the one that the log names",
    zh: "数据文件与日志所记不符（截断或损坏）",
    help: "copy this one file from a backup: its name is its digest, so a file of this name is the right one; and look at the disk",
};

pub const ROWS_DISAGREE: Code = Code {
    id: "QS-L011",
    reason: "rows_disagree",
    en: "the rows of a data file are not those that the log describes",
    zh: "数据文件中的行与日志描述不符",
    help: "the file is whole, so the log entry that adds it is damaged: restore the state folder from a backup",
};

pub const ENTRY_TORN: Code = Code {
    id: "QS-L012",
    reason: "entry_torn",
    en: "the newest log entry is not whole",
    zh: "最新日志条目不完整",
    help: "start the pipeline: where the entry is cut or rows stand without their offsets it is set aside and read again from Kafka; if this is told afterwards too, restore a backup",
};

pub const CHECKPOINT_TORN: Code = Code {
    id: "QS-L013",
    reason: "checkpoint_torn",
    en: "a checkpoint of the log is not whole",
    zh: "日志检查点不完整",
    help: "start the pipeline: it sets the checkpoint aside; the entries say the same, and a new one will be made",
};

pub const OFFSETS_DO_NOT_JOIN: Code = Code {
    id: "QS-L014",
    reason: "offsets_do_not_join",
    en: "the offsets of successive epochs leave a gap or overlap",
    zh: "相邻批次的偏移量有缺口或重叠",
    help: "an epoch is missing or counted twice: restore the state folder from a backup, and report it",
};

pub const MESSAGE_TWICE: Code = Code {
    id: "QS-L015",
    reason: "message_twice",
    en: "a message stands in the tables twice",
    zh: "同一条消息在表中出现两次",
    help: "this is a fault of ours, not of the disk: keep the state folder and report it",
};

pub const HINT_BROKEN: Code = Code {
    id: "QS-L016",
    reason: "hint_broken",
    en: "the pointer to the newest checkpoint leads nowhere",
    zh: "最新检查点的指针文件无效",
    help: "stop the pipeline and delete this one file: it only saves a look into the folder, and the next checkpoint writes it anew",
};

pub const FILE_UNNAMED: Code = Code {
    id: "QS-L017",
    reason: "file_unnamed",
    en: "a file that the log does not name",
    zh: "日志未列的文件",
    help: "harmless: left by a commit that was refused or cut, or set aside by a start; while nothing runs it may be deleted",
};

pub const ALL: &[Code] = &[
    FILE_NOT_ENCODED,
    FILE_NOT_DECODED,
    COMMIT_GAVE_UP,
    LOG_NOT_OPENED,
    LOG_TAIL_TORN,
    CHECKPOINT_BROKEN,
    LOG_DAMAGED,
    REGISTER_UNREADABLE,
    DETECT_FENCED,
    FILE_GONE,
    FILE_DAMAGED,
    ROWS_DISAGREE,
    ENTRY_TORN,
    CHECKPOINT_TORN,
    OFFSETS_DO_NOT_JOIN,
    MESSAGE_TWICE,
    HINT_BROKEN,
    FILE_UNNAMED,
];
