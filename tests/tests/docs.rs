//! The documentation says what is true: flags, metrics, classes, fields and links are compared with
//! the program and the tree, in both directions.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zoho_simulator::{Account, Options, Running, Simulator};
use zohorelay_tests::app;
use zohorelay_tests::document::document;
use zohorelay_tests::sidecar::{self, Sidecar, get, program};
use zohorelay_upstream::classify::known_code;
use zohorelay_upstream::failure::{Class, Stage};

#[path = "docs/operator.rs"]
mod operator;

type Names = BTreeSet<String>;

/// The documents at the root whose links are checked, beside all of `docs/`.
const AT_THE_ROOT: [&str; 5] = [
    "README.md",
    "ARCHITECTURE.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
];

/// Of the sidecar.
const COMMANDS: [&str; 3] = ["run", "wait", "doctor"];

const TO: &[&str] = &["ann@example.org"];

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Paths below `docs/`, as from the root.
fn below_docs(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(below_docs(&path));
        } else if Path::new(&path).extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
    found
}

fn documents() -> Vec<String> {
    let at_the_root = AT_THE_ROOT.map(str::to_owned).into_iter();
    at_the_root.chain(below_docs("docs")).collect()
}

/// From the heading on to the next heading of the same level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n{heading}\n")).unwrap() + 1;
    let rest = &text[start + heading.len()..];
    let level = heading.split(' ').next().unwrap();
    let end = rest.find(&format!("\n{level} ")).unwrap_or(rest.len());
    &rest[..end]
}

/// Words of `text` that begin with `prefix` and go on with characters that fit.
fn words(text: &str, prefix: &str, fits: fn(char) -> bool) -> Names {
    let at = text.match_indices(prefix);
    at.filter(|(start, _)| !text[..*start].ends_with(|c: char| fits(c) || c == '-'))
        .map(|(start, _)| {
            let rest = &text[start + prefix.len()..];
            let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
            format!("{prefix}{}", &rest[..end])
        })
        .collect()
}

/// What is in backticks or in quotes stands there as a name.
fn names(text: &str, name: &str) -> bool {
    let last = format!(".{name}`");
    text.contains(&format!("`{name}`")) || text.contains(&last)
}

fn assert_named(file: &str, wanted: impl IntoIterator<Item = impl Into<String>>) {
    let text = read(file);
    let wanted = wanted.into_iter().map(Into::into);
    let missing: Vec<String> = wanted.filter(|name| !names(&text, name)).collect();
    assert!(missing.is_empty(), "{file} does not name {missing:?}");
}

/// The flags of a command with what its help says of each.
fn flags(command: &str) -> BTreeMap<String, String> {
    let mut help = std::process::Command::new(program());
    let output = help.args([command, "--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut found = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("--") {
            let name = line.split([' ', '[']).next().unwrap();
            name.clone_into(&mut current);
        } else if line.starts_with("-h, ") {
            break;
        }
        if !current.is_empty() {
            let help: &mut String = found.entry(current.clone()).or_default();
            help.push_str(line);
            help.push('\n');
        }
    }
    found
}

/// What help has behind `[env: ` or `[default: `.
fn noted<'a>(help: &'a str, what: &str) -> Option<&'a str> {
    let (_, rest) = help.split_once(&format!("[{what}: "))?;
    let line = rest.lines().next()?;
    let end = line.find("] [").or_else(|| line.rfind(']'))?;
    Some(line[..end].trim_end_matches('='))
}

fn is_of_flag(c: char) -> bool {
    c.is_ascii_lowercase() || c == '-'
}

/// The flags in the tables of a section, each with its row; a section of level 2.
fn rows_of_flags(text: &str, heading: &str) -> BTreeMap<String, String> {
    let section = section(text, heading);
    let tables = section
        .split("\n\n")
        .filter(|part| part.starts_with("| flag | environment variable"));
    let rows = tables.flat_map(|table| table.lines().skip(2));
    rows.map(|row| {
        let cell = row.strip_prefix("| `").unwrap();
        let flag = cell.split([' ', '`']).next().unwrap();
        (flag.to_owned(), row.to_owned())
    })
    .collect()
}

#[test]
fn each_flag_stands_in_its_table_with_variable_and_default_and_no_other_does() {
    let text = read("docs/reference/flags.md");
    for command in COMMANDS {
        let known = flags(command);
        assert!(known.len() > 1, "{known:?}");
        let rows = rows_of_flags(&text, &format!("## {command}"));
        let documented: Names = rows.keys().cloned().collect();
        let expected: Names = known.keys().cloned().collect();
        assert_eq!(documented, expected, "table of {command}");
        for (flag, help) in known {
            for what in ["env", "default"] {
                if let Some(value) = noted(&help, what) {
                    let row = &rows[&flag];
                    let is_noted = row.contains(&format!("`{value}`"));
                    assert!(is_noted, "{what} {value} in {row}");
                }
            }
        }
    }
}

#[test]
fn no_flag_is_mentioned_that_does_not_exist() {
    // `kubectl apply --server-side` is the one of another program.
    let mut known: Names = ["--help", "--version", "--server-side"]
        .map(str::to_owned)
        .into();
    known.extend(
        COMMANDS
            .iter()
            .flat_map(|command| flags(command).into_keys()),
    );
    known.extend(operator::all_flags());
    for file in [
        "doctor", "flags", "operator", "metrics", "replies", "status",
    ] {
        let text = read(&format!("docs/reference/{file}.md"));
        let unknown: Vec<_> = words(&text, "--", is_of_flag)
            .into_iter()
            .filter(|word| word.len() > 2 && !word.ends_with('-') && !known.contains(word))
            .collect();
        assert!(unknown.is_empty(), "{file}.md mentions {unknown:?}");
    }
}

#[test]
fn each_check_of_the_doctor_stands_in_its_table_with_its_exit_code_and_no_other_does() {
    let text = read("docs/reference/doctor.md");
    let rows: Vec<(String, String)> = section(&text, "## Checks and exit codes")
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| {
            let mut cells = row.split(" | ");
            let name = cells.next().unwrap().trim_end_matches('`').to_owned();
            (name, cells.next().unwrap().to_owned())
        })
        .collect();
    let expected: Vec<(String, String)> = zohorelay_sidecar::doctor::CHECKS
        .iter()
        .map(|check| match check.exit_code {
            0 => (check.name.to_owned(), "none".to_owned()),
            code => (check.name.to_owned(), code.to_string()),
        })
        .collect();
    assert_eq!(rows, expected);
}

async fn zoho() -> Running {
    let account = Account::new("billing@example.com", "app-password");
    Simulator::start(Options::with_account(account))
        .await
        .unwrap()
}

/// A sidecar that sent a mail, refused one, and has been refused a login, so that every family of
/// metrics and every field appears.
async fn used(zoho: &Running) -> Sidecar {
    let mut billing = document("billing", "billing@example.com", "app-password", zoho);
    billing["namespace"] = "shop".into();
    billing["uid"] = "5d1f".into();
    billing["revision"] = 1.into();
    billing["senderPolicy"] =
        serde_json::json!({"foreignCalendar": "Attach", "foreignFrom": "Attach"});
    let reports = document("reports", "reports@example.com", "wrong", zoho);
    let mut options = sidecar::Options::with(vec![billing, reports]);
    options.identities.push("late".to_owned());
    let mut sidecar = Sidecar::start(options).await.unwrap();
    for (from, expected) in [
        ("billing@example.com", 250),
        ("visitor@example.net", 250),
        ("reports@example.com", 451),
    ] {
        let header = format!("From: {from}\r\nMessage-ID: <hello@app.example>\r\n");
        let reply = app::send(sidecar.smtp, from, TO, &header).await.unwrap();
        assert_eq!(reply.code, expected, "{from}");
    }
    let bad = serde_json::json!({"name": "late"});
    sidecar.write(&bad).unwrap();
    sidecar.logged(|line| line["kept"] == false).await.unwrap();
    sidecar
}

/// Label names and values of one line of the text format.
fn labels(series: &str) -> Vec<(&str, &str)> {
    let Some((_, rest)) = series.split_once('{') else {
        return Vec::new();
    };
    let inside = rest.rsplit_once('}').unwrap().0;
    inside
        .split("\",")
        .map(|pair| pair.trim_end_matches('"').split_once("=\"").unwrap())
        .collect()
}

/// Every family of a metrics page has its row with labels and values, and no document names another one
/// that begins with `prefix`.
fn assert_metrics_are_documented(page: &str, prefix: &str, open_labels: &[&str]) {
    let families: Names = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(str::to_owned)
        .collect();
    let reference = read("docs/reference/metrics.md");
    for family in &families {
        let mut rows = reference.lines();
        let row = rows.find(|line| line.starts_with(&format!("| `{family}` |")));
        let row = row.unwrap_or_else(|| panic!("metrics.md has no row for {family}"));
        for line in page
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(family))
        {
            for (label, value) in labels(line) {
                assert!(names(row, label), "label {label} in: {row}");
                assert!(
                    open_labels.contains(&label) || names(&reference, value),
                    "value {value} of {label}"
                );
            }
        }
    }
    for file in documents() {
        let is_of_metric = |c: char| c.is_ascii_lowercase() || c == '_';
        let text = read(&file);
        let mentioned = words(&text, prefix, is_of_metric);
        let unknown: Vec<_> = mentioned
            .iter()
            .filter(|name| {
                let ends = ["_bucket", "_sum", "_count"];
                let base = ends.iter().find_map(|end| name.strip_suffix(end));
                !families.contains(*name) && base.is_none_or(|base| !families.contains(base))
            })
            .collect();
        assert!(unknown.is_empty(), "{file} mentions {unknown:?}");
    }
}

#[tokio::test]
async fn each_metric_with_its_labels_is_documented_and_no_other_is() {
    let zoho = zoho().await;
    let sidecar = used(&zoho).await;
    let page = get(sidecar.admin, "/metrics").await.unwrap().1;
    let open = ["identity", "version", "code"];
    assert_metrics_are_documented(&page, "zohorelay_sidecar_", &open);
}

#[test]
fn classes_stages_and_codes_are_documented() {
    let classes = || Class::ALL.map(Class::as_str);
    assert_named("docs/reference/replies.md", classes());
    assert_named("docs/reference/metrics.md", classes());
    let stages = Stage::ALL.map(Stage::as_str);
    assert_named("docs/reference/metrics.md", stages);
    assert_named("docs/reference/replies.md", stages);
    let troubleshooting = read("docs/troubleshooting.md");
    for class in classes() {
        let heading = format!("\n## {class}\n");
        assert!(troubleshooting.contains(&heading), "no section {class}");
    }
    let metrics = read("docs/reference/metrics.md");
    for code in (200..600).filter_map(known_code) {
        assert!(metrics.contains(code), "metrics.md lacks code {code}");
    }
}

/// Names of all fields, without the maps whose keys are data.
fn keys(value: &Value, found: &mut Names) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.insert(name.clone());
                let is_data = name == "failed" || (name == "identities" && value.is_object());
                if !is_data {
                    keys(value, found);
                } else if let Some(inner) = value.as_object().filter(|_| name == "identities") {
                    inner.values().for_each(|value| keys(value, found));
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn each_field_of_status_summary_log_and_last_words_is_documented() {
    let zoho = zoho().await;
    let mut sidecar = used(&zoho).await;
    let mut found = Names::new();
    keys(&sidecar.status().await.unwrap(), &mut found);
    let summary = get(sidecar.admin, "/summary").await.unwrap().1;
    keys(&serde_json::from_str(&summary).unwrap(), &mut found);
    sidecar.signal("TERM").unwrap();
    sidecar.ended().await.unwrap();
    let words = fs::read(sidecar.folder().join("termination-log")).unwrap();
    keys(&serde_json::from_slice(&words).unwrap(), &mut found);
    for line in sidecar.log() {
        keys(&serde_json::from_str(&line).unwrap(), &mut found);
    }
    for sure in [
        "breaker",
        "problem",
        "policy",
        "detail",
        "original_message_id",
    ] {
        assert!(found.contains(sure), "this test has not seen {sure}");
    }
    assert_named("docs/reference/status.md", found);
}

#[tokio::test]
async fn the_document_of_the_example_pod_is_a_good_one() {
    let text = read("docs/reference/flags.md");
    let (_, rest) = text.split_once("identity.json: |\n").unwrap();
    let json = rest.split("---").next().unwrap();
    let document = serde_json::from_str(json).unwrap();
    let options = sidecar::Options::with(vec![document]);
    let sidecar = Sidecar::start(options).await.unwrap();
    let status = sidecar.status().await.unwrap();
    assert_eq!(status["identities"][0]["state"], "active", "{status}");
}

/// Without code blocks.
fn prose(text: &str) -> String {
    let mut in_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn links(text: &str) -> Vec<String> {
    let inline = text.split("](").skip(1);
    let inline = inline.filter_map(|rest| rest.split([')', ' ']).next());
    let defined = text.lines().filter(|line| line.starts_with('['));
    let defined = defined.filter_map(|line| Some(line.split_once("]: ")?.1));
    inline.chain(defined).map(str::to_owned).collect()
}

/// The anchors that GitHub makes of headings.
fn anchors(text: &str) -> Names {
    let mut seen = BTreeMap::new();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            let slug = kept.collect::<String>().replace(' ', "-");
            let count: &mut usize = seen.entry(slug.clone()).or_default();
            *count += 1;
            match *count {
                1 => slug,
                more => format!("{slug}-{}", more - 1),
            }
        })
        .collect()
}

#[test]
fn each_link_leads_to_a_file_and_a_heading_that_are_there() {
    let mut broken = Vec::new();
    let mut checked = 0;
    for file in documents() {
        for link in links(&prose(&read(&file))) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let from = root().join(&file);
            let to = match path {
                "" => from,
                _ => from.parent().unwrap().join(path),
            };
            let has_anchor = || {
                let text = fs::read_to_string(&to).unwrap_or_default();
                anchor.is_empty() || anchors(&prose(&text)).contains(anchor)
            };
            if !to.exists() || !has_anchor() {
                broken.push(format!("{file}: {link}"));
            }
        }
    }
    assert!(checked > 50, "only {checked} links were seen");
    assert!(broken.is_empty(), "broken links: {broken:#?}");
}

#[test]
fn the_index_names_every_document() {
    let index = links(&prose(&read("docs/README.md")));
    let indexed: Names = index.iter().map(|link| format!("docs/{link}")).collect();
    for file in below_docs("docs") {
        assert!(
            file == "docs/README.md" || indexed.contains(&file),
            "{file} is not in the index"
        );
    }
}
