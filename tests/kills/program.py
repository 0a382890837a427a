"""The program as people start it, its configuration, its city, and what stands on its disk and in its topics."""

import json
import os

import signal
import subprocess
from collections import Counter
from pathlib import Path

from brokers import Failed, until

CONFIG = """[kafka]
bootstrap_servers = "{servers}"
topic_prefix = "{prefix}"
group_id = "{prefix}"
session_timeout_ms = 2000
{instance}
[state]
folder = "{state}"
[identity]
key_file = "identity.key"
[epoch]
messages_max = {messages}
[folders]
registers = "city/registers"
[detect]
pack = "2021-CF"
[serve]
roles = [{roles}]
sql_address = "127.0.0.1:{sql_port}"
[observe]
address = "off"
"""
ROLES = ("consume", "detect", "publish")


class Life:
    """One process from its start to its end."""

    def __init__(self, program, folder, config, name, environment, before=()):
        self.outlived_its_broker = False
        self.log_path, self.said = folder / f"{name}.log", folder / f"{name}.out"
        environment = {**os.environ, "QIANSHAO_LOG": "info,qianshao=debug", **environment}
        words = [*before, program, "serve", "-c", config]
        with open(self.said, "w") as said, open(self.log_path, "w") as log:
            self.process = subprocess.Popen(words, cwd=folder, stdout=said, stderr=log, stdin=subprocess.DEVNULL, env=environment)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def count(self, *words):
        return sum(all(word in line for word in words) for line in self.log().splitlines())

    def says(self, *words, patience=120):
        def holds():
            if self.process.poll() is not None and not self.count(*words):
                raise Failed(f"it ended ({self.process.returncode}) before it said {words}: {self.log()[-2000:]}")
            return self.count(*words)
        until(f"{self.log_path.name} says {words}", holds, patience)

    def ready(self):
        def holds():
            if self.process.poll() is not None:
                raise Failed(f"it ended ({self.process.returncode}): {self.log()[-2000:]}")
            return "ready" in self.said.read_text()
        until("it is ready", holds)
        return self

    def send(self, number):
        os.kill(self.process.pid, number)

    def frozen(self):
        return Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        if self.process.returncode != 0:
            raise Failed(f"stopped with {self.process.returncode}: {self.log()[-2000:]}")

    def replayed(self):
        """Epochs that were read and did not become a commit of this life: the next one reads them again."""
        return self.count("epoch read") - self.count("epoch committed")


class Deployment:
    """A folder with a state, a city that was sent, and every life that worked on it."""

    def __init__(self, program, folder, brokers, prefix, state="state"):
        self.program, self.folder, self.brokers, self.prefix, self.state = program, Path(folder), brokers, prefix, state
        self.folder.mkdir(parents=True)
        key = self.folder / "identity.key"
        key.write_text("5a" * 32)
        key.chmod(0o600)
        self.lives, self.total, self.log = [], 0, None

    def run(self, *words, fails=False):
        done = subprocess.run([self.program, *map(str, words)], cwd=self.folder, capture_output=True, text=True)
        if (done.returncode != 0) != fails:
            raise Failed(f"qianshao {' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout if not fails else done.stderr

    def ask(self, query):
        return self.run("sql", "--state", self.state, "--format", "csv", "-c", query).splitlines()[1:]

    def send_city(self, seed, days=2, scale=1.0, *more):
        to = f"kafka://{self.brokers.servers}"
        self.run("simulate", "--to", to, "--prefix", self.prefix, "--seed", seed, "--days", days, "--scale", scale, "--ledger", "city", *more)
        with open(self.folder / "city/ledger.ndjson") as ledger:
            self.total = sum('"line":"message"' in line for line in ledger)

    def config(self, name, roles, servers=None, messages=100, sql_port=0, shared=True):
        instance = f'group_instance_id = "{name}"' if shared else ""
        text = CONFIG.format(servers=servers or self.brokers.servers, prefix=self.prefix, instance=instance, state=self.state,
                             messages=messages, roles=", ".join(f'"{role}"' for role in roles), sql_port=sql_port)
        path = self.folder / f"{name}.toml"
        path.write_text(text)
        return path

    def start(self, name="one", roles=ROLES, fault=None, environment=None, before=(), **config):
        environment = {**(environment or {}), **({"QIANSHAO_FAULT": fault} if fault else {})}
        path = self.config(name, roles, **config)
        life = Life(self.program, self.folder, path, f"{name}-{len(self.lives):03}", environment, before)
        self.lives.append(life)
        return life

    def consumed(self):
        self.log = self.log or SignalsLog(self.folder / self.state / "tables/signals/_delta_log")
        return self.log.read()

    def lag(self):
        return self.total - self.consumed()

    def progress(self, beyond, life=None, patience=90):
        def holds():
            if life and life.process.poll() is not None:
                raise Failed(f"it ended ({life.process.returncode}): {life.log()[-3000:]}")
            # Who stood at the last message can only stay there.
            return self.consumed() > min(beyond, self.total - 1)
        until(f"more than {beyond} messages are committed", holds, patience)

    def balanced(self):
        wrong = self.ask("SELECT count(*) FROM accounting WHERE accepted + duplicates + quarantined <> consumed")
        if wrong != ["0"]:
            raise Failed(f"{wrong[0]} partitions do not add up")

    def settle(self):
        """Everything is read, judged and published."""
        until("everything is read", lambda: self.lag() == 0, 400)
        self.judge_all(240)
        until("everything is published", lambda: self.revisions() == self.visible(), 240, 0.5)

    def judge_all(self, patience):
        judged = "SELECT CAST(max(t.tick) >= (SELECT max(known_at) FROM signal_history) AS VARCHAR) FROM ticks t"
        until("everything is judged", lambda: self.ask(judged) == ["true"], patience, 0.5)

    def revisions(self):
        return Counter(self.ask("SELECT concat(alert_id, ':', CAST(revision AS VARCHAR)) FROM alert_history"))

    def visible(self):
        return Counter(f"{value['alert_id']}:{value['revision']}" for value in map(body, self.topic("read_committed")))

    def topic(self, isolation):
        return read(self.brokers.servers, lambda name: name == f"{self.prefix}.alert.changed.v1", isolation)

    def aborted(self):
        ours = lambda name: name.startswith(f"{self.prefix}.") and ".feed." not in name
        return sum(len(read(self.brokers.servers, ours, level)) * sign for level, sign in (("read_uncommitted", 1), ("read_committed", -1)))

    def judged(self):
        """The topic is the table, and the oracle finds nothing."""
        table, topic = self.revisions(), self.visible()
        if table != topic or not table:
            raise Failed(f"{sum(table.values())} revisions in the table, {sum(topic.values())} in the topic; "
                         f"missing {list((table - topic).elements())[:5]}, too many {list((topic - table).elements())[:5]}")
        lines = [json.dumps({"partition": m.partition(), "offset": m.offset(), "key": (m.key() or b"").decode(), "value": body(m)})
                 for m in self.topic("read_committed")]
        (self.folder / "topic.ndjson").write_text("\n".join(lines))
        verdict = self.run("oracle", "--ledger", "city/ledger.ndjson", "--state", self.state, "--topic", "topic.ndjson")
        if not verdict.startswith("0 faults"):
            raise Failed(verdict[-2000:])
        return sum(table.values())

    def end(self):
        for life in self.lives:
            if life.process.poll() is None:
                life.send(signal.SIGCONT)
                life.kill()


class SignalsLog:
    """The log's own entries, read as text: offsets join from commit to commit, or this fails."""

    def __init__(self, folder):
        self.folder, self.next, self.marks, self.commits = folder, 0, {}, 0

    def read(self):
        """Messages whose offsets are committed."""
        while (path := self.folder / f"{self.next:020}.json").exists():
            actions = [json.loads(line) for line in path.read_text().splitlines()]
            self.next += 1
            moved = {a["txn"]["appId"][3:]: a["txn"]["version"] for a in actions if a.get("txn", {}).get("appId", "").startswith("in/")}
            for add in (a["add"] for a in actions if a.get("add", {}).get("dataChange")):
                self.commits += 1
                for place, (begin, end) in json.loads(add["tags"]["qs.offsets"]).items():
                    if begin != self.marks.get(place, 0) or end != moved.get(place):
                        raise Failed(f"{path.name}: rows [{begin},{end}) of {place} where the log stood at {self.marks.get(place, 0)}, "
                                     f"and the commit says {moved.get(place)}")
            for place, to in moved.items():
                if to < self.marks.get(place, 0):
                    raise Failed(f"{path.name}: {place} steps back from {self.marks[place]} to {to}")
            self.marks.update(moved)
        return sum(to for place, to in self.marks.items() if ".feed." in place)


def body(message):
    return json.loads(message.value())


def read(servers, wanted, isolation):
    """Every message of the topics that are wanted, at an isolation level."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "kills-reader", "isolation.level": isolation,
                         "enable.partition.eof": True, "enable.auto.commit": False, "log_level": 2})
    topics = consumer.list_topics(timeout=30).topics
    open_ = [TopicPartition(name, p, OFFSET_BEGINNING) for name, topic in topics.items() if wanted(name) for p in topic.partitions]
    consumer.assign(open_)
    left, messages = {(one.topic, one.partition) for one in open_}, []
    silent = 0
    while left:
        message = consumer.poll(1)
        silent = silent + 1 if message is None else 0
        if silent > 60:
            raise Failed(f"{len(left)} partitions do not come to their end")
        if message is None:
            continue
        if message.error() is None:
            messages.append(message)
        elif message.error().code() == KafkaError._PARTITION_EOF:
            left.discard((message.topic(), message.partition()))
    consumer.close()
    return messages


