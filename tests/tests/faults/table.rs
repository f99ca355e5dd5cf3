//! The rows: stage × fault on a fresh connection, what the app hears, and what is counted.

use zoho_simulator::Action::{
    Certificate as Shows, Close, EndlessReply as Endless, Garbage, RefuseHandshake, Reset, Stall,
    StopReading,
};
use zoho_simulator::Stage::{
    Auth, Connect, Content, Data, Ehlo, EndOfData, Greeting, Mail, Rcpt, Starttls, Tls,
};
use zoho_simulator::{Action, Certificate, EndlessReply, Then};

use crate::row::{CLEAR, Row, TLS, early, extra, half, inject, last, raw, reply, row};

/// Stages before the login, on port 465 and on port 587. A connection that is reset at once may or
/// may not have been there for us, so two stages are right.
#[rustfmt::skip]
pub(crate) fn before_login() -> Vec<Row> {
    let tls_record = "\x16\x03\x03\x00\x7a\x02";
    vec![
        row(TLS, Connect, last("421 too many connections"),  "451 4.7.5", "tls tls none"),
        row(TLS, Connect, last("554 no service"),            "451 4.7.5", "tls tls none"),
        row(TLS, Connect, Stall,                             "451 4.4.2", "timeout tls none"),
        row(TLS, Connect, Reset,                             "451 4.4.1", "connect connect|tls none"),
        row(TLS, Connect, Close,                             "451 4.4.1", "connect tls none"),
        row(TLS, Tls, reply("421 busy"),                     "451 4.7.5", "tls tls none"),
        row(TLS, Tls, reply("554 no service"),               "451 4.7.5", "tls tls none"),
        row(TLS, Tls, Stall,                                 "451 4.4.2", "timeout tls none"),
        row(TLS, Tls, Reset,                                 "451 4.4.1", "connect tls none"),
        row(TLS, Tls, Close,                                 "451 4.4.1", "connect tls none"),
        row(TLS, Tls, half(tls_record, Then::Close),         "451 4.4.1", "connect tls none"),
        row(TLS, Tls, half(tls_record, Then::Stall),         "451 4.4.2", "timeout tls none"),
        row(TLS, Tls, Garbage,                               "451 4.7.5", "tls tls none"),
        row(TLS, Tls, RefuseHandshake,                       "451 4.7.5", "tls tls none"),
        row(TLS, Greeting, reply("421 busy"),                "451 4.4.0", "transient greeting 421"),
        row(TLS, Greeting, reply("454 later"),               "451 4.0.0", "unclassified greeting 454"),
        row(TLS, Greeting, reply("554 no service"),          "554 5.0.0", "unclassified greeting 554"),
        row(TLS, Greeting, Stall,                            "451 4.4.2", "timeout greeting none"),
        row(TLS, Greeting, Reset,                            "451 4.4.1", "connect greeting none"),
        row(TLS, Greeting, Close,                            "451 4.4.1", "connect greeting none"),
        row(TLS, Greeting, half("220-mx\r\n22", Then::Close), "451 4.4.1", "connect greeting none"),
        row(TLS, Greeting, half("220-mx\r\n22", Then::Stall), "451 4.4.2", "timeout greeting none"),
        row(TLS, Greeting, Garbage,                          "451 4.5.0", "protocol greeting none"),
        row(TLS, Ehlo, reply("421 busy"),                    "451 4.4.0", "transient ehlo 421"),
        row(TLS, Ehlo, reply("451 later"),                   "451 4.0.0", "unclassified ehlo 451"),
        row(TLS, Ehlo, reply("550 no"),                      "554 5.0.0", "unclassified ehlo 550"),
        row(TLS, Ehlo, Stall,                                "451 4.4.2", "timeout ehlo none"),
        row(TLS, Ehlo, Reset,                                "451 4.4.1", "connect ehlo none"),
        row(TLS, Ehlo, Close,                                "451 4.4.1", "connect ehlo none"),
        row(TLS, Ehlo, half("250-mx\r\n25", Then::Close),    "451 4.4.1", "connect ehlo none"),
        row(TLS, Ehlo, half("250-mx\r\n25", Then::Stall),    "451 4.4.2", "timeout ehlo none"),
        row(TLS, Ehlo, Garbage,                              "451 4.5.0", "protocol ehlo none"),

        row(CLEAR, Connect, last("421 too many connections"), "451 4.4.0", "transient greeting 421"),
        row(CLEAR, Connect, last("554 no service"),          "554 5.0.0", "unclassified greeting 554"),
        row(CLEAR, Connect, Stall,                           "451 4.4.2", "timeout greeting none"),
        row(CLEAR, Connect, Reset,                           "451 4.4.1", "connect connect|greeting none"),
        row(CLEAR, Connect, Close,                           "451 4.4.1", "connect greeting none"),
        row(CLEAR, Greeting, reply("421 busy"),              "451 4.4.0", "transient greeting 421"),
        row(CLEAR, Greeting, reply("554 no service"),        "554 5.0.0", "unclassified greeting 554"),
        row(CLEAR, Greeting, Stall,                          "451 4.4.2", "timeout greeting none"),
        row(CLEAR, Greeting, Reset,                          "451 4.4.1", "connect connect|greeting none"),
        row(CLEAR, Greeting, Close,                          "451 4.4.1", "connect greeting none"),
        row(CLEAR, Greeting, half("22", Then::Close),        "451 4.4.1", "connect greeting none"),
        row(CLEAR, Greeting, half("22", Then::Stall),        "451 4.4.2", "timeout greeting none"),
        row(CLEAR, Greeting, Garbage,                        "451 4.5.0", "protocol greeting none"),
        row(CLEAR, Ehlo, reply("451 later"),                 "451 4.0.0", "unclassified ehlo 451"),
        row(CLEAR, Ehlo, reply("550 no"),                    "554 5.0.0", "unclassified ehlo 550"),
        row(CLEAR, Ehlo, Stall,                              "451 4.4.2", "timeout ehlo none"),
        row(CLEAR, Ehlo, Reset,                              "451 4.4.1", "connect ehlo none"),
        row(CLEAR, Ehlo, Close,                              "451 4.4.1", "connect ehlo none"),
        row(CLEAR, Ehlo, half("250-mx\r\n25", Then::Close),  "451 4.4.1", "connect ehlo none"),
        row(CLEAR, Ehlo, half("250-mx\r\n25", Then::Stall),  "451 4.4.2", "timeout ehlo none"),
        row(CLEAR, Ehlo, Garbage,                            "451 4.5.0", "protocol ehlo none"),
        row(CLEAR, Starttls, reply("454 later"),             "451 4.7.5", "tls tls 454"),
        row(CLEAR, Starttls, reply("501 no"),                "451 4.7.5", "tls tls 501"),
        row(CLEAR, Starttls, Stall,                          "451 4.4.2", "timeout tls none"),
        row(CLEAR, Starttls, Reset,                          "451 4.4.1", "connect tls none"),
        row(CLEAR, Starttls, Close,                          "451 4.4.1", "connect tls none"),
        row(CLEAR, Starttls, half("22", Then::Close),        "451 4.4.1", "connect tls none"),
        row(CLEAR, Starttls, half("22", Then::Stall),        "451 4.4.2", "timeout tls none"),
        row(CLEAR, Starttls, Garbage,                        "451 4.5.0", "protocol tls none"),
        row(CLEAR, Tls, reply("554 no service"),             "451 4.5.0", "protocol tls none"),
        row(CLEAR, Tls, Stall,                               "451 4.4.2", "timeout tls none"),
        row(CLEAR, Tls, Reset,                               "451 4.4.1", "connect tls none"),
        row(CLEAR, Tls, Close,                               "451 4.4.1", "connect tls none"),
        row(CLEAR, Tls, Garbage,                             "451 4.5.0", "protocol tls none"),
        row(CLEAR, Tls, RefuseHandshake,                     "451 4.7.5", "tls tls none"),
        row(CLEAR, Ehlo, reply("550 no"),                    "554 5.0.0", "unclassified ehlo 550").nth(2),
        row(CLEAR, Ehlo, Stall,                              "451 4.4.2", "timeout ehlo none").nth(2),
        row(CLEAR, Ehlo, Close,                              "451 4.4.1", "connect ehlo none").nth(2),
    ]
}

/// The login, the envelope and DATA.
#[rustfmt::skip]
pub(crate) fn before_content() -> Vec<Row> {
    vec![
        row(TLS, Auth, reply("454 4.7.0 Temporary authentication failure"), "451 4.4.0", "transient auth 454"),
        row(TLS, Auth, reply("535 Authentication Failed"),   "451 4.3.5", "auth_failed auth 535"),
        row(TLS, Auth, reply("554 5.1.8 Sender Address Blocked"), "451 4.7.1", "account_blocked auth 554"),
        row(TLS, Auth, Stall,                                "451 4.4.2", "timeout auth none"),
        row(TLS, Auth, Reset,                                "451 4.4.1", "connect auth none"),
        row(TLS, Auth, Close,                                "451 4.4.1", "connect auth none"),
        row(TLS, Auth, half("23", Then::Close),              "451 4.4.1", "connect auth none"),
        row(TLS, Auth, half("23", Then::Stall),              "451 4.4.2", "timeout auth none"),
        row(TLS, Auth, Garbage,                              "451 4.5.0", "protocol auth none"),
        row(CLEAR, Auth, reply("535 Authentication Failed"), "451 4.3.5", "auth_failed auth 535"),
        row(CLEAR, Auth, Stall,                              "451 4.4.2", "timeout auth none"),
        row(TLS, Mail, reply("452 4.3.1 Temporary System Error"), "451 4.4.0", "transient mail 452"),
        row(TLS, Mail, reply("451 later"),                   "451 4.0.0", "unclassified mail 451"),
        row(TLS, Mail, reply("550 no"),                      "554 5.0.0", "unclassified mail 550"),
        row(TLS, Mail, reply("553 Relaying disallowed as <a@b>"), "553 5.7.1", "relay_denied mail 553"),
        row(TLS, Mail, reply("550 5.4.6 Unusual sending activity detected."), "451 4.7.1", "account_blocked mail 550"),
        row(TLS, Mail, reply("550 Mail rate exceeded limit"), "451 4.7.1", "rate_limited mail 550"),
        row(TLS, Mail, Stall,                                "451 4.4.2", "timeout mail none"),
        row(TLS, Mail, Reset,                                "451 4.4.1", "connect mail none"),
        row(TLS, Mail, Close,                                "451 4.4.1", "connect mail none"),
        row(TLS, Mail, half("25", Then::Close),              "451 4.4.1", "connect mail none"),
        row(TLS, Mail, half("25", Then::Stall),              "451 4.4.2", "timeout mail none"),
        row(TLS, Mail, Garbage,                              "451 4.5.0", "protocol mail none"),
        row(TLS, Rcpt, reply("451 4.7.1 Greylisted"),        "451 4.4.0", "transient rcpt 451"),
        row(TLS, Rcpt, reply("550 5.1.1 User does not exist"), "550 5.1.1", "recipient_refused rcpt 550"),
        row(TLS, Rcpt, reply("550 no"),                      "554 5.0.0", "unclassified rcpt 550"),
        row(TLS, Rcpt, Stall,                                "451 4.4.2", "timeout rcpt none"),
        row(TLS, Rcpt, Reset,                                "451 4.4.1", "connect rcpt none"),
        row(TLS, Rcpt, Close,                                "451 4.4.1", "connect rcpt none"),
        row(TLS, Rcpt, half("25", Then::Close),              "451 4.4.1", "connect rcpt none"),
        row(TLS, Rcpt, half("25", Then::Stall),              "451 4.4.2", "timeout rcpt none"),
        row(TLS, Rcpt, Garbage,                              "451 4.5.0", "protocol rcpt none"),
        row(TLS, Data, reply("451 later"),                   "451 4.0.0", "unclassified data 451"),
        row(TLS, Data, reply("554 no"),                      "554 5.0.0", "unclassified data 554"),
        row(TLS, Data, reply("250 what"),                    "451 4.5.0", "protocol data other"),
        row(TLS, Data, Stall,                                "451 4.4.2", "timeout data none"),
        row(TLS, Data, Reset,                                "451 4.4.1", "connect data none"),
        row(TLS, Data, Close,                                "451 4.4.1", "connect data none"),
        row(TLS, Data, half("35", Then::Close),              "451 4.4.1", "connect data none"),
        row(TLS, Data, half("35", Then::Stall),              "451 4.4.2", "timeout data none"),
        row(TLS, Data, Garbage,                              "451 4.5.0", "protocol data none"),
    ]
}

/// During the upload, and refusals of our dot. What our dot may get beside a refusal is in
/// `unknown`.
#[rustfmt::skip]
pub(crate) fn content_and_dot() -> Vec<Row> {
    let early_bytes = |bytes: &[u8]| Action::EarlyReply(bytes.into());
    vec![
        row(TLS, Content, StopReading,                       "451 4.4.2", "timeout end_of_data none"),
        row(TLS, Content, early_bytes(b"55"),                "451 4.4.2", "timeout end_of_data none"),
        row(TLS, Content, early_bytes(b"\xffwhat\r\n"),      "451 4.5.0", "protocol end_of_data none"),
        row(TLS, Content, early("452 4.3.1 Temporary System Error"), "451 4.4.0", "transient end_of_data 452"),
        row(TLS, Content, early("554 no"),                   "554 5.0.0", "unclassified end_of_data 554"),
        row(TLS, Content, early("552 5.7.1 virus EICAR detected by Zoho Mail"), "552 5.7.1", "message_refused end_of_data 552"),
        row(TLS, Content, Stall,                             "451 4.4.2", "unknown_outcome end_of_data none"),
        row(TLS, Content, Reset,                             "451 4.4.1", "connect end_of_data none"),
        row(TLS, Content, Close,                             "451 4.4.1", "connect end_of_data none"),
        row(TLS, EndOfData, reply("451 later"),              "451 4.0.0", "unclassified end_of_data 451"),
        row(TLS, EndOfData, reply("452 4.3.1 Temporary System Error"), "451 4.4.0", "transient end_of_data 452"),
        row(TLS, EndOfData, reply("554 no"),                 "554 5.0.0", "unclassified end_of_data 554"),
        row(TLS, EndOfData, reply("554 5.2.1 Subject is Mandatory."), "554 5.2.1", "message_refused end_of_data 554"),
        row(TLS, EndOfData, last("553 Sender is not allowed to relay emails"), "553 5.7.1", "relay_denied end_of_data 553"),
        row(TLS, EndOfData, reply("554 5.1.8 Email Outgoing Blocked"), "451 4.7.1", "account_blocked end_of_data 554"),
        row(TLS, EndOfData, reply("550 5.4.6 Unusual sending activity detected. Please try after sometime."), "451 4.7.1", "account_blocked end_of_data 550"),
        row(TLS, EndOfData, reply("452 Mail rate exceeded limit"), "451 4.7.1", "rate_limited end_of_data 452"),
    ]
}

/// Attacks on STARTTLS, and replies that no server should give.
#[rustfmt::skip]
pub(crate) fn hostile() -> Vec<Row> {
    vec![
        // U1 to U3
        row(CLEAR, Starttls, inject("250-x\r\n250 AUTH PLAIN\r\n", false), "451 4.5.0", "protocol tls none"),
        row(CLEAR, Starttls, inject("250-x", false),         "451 4.5.0", "protocol tls none"),
        row(CLEAR, Starttls, inject("250-x\r\n250 AUTH PLAIN\r\n", true), "451 4.5.0", "protocol tls none"),
        // U4
        row(CLEAR, Ehlo, raw(b"250-mx\r\n250-AUTH LOGIN PLAIN\r\n250 SIZE 1000\r\n"), "451 4.7.5", "tls tls none"),
        // U5
        row(CLEAR, Starttls, reply("502 no"),                "451 4.7.5", "tls tls other"),
        row(CLEAR, Starttls, reply("530 no"),                "451 4.7.5", "tls tls 530"),
        row(CLEAR, Starttls, reply("354 go"),                "451 4.5.0", "protocol tls other"),
        row(CLEAR, Starttls, reply("221 bye"),               "451 4.5.0", "protocol tls other"),
        row(CLEAR, Starttls, last("421 bye"),                "451 4.4.0", "transient tls 421"),
        // U6
        row(TLS, Ehlo, reply("502 no"),                      "451 4.5.0", "protocol ehlo other"),
        row(TLS, Ehlo, reply("221 bye"),                     "451 4.5.0", "protocol ehlo other"),
        row(CLEAR, Ehlo, reply("502 no"),                    "451 4.5.0", "protocol ehlo other"),
        row(CLEAR, Ehlo, reply("354 go"),                    "451 4.5.0", "protocol ehlo other"),
        // U7
        row(TLS, Greeting, reply("250 hello"),               "451 4.5.0", "protocol greeting other"),
        row(CLEAR, Greeting, reply("354 go"),                "451 4.5.0", "protocol greeting other"),
        // U8
        row(TLS, Ehlo, raw(b"250-   \r\n250 AUTH PLAIN\r\n"), "451 4.5.0", "protocol ehlo none"),
        row(CLEAR, Ehlo, raw(b"250-   \r\n250 STARTTLS\r\n"), "451 4.5.0", "protocol ehlo none"),
        row(CLEAR, Ehlo, raw(b"250-mx\r\n250 \r\n"),         "451 4.7.5", "tls tls none"),
        // U10
        row(TLS, Greeting, Endless(EndlessReply::Lines),     "451 4.5.0", "protocol greeting none"),
        row(CLEAR, Ehlo, Endless(EndlessReply::Lines),       "451 4.5.0", "protocol ehlo none"),
        row(TLS, Ehlo, Endless(EndlessReply::Line),          "451 4.5.0", "protocol ehlo none"),
        row(TLS, Auth, Endless(EndlessReply::Lines),         "451 4.5.0", "protocol auth none"),
        row(TLS, Mail, Endless(EndlessReply::Line),          "451 4.5.0", "protocol mail none"),
        row(TLS, Rcpt, Endless(EndlessReply::Lines),         "451 4.5.0", "protocol rcpt none"),
        row(TLS, Data, Endless(EndlessReply::Line),          "451 4.5.0", "protocol data none"),
        // U11
        row(TLS, Mail, raw(b"250-a\r\n550 b\r\n"),           "451 4.5.0", "protocol mail none"),
        row(TLS, Mail, raw(b"25\r\n"),                       "451 4.5.0", "protocol mail none"),
        row(TLS, Rcpt, raw(b"2500 x\r\n"),                   "451 4.5.0", "protocol rcpt none"),
        row(TLS, Rcpt, raw(b"250x\r\n"),                     "451 4.5.0", "protocol rcpt none"),
        row(TLS, Data, raw(b"354 \0\r\n"),                   "451 4.5.0", "protocol data none"),
        row(TLS, Data, raw(b"354 a\rb\r\n"),                 "451 4.5.0", "protocol data none"),
        // U13
        row(TLS, Data, extra("250 Message received"),        "451 4.5.0", "protocol end_of_data other"),
        row(TLS, Data, extra("550 no"),                      "554 5.0.0", "unclassified end_of_data 550"),
        row(TLS, Content, early("250 Message received"),     "451 4.5.0", "protocol end_of_data other"),
        row(TLS, Content, early("550 5.1.1 User does not exist"), "550 5.1.1", "recipient_refused end_of_data 550"),
        // U14
        row(TLS, Greeting, extra("250 one more"),            "451 4.5.0", "protocol ehlo none"),
        row(TLS, Ehlo, extra("235 one more"),                "451 4.5.0", "protocol auth none"),
        row(TLS, Auth, extra("250 one more"),                "451 4.5.0", "protocol mail none"),
        row(TLS, Mail, extra("250 one more"),                "451 4.5.0", "protocol rcpt none"),
        row(TLS, Rcpt, extra("354 one more"),                "451 4.5.0", "protocol data none"),
        // U15; without 421 it is U16, in the tables by stage
        row(CLEAR, Ehlo, last("421 bye"),                    "451 4.4.0", "transient ehlo 421"),
        row(TLS, Auth, last("421 bye"),                      "451 4.4.0", "transient auth 421"),
        row(TLS, Mail, last("421 bye"),                      "451 4.4.0", "transient mail 421"),
        row(TLS, Rcpt, last("421 bye"),                      "451 4.4.0", "transient rcpt 421"),
        row(TLS, Data, last("421 bye"),                      "451 4.4.0", "transient data 421"),
        row(TLS, Content, last("421 bye"),                   "451 4.4.0", "transient end_of_data 421"),
        row(TLS, EndOfData, last("421 bye"),                 "451 4.4.0", "transient end_of_data 421"),
    ]
}

/// U17: every bad certificate on both ports.
pub(crate) fn certificates() -> Vec<Row> {
    let bad = Certificate::ALL
        .into_iter()
        .filter(|kind| *kind != Certificate::Good);
    let on_both = bad.flat_map(|kind| [(TLS, kind), (CLEAR, kind)]);
    on_both
        .map(|(port, kind)| row(port, Tls, Shows(kind), "451 4.7.5", "tls tls none"))
        .collect()
}
