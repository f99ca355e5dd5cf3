// Sends one mail by nodemailer: nodemailer_send.js MODULE PORT FROM KIND FILE RECIPIENT...
// KIND text: FILE is the text of a mail that nodemailer composes; attachment: FILE is attached to
// one; raw: FILE is the mail.
"use strict";

const fs = require("fs");
const [module_, port, from, kind, file, ...to] = process.argv.slice(2);
const nodemailer = require(module_);

const transport = nodemailer.createTransport({
  host: "127.0.0.1",
  port: Number(port),
  name: "app.example",
  ignoreTLS: true,
});
const composed = { from, to, subject: "composed by nodemailer", bcc: [] };
const mails = {
  text: () => ({ ...composed, text: fs.readFileSync(file, "utf8") }),
  attachment: () => ({ ...composed, text: "attached", attachments: [{ path: file }] }),
  raw: () => ({ envelope: { from, to }, raw: fs.createReadStream(file) }),
};

transport.sendMail(mails[kind]()).then(
  () => transport.close(),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
