//! The commands that the docs give, run as they stand there.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use zohorelay_cluster::binaries::Program;
use zohorelay_tests::ground::shop::Shop;

/// What a reader puts his own into.
const BLANK: &str = "'…'";

/// A command line, or several that belong together, of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipe(String);

impl Recipe {
    /// The recipes of a section of `docs/identities.md`: blocks without output, and commands within a line.
    pub(crate) fn of_section(heading: &str) -> Vec<Self> {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/identities.md");
        let page = std::fs::read_to_string(page).expect("the page is there");
        recipes(&page, heading)
    }

    /// The only recipe of a section.
    pub(crate) fn of(heading: &str) -> Self {
        let mut all = Self::of_section(heading);
        assert_eq!(all.len(), 1, "{heading}: {all:?}");
        all.remove(0)
    }

    /// With the reader's own in place of `'…'`.
    pub(crate) fn with(&self, own: &str) -> Self {
        self.replaced(BLANK, &format!("'{own}'"))
    }

    /// With something else that the reader changes.
    pub(crate) fn replaced(&self, from: &str, to: &str) -> Self {
        assert!(self.0.contains(from), "{from:?} is not in {:?}", self.0);
        Self(self.0.replace(from, to))
    }

    /// With another `--timeout` than five minutes.
    pub(crate) fn with_patience(&self, patience: &str) -> Self {
        self.replaced("--timeout=5m", &format!("--timeout={patience}"))
    }

    /// What it prints where `kubectl` stands for the shop's cluster and namespace; each command must
    /// succeed.
    pub(crate) async fn run(&self, shop: &Shop) -> Result<String> {
        ensure!(!self.0.contains('…'), "something is left out: {}", self.0);
        let kubectl = shop.ground.cluster.command(Program::Kubectl)?;
        let mut shell = Command::new("bash");
        for (name, value) in kubectl.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let program = kubectl.get_program().to_str().context("a path in UTF-8")?;
        let function = format!("kubectl() {{ '{program}' -n {} \"$@\"; }}", shop.namespace);
        shell.args(["-euo", "pipefail", "-c", &format!("{function}\n{}", self.0)]);
        let output = tokio::process::Command::from(shell)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {stderr}", self.0);
        Ok(String::from_utf8(output.stdout)?)
    }
}

fn recipes(page: &str, heading: &str) -> Vec<Recipe> {
    let is_heading = |line: &str| line.starts_with('#');
    let is_this = |line: &&str| is_heading(line) && line.trim_start_matches('#').trim() == heading;
    let section = page.lines().skip_while(|line| !is_this(line)).skip(1);
    let mut found = Vec::new();
    let mut block: Option<Vec<&str>> = None;
    for line in section.take_while(|line| !is_heading(line)) {
        let line = line.trim();
        match (&mut block, line.starts_with("```")) {
            (None, true) => block = Some(Vec::new()),
            (None, false) => found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned)),
            (Some(lines), false) => lines.push(line),
            (Some(lines), true) => {
                found.push(lines.join("\n"));
                block = None;
            }
        }
    }
    let is_command = |text: &String| text.contains("kubectl ") && !text.starts_with('$');
    found.into_iter().filter(is_command).map(Recipe).collect()
}

#[test]
fn blocks_and_commands_within_a_line_are_found_in_their_section_only() {
    let page = "## One\n`kubectl a`\n## Two\nsay `x` or `kubectl b -p '{}'`:\n\n   ```text\n   \
                kubectl c='…'\n   kubectl d\n   ```\n```text\n$ kubectl e\nout\n```\n### Three\n";
    let found = recipes(page, "Two");
    let expected = ["kubectl b -p '{}'", "kubectl c='…'\nkubectl d"];
    assert_eq!(found, expected.map(|text| Recipe(text.to_owned())));
    assert_eq!(found[1].with("pw").0, "kubectl c='pw'\nkubectl d");
}
