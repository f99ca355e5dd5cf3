"""A mail server made of aiosmtpd: aiosmtpd_server.py CHAIN_PEM FOLDER

Two ports on loopback, one with TLS from the first byte and one with STARTTLS, written to standard
output as JSON once they are open. Logins need the one password. Each mail that is taken becomes
FOLDER/N.eml (its content as aiosmtpd read it, without the stuffed dots) and FOLDER/N.json. Each
login becomes a line of FOLDER/logins. It ends when its standard input does.
"""

import asyncio
import json
import ssl
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

LOGIN = b"billing@example.com"
PASSWORD = b"app-password"
SIZE_LIMIT_BYTES = 22 * 1024 * 1024

chain, folder = sys.argv[1], Path(sys.argv[2])


class Handler:
    """Takes mail for a few people, from the address of the login."""

    def __init__(self):
        self.count = 0

    async def handle_RCPT(self, _server, session, envelope, address, options):
        """The same refusals as the suite's Postfix."""
        if envelope.mail_from.encode("ascii") != session.auth_data.login:
            return f"553 5.7.1 <{envelope.mail_from}>: Sender address rejected: not owned by user"
        if address.startswith("later@"):
            return f"450 4.2.0 <{address}>: Recipient address rejected: try later"
        if address.startswith("nobody@"):
            return f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server, _session, envelope):
        """Records the mail; its description last, so that who sees it sees a whole mail."""
        if len(envelope.original_content) > SIZE_LIMIT_BYTES:
            return "552 5.3.4 Error: message file too big"
        self.count += 1
        (folder / f"{self.count}.eml").write_bytes(envelope.original_content)
        described = {"from": envelope.mail_from, "to": envelope.rcpt_tos}
        (folder / f"{self.count}.json").write_text(json.dumps(described))
        return f"250 2.0.0 mail {self.count}"


def authenticate(_server, _session, _envelope, _mechanism, data):
    """One login, one password; every try is recorded."""
    good = isinstance(data, LoginPassword) and data == LoginPassword(LOGIN, PASSWORD)
    with (folder / "logins").open("a") as logins:
        logins.write("ok\n" if good else "refused\n")
    # Not handled: aiosmtpd says 535 by itself.
    return AuthResult(success=good, handled=False, auth_data=data)


async def serve():
    """Opens both ports and serves until standard input ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    handler = Handler()
    common = {
        "hostname": "aiosmtpd.test",
        "auth_required": True,
        "authenticator": authenticate,
    }
    loop = asyncio.get_running_loop()

    def implicit():
        # aiosmtpd does not know that a connection is encrypted which it did not encrypt itself.
        return SMTP(handler, auth_require_tls=False, data_size_limit=SIZE_LIMIT_BYTES, **common)

    def starttls():
        # Without a limit there is no SIZE in the answer to EHLO.
        return SMTP(
            handler, tls_context=context, require_starttls=True, data_size_limit=None, **common
        )

    servers = [
        await loop.create_server(implicit, "127.0.0.1", 0, ssl=context),
        await loop.create_server(starttls, "127.0.0.1", 0),
    ]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(serve())
