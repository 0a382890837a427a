"""Apache Kafka brokers that are killed, frozen and started again, and a wire that loses the answer to a commit.

Promises: data outlive a kill; a broker counts as up when it says so itself.
Never: needs Docker. The jars are those of tests/live/kafka/kafka-up.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KAFKA = ROOT / "tests/live/kafka"
CLUSTER = "cWlhbnNoYW8tdGVzdC1rYQ"
END_TXN = 26

PROPERTIES = """node.id={node}
process.roles=broker,controller
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},PROXIED://127.0.0.1:{proxied}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},PROXIED://127.0.0.1:{wire}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
num.partitions=4
default.replication.factor={replicas}
min.insync.replicas={insync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={insync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={insync}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
# A member that was killed is missed after two seconds instead of six: every schedule waits for it.
group.min.session.timeout.ms=1000
broker.session.timeout.ms=4000
"""


class Brokers:
    """One broker, or a cluster of them."""

    def __init__(self, folder, port, nodes=1):
        self.folder, self.port, self.nodes = Path(folder), port, nodes
        self.running = {}
        self.jars = subprocess.run([KAFKA / "kafka-jars"], check=True, capture_output=True, text=True).stdout.strip()
        for node in range(1, nodes + 1):
            self.prepare(node)

    def prepare(self, node):
        place = self.folder / f"broker-{node}"
        place.mkdir(parents=True)
        voters = ",".join(f"{one}@127.0.0.1:{self.port + 100 + one}" for one in range(1, self.nodes + 1))
        (place / "server.properties").write_text(PROPERTIES.format(
            node=node, voters=voters, plain=self.port + node, controller=self.port + 100 + node,
            proxied=self.port + 300 + node, wire=self.port + 400 + node, data=place / "data",
            replicas=min(self.nodes, 3), insync=2 if self.nodes > 2 else 1))
        format_log = ["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER, "--config", place / "server.properties"]
        subprocess.run([*self.java("128m"), *format_log], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def java(self, heap):
        logging = f"-Dlog4j2.configurationFile={KAFKA / 'log4j2.properties'}"
        return ["java", f"-Xmx{heap}", "-XX:TieredStopAtLevel=1", logging, "-cp", f"{self.jars}/*"]

    @property
    def servers(self):
        return ",".join(f"127.0.0.1:{self.port + node}" for node in range(1, self.nodes + 1))

    def start(self, *nodes):
        nodes = nodes or range(1, self.nodes + 1)
        for node in nodes:
            place = self.folder / f"broker-{node}"
            log = open(place / "kafka.log", "w")
            words = [*self.java("384m"), "kafka.Kafka", place / "server.properties"]
            self.running[node] = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        for node in nodes:
            log = self.folder / f"broker-{node}" / "kafka.log"
            until(f"broker {node} serves", lambda: "Kafka Server started" in log.read_text())

    def kill(self, node=1):
        self.running[node].kill()
        self.running[node].wait()

    def freeze(self, node=1):
        os.kill(self.running[node].pid, signal.SIGSTOP)

    def thaw(self, node=1):
        os.kill(self.running[node].pid, signal.SIGCONT)

    def stop(self):
        for broker in self.running.values():
            broker.kill()
            broker.wait()


class Wire:
    """Between client and broker; once armed, the answer to the next `EndTxn` never arrives."""

    def __init__(self, brokers):
        self.broker = brokers.port + 301
        self.address = f"127.0.0.1:{brokers.port + 401}"
        self.armed = threading.Event()
        self.struck = threading.Event()
        listener = socket.create_server(("127.0.0.1", brokers.port + 401))
        threading.Thread(target=self.accept, args=[listener], daemon=True).start()

    def accept(self, listener):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", self.broker))
            silent = threading.Event()
            threading.Thread(target=self.requests, args=[client, server, silent], daemon=True).start()
            threading.Thread(target=self.answers, args=[server, client, silent], daemon=True).start()

    def requests(self, client, server, silent):
        try:
            while True:
                length = exactly(client, 4)
                request = exactly(client, struct.unpack(">i", length)[0])
                if struct.unpack(">h", request[:2])[0] == END_TXN and self.armed.is_set():
                    self.armed.clear()
                    silent.set()
                    self.struck.set()
                server.sendall(length + request)
        except OSError:
            shut(server)

    def answers(self, server, client, silent):
        try:
            while data := server.recv(65536):
                if not silent.is_set():
                    client.sendall(data)
        except OSError:
            pass
        shut(client)


def exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data


def shut(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def until(what, holds, patience=120, each=0.1):
    """Waits for what must come; the patience is for a busy machine, not a promise."""
    end = time.monotonic() + patience
    while not (answer := holds()):
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {patience} s")
        time.sleep(each)
    return answer


class Failed(Exception):
    """A promise that does not hold."""


def ended(main):
    """Runs a suite; a promise that does not hold ends it with its words."""
    try:
        main()
    except Failed as failed:
        sys.exit(f"failed: {failed}")
