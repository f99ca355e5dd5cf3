//! Golden pods: `tests/inject/NAME.yaml` becomes `tests/inject/NAME.out.yaml`, where the first lines are
//! what a person is told. A line `# flags:` in the input has flags of the `inject` command.
//!
//! `ZOHORELAY_BLESS=1 cargo test -p zohorelay-operator --test inject` writes the outputs anew; look at
//! the difference before you commit it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use zohorelay_operator::args::{Cli, Command};
use zohorelay_operator::inject::decide::{ANNOTATIONS, LEAST, MAX_IDENTITIES, MAX_LOG_BYTES};
use zohorelay_operator::inject::{InjectError, Settings, inject_stream};

const IMAGE: &str = "--sidecar-image=registry.example.com/zohorelay-sidecar:0.1.0";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inject")
}

/// Inputs, sorted.
fn inputs() -> Vec<PathBuf> {
    let mut inputs: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with(".out.yaml"))
        .collect();
    inputs.sort();
    inputs
}

fn settings(input: &str) -> Settings {
    let flags = input.lines().find_map(|line| line.strip_prefix("# flags:"));
    let given = ["zohorelay-operator", "inject", IMAGE];
    let given = given
        .into_iter()
        .chain(flags.unwrap_or_default().split_whitespace());
    match Cli::try_parse_from(given).unwrap().command {
        Command::Inject(args) => Settings::from_args(&args.sidecar).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// What `inject` makes of it, and what it says.
fn inject(input: &str) -> String {
    let said = |kind: &str, lines: Vec<String>| -> String {
        lines
            .iter()
            .flat_map(|line| ["# ", kind, ": ", line, "\n"])
            .collect()
    };
    match inject_stream(input, &settings(input)) {
        Ok(injected) => said("said", injected.notes) + &injected.yaml,
        Err(InjectError::Refused(refusals)) => said("refused", refusals),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_golden_pod_is_as_it_was() {
    let bless = std::env::var_os("ZOHORELAY_BLESS").is_some();
    let mut differ = Vec::new();
    for path in inputs() {
        let found = inject(&fs::read_to_string(&path).unwrap());
        let golden = path.with_extension("out.yaml");
        if bless {
            fs::write(&golden, &found).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != found {
            differ.push(format!("{}\n{found}", golden.display()));
        }
    }
    assert!(
        differ.is_empty(),
        "these outputs differ; if they should, run ZOHORELAY_BLESS=1 cargo test -p \
         zohorelay-operator --test inject, and look at git diff:\n{}",
        differ.join("\n")
    );
}

#[test]
fn every_golden_pod_is_the_same_when_it_is_injected_twice() {
    let mut injected = 0;
    for path in inputs() {
        let input = fs::read_to_string(&path).unwrap();
        let settings = settings(&input);
        let Ok(once) = inject_stream(&input, &settings) else {
            continue;
        };
        let twice = inject_stream(&once.yaml, &settings).unwrap();
        assert_eq!(twice.yaml, once.yaml, "{}", path.display());
        injected += usize::from(once.yaml != input);
    }
    assert!(injected > 20, "only {injected} were injected");
}

#[test]
fn no_output_is_without_its_input() {
    let inputs = inputs();
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(input) = name.strip_suffix(".out.yaml") {
            assert!(
                inputs.contains(&folder().join(format!("{input}.yaml"))),
                "{name}"
            );
        }
    }
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// Every word that begins with our prefix.
fn keys_in(text: &str) -> BTreeSet<&str> {
    let legal = |c: char| c.is_ascii_lowercase() || c == '-';
    text.match_indices("zohorelay.dev/")
        .map(|(at, prefix)| {
            let name = &text[at + prefix.len()..];
            let end = name.find(|c| !legal(c)).unwrap_or(name.len());
            &text[at..at + prefix.len() + end]
        })
        .filter(|key| !key.ends_with('/'))
        .collect()
}

/// The constants of `crds/src/keys.rs` whose documentation says that they are for pods.
fn keys_of_pods(source: &str) -> BTreeSet<&str> {
    let lines: Vec<&str> = source.lines().collect();
    let documented = lines.windows(2).filter(|pair| {
        [
            "/// Annotation of a pod",
            "/// Annotation of an injected pod",
            "/// Label of a pod",
        ]
        .iter()
        .any(|start| pair[0].starts_with(start))
    });
    documented
        .map(|pair| pair[1].split('"').nth(1).unwrap())
        .collect()
}

#[test]
fn every_label_and_annotation_of_pods_stands_in_attach_md_and_no_other() {
    let source = read("crds/src/keys.rs");
    let known = keys_of_pods(&source);
    assert!(known.is_superset(&BTreeSet::from(ANNOTATIONS)), "{known:?}");
    assert_eq!(known.len(), ANNOTATIONS.len() + 2);
    assert_eq!(keys_in(&read("docs/attach.md")), known);
}

#[test]
fn the_bounds_in_attach_md_are_those_of_the_program() {
    let text = read("docs/attach.md");
    let row = |key: &str| {
        let start = format!("| `{key}` |");
        text.lines()
            .find(|line| line.starts_with(&start))
            .unwrap()
            .to_owned()
    };
    for (key, least) in LEAST {
        assert!(row(key).contains(&format!("at least `{least}`")), "{key}");
    }
    assert!(row(ANNOTATIONS[0]).contains(&format!("1 to {MAX_IDENTITIES} names")));
    assert!(row("zohorelay.dev/log").contains(&format!("at most {MAX_LOG_BYTES} bytes")));
}
