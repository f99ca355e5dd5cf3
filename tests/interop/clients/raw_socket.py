"""Writes bytes after DATA that no library would send: raw_socket.py PORT FROM TO FILE

The transaction is in lockstep up to 354; then FILE goes out as it is, in one write. Prints each
reply line that comes after it, until the server closes or has answered QUIT.
"""

import socket
import sys

port, sender, recipient, path = sys.argv[1:]
with open(path, "rb") as file:
    content = file.read()

connection = socket.create_connection(("127.0.0.1", int(port)), timeout=60)
replies = connection.makefile("rb")


def reply():
    """One reply, as lines; empty at the end of the connection."""
    lines = []
    while line := replies.readline():
        lines.append(line.decode("ascii").rstrip("\r\n"))
        if line[3:4] != b"-":
            break
    return lines


def say(command, code):
    """Says a command that must be answered with this code."""
    if command:
        connection.sendall(command.encode("ascii") + b"\r\n")
    lines = reply()
    if not lines or not lines[-1].startswith(code):
        sys.exit(f"{command!r} was answered {lines}")


say("", "220")
say("EHLO app.example", "250")
say(f"MAIL FROM:<{sender}>", "250")
say(f"RCPT TO:<{recipient}>", "250")
say("DATA", "354")
connection.sendall(content)
try:
    while lines := reply():
        print("\n".join(lines), flush=True)
        if lines[-1].startswith("221"):
            break
        connection.sendall(b"QUIT\r\n")
except (BrokenPipeError, ConnectionResetError):
    pass
