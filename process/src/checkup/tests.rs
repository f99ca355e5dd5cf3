use super::*;

const DOCUMENT: Check = Check::new("document", 10);
const CONNECT: Check = Check::new("connect", 12);

fn checkup(findings: impl IntoIterator<Item = Finding>) -> Checkup {
    let mut checkup = Checkup::new("zohorelay-sidecar", "1.2.3");
    findings.into_iter().for_each(|f| checkup.add(f));
    checkup
}

fn blocked() -> Finding {
    Finding::failed(CONNECT, "mx:465", "no answer", "open the port").detail("waited", "5 s")
}

fn warned() -> Finding {
    Finding::warning(DOCUMENT, "", "it is old", "wait a minute")
}

#[test]
fn the_first_failure_gives_the_exit_code_and_the_last_line_and_warnings_do_not() {
    let well = checkup([Finding::ok(DOCUMENT, "", "read")]);
    assert_eq!(well.exit_code(), 0);
    assert_eq!(well.summary(), "All is well.");
    let warned = checkup([warned(), Finding::skipped(CONNECT, "", "not asked for")]);
    assert_eq!(warned.exit_code(), 0);
    assert_eq!(
        warned.summary(),
        "Nothing is broken. Look at: document: it is old"
    );
    let later = Finding::failed(DOCUMENT, "", "gone", "bring it");
    let failed = checkup([self::warned(), blocked(), later]);
    assert_eq!(failed.exit_code(), 12);
    assert_eq!(
        failed.summary(),
        "Mend this first: connect of mx:465: no answer"
    );
}

#[test]
fn people_read_a_line_a_check_with_the_remedy_below() {
    let style = Style::default();
    let well = Finding::ok(DOCUMENT, "billing", "read").detail("version", "1");
    let lines = style.line(&well) + &style.line(&blocked());
    assert_eq!(
        lines,
        "ok       document       billing: read\n\
         FAILED   connect        mx:465: no answer\n         \
         -> open the port\n            waited: 5 s\n"
    );
    let detailed = Style {
        detailed: true,
        ..style
    };
    assert!(detailed.line(&well).ends_with("\n            version: 1\n"));
}

#[test]
fn only_a_terminal_gets_colour_and_no_server_can_send_any() {
    let finding = Finding::failed(CONNECT, "", "it said \u{1b}[2J\r\nok", "ask");
    let plain = Style::default().line(&finding);
    assert!(plain.contains("it said ?[2J??ok"), "{plain}");
    assert!(!plain.contains('\u{1b}'));
    let coloured = Style {
        coloured: true,
        ..Style::default()
    };
    assert!(coloured.line(&finding).starts_with("\u{1b}[31mFAILED"));
    let file = no_terminal();
    assert!(!Style::of(&file, false).coloured);
}

fn no_terminal() -> std::fs::File {
    std::fs::File::open("/dev/null").unwrap()
}

#[test]
fn programs_read_each_field_and_the_details_in_order() {
    let ordered = Finding::ok(DOCUMENT, "billing", "read")
        .detail("zeta", "1")
        .detail("alpha", "2");
    let text = checkup([ordered, blocked()]).json();
    assert!(text.find("zeta").unwrap() < text.find("alpha").unwrap());
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "program": "zohorelay-sidecar",
            "version": "1.2.3",
            "exitCode": 12,
            "healthy": false,
            "summary": "Mend this first: connect of mx:465: no answer",
            "findings": [
                {"check": "document", "subject": "billing", "verdict": "Ok", "found": "read",
                 "remedy": null, "details": {"zeta": "1", "alpha": "2"}},
                {"check": "connect", "subject": "mx:465", "verdict": "Failed", "found": "no answer",
                 "remedy": "open the port", "details": {"waited": "5 s"}},
            ],
        })
    );
}
