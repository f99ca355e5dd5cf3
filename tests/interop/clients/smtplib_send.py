"""Sends one mail by Python's smtplib: smtplib_send.py PORT FROM FILE RECIPIENT..."""

import smtplib
import sys

port, sender, path, *recipients = sys.argv[1:]
with open(path, "rb") as file:
    mail = file.read()
with smtplib.SMTP("127.0.0.1", int(port), local_hostname="app.example") as server:
    refused = server.sendmail(sender, recipients, mail)
if refused:
    sys.exit(f"refused: {refused}")
