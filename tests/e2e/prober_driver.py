# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of sluice-prober share: a namespace of their own, the agent's side of the channel, cases."""
import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
PROGRAM = os.path.join(BUILD, "sluice-prober")
INSTANCE = os.environ.get("LAB_INSTANCE", f"e{os.getpid()}")
PATIENCE_S = 60  # for what comes at once on a machine that is not busy


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def enter_namespace():
    """Runs this program again within a network namespace that goes when it ends."""
    name = f"sl-{INSTANCE}-prober"
    if "SLUICE_PROBER_INSIDE" in os.environ:  # whatever its name: never twice
        return
    if os.geteuid() != 0:
        print("not ok - needs root: sudo make check\n0 passed, 1 failed")
        sys.exit(1)
    run("ip", "netns", "add", name)
    try:
        inside = dict(os.environ, SLUICE_PROBER_INSIDE=name, LAB_INSTANCE=INSTANCE)
        code = subprocess.run(["nsenter", f"--net=/run/netns/{name}", *sys.argv], env=inside, check=False).returncode
    except KeyboardInterrupt:
        code = 130
    finally:
        run("ip", "netns", "del", name)
    sys.exit(code)


class Prober:
    """A sluice-prober, and what it has said."""

    def __init__(self, files=None, unprivileged=False, stderr=None):
        self.channel, theirs = socket.socketpair()
        self.text = b""
        self.results, self.alerts, self.pongs, self.hello = [], [], [], None
        command = [PROGRAM]
        if unprivileged:
            command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *unprivileged, PROGRAM]
        if files:
            command = ["prlimit", f"--nofile={files}", *command]

        def put_channel():
            os.dup2(theirs.fileno(), 3)

        self.process = subprocess.Popen(command, preexec_fn=put_channel, close_fds=True, pass_fds=(3,), stderr=stderr)
        theirs.close()
        atexit.register(self.kill)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def order(self, **parts):
        self.say(json.dumps({"remove": [], "set": [], "check": [], "alerts": [], **parts}).encode() + b"\n")

    def say(self, text):
        self.channel.sendall(text)

    def read(self, seconds):
        """Takes in what comes within so many seconds; False: nothing came, or the channel is closed."""
        if not select.select([self.channel], [], [], max(0, seconds))[0]:
            return False
        text = self.channel.recv(1 << 20)
        *lines, self.text = (self.text + text).split(b"\n")
        for line in lines:
            report = json.loads(line)
            self.hello = report.get("hello", self.hello)
            self.results += report["results"]
            self.alerts += report["alerts"]
            self.pongs += [report["pong"]] if "pong" in report else []
        return bool(text)

    def listen(self, seconds):
        """Takes in all that comes within so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(end - time.monotonic())

    def wait(self, done):
        """Reads until done() gives something, and gives that; None: it did not."""
        end = time.monotonic() + PATIENCE_S
        while not (found := done()):
            if not self.read(end - time.monotonic()):
                return None
        return found

    def result(self, number, count=1, once=False):
        """The last of the first `count` results of a probe."""
        def found():
            of = [r for r in self.results if r["id"] == number and r["once"] == once]
            return of[count - 1] if len(of) >= count else None
        return self.wait(found) or {"ok": None, "what": "there is no result"}

    def alert(self, number):
        return self.wait(lambda: next((a for a in self.alerts if a["id"] == number), None)) or {"ok": None, "what": ""}

    def sync(self, number):
        """All that was ordered before has been read."""
        self.order(ping=number)
        return self.wait(lambda: number in self.pongs)

    def close(self):
        """Closes the channel and gives the exit code."""
        self.channel.close()
        return self.process.wait(PATIENCE_S)


def probe(number, kind, **fields):
    return {"id": number, "kind": kind, "service": "web", "backend": "10.0.1.11", "address": "127.0.0.1", "verify": True,
            "interval_ms": 1000, "timeout_ms": 1000, "retry_ms": 100, **fields}


class Cases:
    """Counts, prints, and closes with the summary that tests/run reads."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, good, shown=""):
        if good:
            self.passed += 1
            print(f"ok - {name}")
        else:
            self.failed += 1
            print(f"not ok - {name}\n    {shown}")

    def equal(self, name, expected, got):
        self.check(name, expected == got, f"expected: {expected}\n         got: {got}")

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed else 0)


def start(*command, **more):
    """A server that ends with this program."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    atexit.register(process.wait)
    atexit.register(process.kill)
    return process


def until(done):
    """Whether it comes true."""
    end = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def listens(port, address="127.0.0.1", udp=False):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as sock:
        try:
            if not udp:
                sock.connect((address, port))
                return True
            sock.bind((address, port))
        except OSError:
            return udp
    return False


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ---- servers that do what no good one does --------------------------------------------------------------


class Odd(threading.Thread):
    """A TCP server that answers every connection with some bytes, and keeps it open or not."""

    def __init__(self, answer, keeps):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.answer, self.keeps, self.kept = answer, keeps, []
        self.start()

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            connection.recv(65536)
            connection.sendall(self.answer)
            if self.keeps:
                self.kept.append(connection)
            else:
                connection.close()


class Liar(threading.Thread):
    """A DNS server that answers what nobody has asked."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            query, peer = self.socket.recvfrom(512)
            for wrong in (bytes([query[0] ^ 1]) + query[1:], b"", b"x" * 300):
                self.socket.sendto(wrong, peer)


class Hook(threading.Thread):
    """Takes POST requests, answers with a status, and keeps what came."""

    def __init__(self, status):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/hook"
        self.status, self.seen = status, []
        self.start()

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            with connection, connection.makefile("rb") as file:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += file.readline()
                length = int(head.lower().split(b"content-length:")[1].split()[0])
                self.seen.append((head.decode(), file.read(length).decode()))
                connection.sendall(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
