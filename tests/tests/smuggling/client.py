"""Sends SMTP sessions byte for byte and notes every reply.

Input, a file of JSON lines: {"id", "sender", "recipient", "head", "tail", "cuts"}; head and tail
are the content after DATA in hex, and tail is what the row is about.
Output, JSON lines: {"id", "way", "recipient", "replies"}.

Each row is sent in one write, cut at each offset of "cuts" within the tail, and with its tail a
byte at a time. Before a next piece goes, the server has read the last one: its receive queue in
/proc/net/tcp is empty. So no kernel puts two pieces together again.
"""

import errno
import json
import os
import socket
import struct
import sys


class Session:
    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.socket.makefile("rb")
        self.diagnosis = Diagnosis(self.socket.getpeername(), self.socket.getsockname())
        self.reply()

    def reply(self):
        """The code of the next reply, or None at the end."""
        while True:
            try:
                line = self.lines.readline()
            except ConnectionResetError:
                line = b""
            if not line:
                return None
            assert line.endswith(b"\r\n"), line
            if line[3:4] != b"-":
                return line[:-2].decode()

    def say(self, command):
        self.socket.sendall(command.encode() + b"\r\n")
        return self.reply()

    def send(self, piece):
        """False when the server has hung up."""
        try:
            self.socket.sendall(piece)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def rest(self):
        replies = []
        while (reply := self.reply()) is not None:
            replies.append(reply)
        self.socket.close()
        self.diagnosis.close()
        return replies


class Diagnosis:
    """Asks the kernel about the server's end of a connection (man 7 sock_diag)."""

    SOCK_DIAG, BY_FAMILY, REQUEST = 4, 20, 1
    ALL_STATES, NO_COOKIE = 0xFFFFFFFF, b"\xff" * 8

    def __init__(self, server, client):
        self.netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, self.SOCK_DIAG)
        ends = [socket.inet_aton(end[0]) for end in (server, client)]
        query = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, self.ALL_STATES)
        query += struct.pack("!HH4s12x4s12xI8s", server[1], client[1], *ends, 0, self.NO_COOKIE)
        header = struct.pack("=IHHII", 16 + len(query), self.BY_FAMILY, self.REQUEST, 0, 0)
        self.query = header + query

    def unread_bytes(self):
        """0 also when the server has closed its end."""
        self.netlink.send(self.query)
        answer = self.netlink.recv(4096)
        (kind,) = struct.unpack_from("=H", answer, 4)
        if kind == self.BY_FAMILY:
            return struct.unpack_from("=I", answer, 72)[0]
        (error,) = struct.unpack_from("=i", answer, 16)
        assert -error == errno.ENOENT, os.strerror(-error)
        return 0

    def close(self):
        self.netlink.close()


def ways(row):
    head, tail = bytes.fromhex(row["head"]), bytes.fromhex(row["tail"])
    yield "in one write", [head + tail]
    for cut in row["cuts"]:
        yield f"cut at {cut}", [head + tail[:cut], tail[cut:]]
    yield "a byte at a time", [head, *(tail[i : i + 1] for i in range(len(tail)))]


def run(address, row, pieces, recipient):
    session = Session(*address)
    before = [
        session.say("EHLO app.example"),
        session.say(f"MAIL FROM:<{row['sender']}>"),
        session.say(f"RCPT TO:<{recipient}>"),
        session.say("DATA"),
    ]
    assert [reply[:3] for reply in before] == ["250", "250", "250", "354"], before
    for piece in pieces:
        if not session.send(piece):
            break
        while session.diagnosis.unread_bytes():
            os.sched_yield()
    return session.rest()


def main():
    address = (sys.argv[1], int(sys.argv[2]))
    with open(sys.argv[3], encoding="ascii") as rows:
        for line in rows:
            row = json.loads(line)
            for number, (way, pieces) in enumerate(ways(row)):
                recipient = row["recipient"].replace("*", str(number))
                # A second mail within the tail goes to a recipient of its own.
                mark = b"number%03d" % number
                pieces = replace(pieces, b"number000", mark)
                replies = run(address, row, pieces, recipient)
                case = {"id": row["id"], "way": way, "recipient": recipient, "replies": replies}
                print(json.dumps(case))


def replace(pieces, old, new):
    """The same pieces with a mark of the same length replaced, also where it is cut."""
    assert len(old) == len(new)
    sizes, whole = [len(piece) for piece in pieces], b"".join(pieces).replace(old, new)
    start = 0
    for size in sizes:
        yield whole[start : start + size]
        start += size


if __name__ == "__main__":
    main()
