//! The same of the operator: its command line by clap, its metrics by their registry, the fields of its
//! log by its source.

use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory as _};
use zohorelay_crds::v1alpha1::PodCounts;
use zohorelay_operator::args::Cli;
use zohorelay_operator::metrics::Metrics;

use super::{Names, assert_metrics_are_documented, names, read, root, rows_of_flags};

const PAGE: &str = "docs/reference/operator.md";

fn command(name: &str) -> Command {
    let cli = Cli::command();
    cli.find_subcommand(name).unwrap().clone()
}

/// Those with `--`, without `--help`.
fn flags(command: &Command) -> Vec<&Arg> {
    let all = command.get_arguments();
    all.filter(|arg| arg.get_long().is_some() && !matches!(arg.get_action(), ArgAction::Help))
        .collect()
}

fn name(flag: &Arg) -> String {
    format!("--{}", flag.get_long().unwrap())
}

/// The flags of every command.
pub(crate) fn all_flags() -> Names {
    let cli = Cli::command();
    let commands = cli.get_subcommands();
    commands
        .flat_map(|command| flags(command).into_iter().map(name).collect::<Vec<_>>())
        .collect()
}

#[test]
fn each_flag_stands_in_its_table_with_variable_and_default_and_no_other_does() {
    let page = read(PAGE);
    for name_of_command in ["run", "render", "doctor"] {
        let command = command(name_of_command);
        let rows = rows_of_flags(&page, &format!("## {name_of_command}"));
        let documented: Names = rows.keys().cloned().collect();
        let expected: Names = flags(&command).into_iter().map(name).collect();
        assert_eq!(documented, expected, "tables of {name_of_command}");
        for flag in flags(&command) {
            let row = &rows[&name(flag)];
            let variable = flag.get_env().map(|name| name.to_str().unwrap());
            let variable = variable.map_or("| none |".to_owned(), |name| format!("| `{name}` |"));
            assert!(row.contains(&variable), "{variable} in {row}");
            for value in flag.get_default_values() {
                let value = value.to_str().unwrap();
                assert!(
                    value == "false" || row.contains(&format!("| `{value}` |")),
                    "{value} in {row}"
                );
            }
            assert_eq!(
                flag.is_required_set(),
                row.contains("| **required** |"),
                "{row}"
            );
        }
    }
}

#[test]
fn each_check_of_the_doctor_stands_there_with_its_exit_code_in_order() {
    let page = read(PAGE);
    let checks = zohorelay_operator::doctor::check::ALL;
    let rows = checks.map(|check| format!("\n| `{}` | {} | ", check.name, check.exit_code));
    let places: Vec<Option<usize>> = rows.iter().map(|row| page.find(row)).collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{places:?} of {rows:?}"
    );
}

#[test]
fn inject_has_the_flags_about_the_sidecar_and_crds_has_none() {
    let about = |command: &Command| -> Vec<(String, Vec<String>)> {
        let flags = flags(command)
            .into_iter()
            .filter(|flag| name(flag).starts_with("--sidecar-"));
        flags
            .map(|flag| {
                let values = flag.get_default_values().iter();
                (
                    name(flag),
                    values
                        .map(|value| value.to_str().unwrap().to_owned())
                        .collect(),
                )
            })
            .collect()
    };
    assert_eq!(about(&command("inject")), about(&command("run")));
    assert_eq!(
        flags(&command("inject")).len(),
        about(&command("run")).len()
    );
    assert!(flags(&command("crds")).is_empty());
    let sections = read(PAGE);
    for command in Cli::command().get_subcommands() {
        let heading = format!("\n## {}\n", command.get_name());
        assert!(
            sections.contains(&heading),
            "no section {}",
            command.get_name()
        );
    }
}

#[test]
fn each_metric_with_its_labels_is_documented_and_no_other_is() {
    let metrics = Metrics::new("1.2.3").unwrap();
    metrics.identity("shop", "billing", true, PodCounts::default());
    metrics.begin_ended("shop", "billing");
    let families = metrics.registry().gather();
    let page = prometheus::TextEncoder::new()
        .encode_to_string(&families)
        .unwrap();
    let open = ["namespace", "identity", "version"];
    assert_metrics_are_documented(&page, "zohorelay_operator_", &open);
}

/// The files of a folder, and of those within.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

/// The fields of the macros of `tracing` in a source.
fn fields(source: &str) -> Names {
    let mut found = Names::new();
    for level in ["error", "warn", "info", "debug", "trace"] {
        for call in source.split(&format!("tracing::{level}!(")).skip(1) {
            let before_the_message = call.split('"').next().unwrap();
            let parts = before_the_message.split(',').map(str::trim);
            found.extend(parts.filter_map(|part| {
                let name = part
                    .split([' ', '='])
                    .next()?
                    .trim_start_matches(['%', '?']);
                let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
                let is_field = !name.is_empty() && name.chars().all(is_name);
                is_field.then(|| name.to_owned())
            }));
        }
    }
    found
}

#[test]
fn each_field_of_the_log_is_documented() {
    let mut all = Vec::new();
    sources(&root().join("operator/src"), &mut all);
    let found: Names = all.iter().flat_map(|source| fields(source)).collect();
    for sure in ["identity", "again_in_seconds", "not_after", "pod", "parts"] {
        assert!(
            found.contains(sure),
            "this test has not seen {sure}: {found:?}"
        );
    }
    let page = read(PAGE);
    let missing: Vec<_> = found.iter().filter(|field| !names(&page, field)).collect();
    assert!(missing.is_empty(), "{PAGE} does not name {missing:?}");
}
