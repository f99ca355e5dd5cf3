use proptest::prelude::*;

use super::*;
use crate::address::{Address, AddressError};

fn mailbox(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn mail(address: &str, size_bytes: Option<u64>) -> (ReversePath, Option<u64>) {
    let reverse_path = match address {
        "" => ReversePath::Null,
        _ => ReversePath::Mailbox(mailbox(address)),
    };
    (reverse_path, size_bytes)
}

fn parsed_mail(line: &str) -> Result<(ReversePath, Option<u64>), CommandError> {
    match Command::parse(line)? {
        Command::Mail {
            reverse_path,
            parameters,
        } => Ok((reverse_path, parameters.size_bytes)),
        other => panic!("{line:?} is {other:?}"),
    }
}

#[test]
fn mail_takes_paths_and_parameters_of_any_case() {
    for (line, expected) in [
        ("MAIL FROM:<a@example.com>", mail("a@example.com", None)),
        ("mail from:<>", mail("", None)),
        ("Mail From: <a@x> ", mail("a@x", None)),
        ("MAIL FROM:<a@x> SIZE=1234", mail("a@x", Some(1_234))),
        (
            "MAIL FROM:<a@x>  size=0  body=8bitmime",
            mail("a@x", Some(0)),
        ),
        ("MAIL FROM:<a@x> BODY=7BIT", mail("a@x", None)),
        ("MAIL FROM:<a@x> AUTH=<>", mail("a@x", None)),
        (
            "MAIL FROM:<a@x> AUTH=e+3Dmc2@example.com",
            mail("a@x", None),
        ),
        ("MAIL FROM:<\"a>b\"@x> SIZE=1", mail("\"a>b\"@x", Some(1))),
        ("MAIL FROM:<a@[IPv6:::1]>", mail("a@[IPv6:::1]", None)),
        (
            "MAIL FROM:<a@x> SIZE=18446744073709551615",
            mail("a@x", Some(u64::MAX)),
        ),
    ] {
        assert_eq!(parsed_mail(line), Ok(expected), "{line}");
    }
}

#[test]
fn s11_parameters_are_refused_with_the_reason() {
    for (parameters, error) in [
        ("SIZE=99999999999999999999", ParameterError::Size),
        ("SIZE=18446744073709551616", ParameterError::Size),
        ("SIZE=-1", ParameterError::Size),
        ("SIZE=+1", ParameterError::Size),
        ("SIZE", ParameterError::Size),
        ("SIZE=", ParameterError::Form),
        ("SIZE=000000000000000000001", ParameterError::Size),
        ("SIZE=1 SIZE=1", ParameterError::Duplicate),
        ("BODY=7BIT BODY=7BIT", ParameterError::Duplicate),
        ("BODY=BINARYMIME", ParameterError::NotOffered),
        ("BODY", ParameterError::NotOffered),
        ("SMTPUTF8", ParameterError::NotOffered),
        ("RET=HDRS", ParameterError::NotOffered),
        ("ENVID=a+0D+0A", ParameterError::NotOffered),
        ("=1", ParameterError::Form),
        ("-A=1", ParameterError::Form),
        ("A_B=1", ParameterError::Form),
        ("A=\u{e9}", ParameterError::Form),
        ("A=\t", ParameterError::Form),
    ] {
        let line = format!("MAIL FROM:<a@x> {parameters} ;");
        let line = line.trim_end_matches(" ;");
        assert_eq!(
            parsed_mail(line),
            Err(CommandError::Parameter(error)),
            "{line}"
        );
    }
    for parameters in ["NOTIFY=NEVER", "ORCPT=rfc822;a@x", "X"] {
        let line = format!("RCPT TO:<a@x> {parameters}");
        let error = CommandError::Parameter(ParameterError::NotOffered);
        assert_eq!(Command::parse(&line), Err(error));
    }
}

#[test]
fn s10_paths_are_refused_with_the_reason() {
    let address = PathError::Address;
    for (path, error) in [
        ("a@x", PathError::Brackets),
        ("", PathError::Brackets),
        ("<a@x", PathError::Brackets),
        ("<a@x>SIZE=1", PathError::Brackets),
        ("<a@x>>", PathError::Brackets),
        ("Name <a@x>", PathError::Brackets),
        ("<@a,@b:c@d>", PathError::SourceRoute),
        ("<>", PathError::Empty),
        ("<;sleep 66;@x>", address(AddressError::LocalPart)),
        ("<bob>", address(AddressError::NoDomain)),
        ("<<a@x>>", PathError::Brackets),
        ("<\"a\r\nRCPT TO:<b>\"@x>", address(AddressError::LocalPart)),
        ("<\"a@x>", address(AddressError::LocalPart)),
        ("<\"\u{fc}\"@x>", address(AddressError::NonAscii)),
        ("<j\u{fc}rgen@x>", address(AddressError::NonAscii)),
        ("<a@\u{fc}>", address(AddressError::NonAscii)),
    ] {
        let parsed =
            Command::parse(&format!("RCPT TO:{path}")).map(|command| format!("{command:?}"));
        assert_eq!(parsed, Err(CommandError::Recipient(error)), "{path}");
    }
    let nested = format!("RCPT TO:<{}a@x>", "(".repeat(10_000));
    let error = CommandError::Recipient(address(AddressError::TooLong));
    assert_eq!(Command::parse(&nested), Err(error));
}

#[test]
fn recipients_keep_their_form_and_postmaster_needs_no_domain() {
    for path in [
        "a@example.org",
        "\"a\\\"b c\"@x",
        "\"<a@b>\"@x",
        "A@[192.0.2.1]",
    ] {
        let forward_path = ForwardPath::Mailbox(mailbox(path));
        assert_eq!(
            Command::parse(&format!("RCPT TO:<{path}>")),
            Ok(Command::Rcpt { forward_path })
        );
    }
    let forward_path = ForwardPath::Postmaster;
    assert_eq!(
        Command::parse("rcpt to:<PostMaster>"),
        Ok(Command::Rcpt { forward_path })
    );
}

#[test]
fn verbs_have_no_case_and_wrong_forms_say_the_right_one() {
    for (line, expected) in [
        ("ehlo host", Ok(Command::Ehlo)),
        ("HELO [127.0.0.1]", Ok(Command::Helo)),
        ("EHLO j\u{fc}rgens_pc", Ok(Command::Ehlo)),
        ("EHLO", Err(CommandError::Form("EHLO hostname"))),
        ("HELO  ", Err(CommandError::Form("HELO hostname"))),
        ("EHLO a\u{1b}b", Err(CommandError::Form("EHLO hostname"))),
        ("data ", Ok(Command::Data)),
        ("DATA now", Err(CommandError::Form("DATA"))),
        ("RSET", Ok(Command::Rset)),
        ("QUIT", Ok(Command::Quit)),
        ("NOOP anything", Ok(Command::Noop)),
        ("HELP", Ok(Command::Help)),
        ("VRFY bob", Ok(Command::Vrfy)),
        ("VRFY", Err(CommandError::Form("VRFY address"))),
        ("VRFY \u{fc}", Err(CommandError::NonAscii)),
        ("EXPN list", Err(CommandError::NotImplemented)),
        ("STARTTLS", Err(CommandError::NotImplemented)),
        ("BDAT 86 LAST", Err(CommandError::NotImplemented)),
        ("POST / HTTP/1.1", Err(CommandError::Http)),
        ("", Err(CommandError::Unrecognised)),
        (" NOOP", Err(CommandError::Unrecognised)),
        ("MAILFROM:<a@x>", Err(CommandError::Unrecognised)),
        (
            "MAIL <a@x>",
            Err(CommandError::Form("MAIL FROM:<address> [parameters]")),
        ),
        ("RCPT", Err(CommandError::Form("RCPT TO:<address>"))),
        (
            "RCPT T\u{f6}:<a>",
            Err(CommandError::Form("RCPT TO:<address>")),
        ),
        (
            "AUTH",
            Err(CommandError::Form("AUTH mechanism [initial-response]")),
        ),
        (
            "AUTH PLAIN",
            Ok(Command::Auth {
                mechanism: "PLAIN",
                initial: None,
            }),
        ),
        (
            "AUTH PLAIN =",
            Ok(Command::Auth {
                mechanism: "PLAIN",
                initial: Some("="),
            }),
        ),
    ] {
        assert_eq!(Command::parse(line), expected, "{line:?}");
    }
}

proptest! {
    #[test]
    fn no_line_panics(line in "\\PC{0,60}|(MAIL FROM:|RCPT TO:|AUTH )?[<>\"\\\\@:a ü=SIZE1\r\n\\x00-]{0,40}") {
        let _ = Command::parse(&line);
    }
}
