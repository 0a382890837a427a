//! Problems of a running process as probes and people on duty see them.

use super::Code;

pub const ROLE_STARTING: Code = Code {
    id: "QS-O001",
    reason: "role_starting",
    en: "a part of the process has not started yet",
    zh: "进程的某一部分尚未启动",
    help: "wait: a start reads the log first; if it stays so, the process's log says at what it stands",
};

pub const STOPPING: Code = Code {
    id: "QS-O002",
    reason: "stopping",
    en: "the process is ending",
    zh: "进程正在结束",
    help: "nothing to do: what is in flight is finished or read again at the next start",
};

pub const LOOP_STANDS: Code = Code {
    id: "QS-O003",
    reason: "loop_stands",
    en: "a loop of the process does not come round",
    zh: "进程的某一循环停滞",
    help: "restart the process, which is always safe; keep its log, because this should not happen",
};

pub const NOT_ANSWERED: Code = Code {
    id: "QS-O004",
    reason: "not_answered",
    en: "the process does not answer its probes",
    zh: "进程未应答探测",
    help: "is it running, and is this its observe.address",
};

pub const ALL: &[Code] = &[ROLE_STARTING, STOPPING, LOOP_STANDS, NOT_ANSWERED];
