"""A real mail server for tests: keeps what it gets as files, and misbehaves on request.

smtp.py --folder FOLDER [--port PORT] [--certificate FILE --key FILE] [--tls] [--user NAME --password TEXT]

Prints `port=N` when it listens, and ends when its standard input does. With a certificate it offers
STARTTLS and takes nothing before it; with --tls it speaks TLS from the first byte. Each mail becomes
`NNNN.eml` (as it came) and then `NNNN.json` (who sent it to whom). FOLDER/behaviour says how to behave, one
word a line, read anew at every step:

  refuse ADDRESS   550 5.1.1 to this recipient
  relay ADDRESS    550 5.7.1 to this recipient: our fault, not the address's
  busy             451 to every recipient
  reject           554 after the mail was given
  hang             says nothing more after the recipient was named
  silent           takes connections and says nothing at all
  forget           takes the mail, keeps it, and says nothing
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
import threading
import warnings

from aiosmtpd.smtp import AuthResult
from aiosmtpd.smtp import SMTP

FOR_EVER = 3600


def behaviour(folder):
    try:
        with open(os.path.join(folder, "behaviour"), encoding="utf-8") as file:
            return [line.split() for line in file if line.strip()]
    except FileNotFoundError:
        return []


class Handler:
    def __init__(self, folder):
        self.folder = folder
        self.count = len([name for name in os.listdir(folder) if name.endswith(".eml")])

    def told(self, *words):
        return list(words) in behaviour(self.folder)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.told("hang"):
            await asyncio.sleep(FOR_EVER)
        if self.told("refuse", address):
            return "550 5.1.1 <" + address + ">: no such user here"
        if self.told("relay", address):
            return "550 5.7.1 <" + address + ">: relay access denied"
        if self.told("busy"):
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.told("reject"):
            return "554 5.7.1 this looks like spam"
        self.count += 1
        name = os.path.join(self.folder, f"{self.count:04}")
        with open(name + ".eml", "wb") as file:
            file.write(envelope.original_content)
        about = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or server.over_tls,
            "user": session.auth_data,
        }
        with open(name + ".part", "w", encoding="utf-8") as file:
            json.dump(about, file)
        os.rename(name + ".part", name + ".json")
        if self.told("forget"):
            await asyncio.sleep(FOR_EVER)
        return "250 2.0.0 taken"


class Server(SMTP):
    over_tls = False

    async def _handle_client(self):
        if self.event_handler.told("silent"):
            await asyncio.sleep(FOR_EVER)
        await super()._handle_client()


def authenticator(options):
    def check(server, session, envelope, mechanism, auth_data):
        login = getattr(auth_data, "login", b"").decode()
        password = getattr(auth_data, "password", b"").decode()
        good = (login, password) == (options.user, options.password)
        return AuthResult(success=good, handled=False, auth_data=login)

    return check


async def main(options):
    context = None
    if options.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate, options.key)
    starttls = context is not None and not options.tls
    loop = asyncio.get_running_loop()
    handler = Handler(options.folder)

    def connected():
        server = Server(
            handler,
            hostname="mail.example.org",
            enable_SMTPUTF8=options.utf8,
            tls_context=context if starttls else None,
            require_starttls=starttls,
            auth_required=options.user is not None,
            auth_require_tls=starttls,
            authenticator=authenticator(options),
            loop=loop,
        )
        server.over_tls = options.tls
        return server

    listening = await loop.create_server(
        connected, "127.0.0.1", options.port, ssl=context if options.tls else None
    )
    print(f"port={listening.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.sleep(FOR_EVER)


def end_with_input():
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--utf8", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("--password")
    threading.Thread(target=end_with_input, daemon=True).start()
    asyncio.run(main(parser.parse_args()))
