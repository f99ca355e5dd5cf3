//! Findings on their way to a person: printed as they come, without secrets.

use std::io::{self, IsTerminal, Write};

use zohorelay_process::checkup::{Checkup, Finding, Style};

use super::secret::Secrets;
use crate::args::DoctorArgs;

/// Where the findings for people go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Screen {
    Stdout,
    /// Stdout is for the bundle.
    Stderr,
    /// Stdout is for JSON.
    None,
}

/// Collects findings and shows them.
pub(crate) struct Report {
    pub(crate) checkup: Checkup,
    pub(crate) secrets: Secrets,
    screen: Screen,
    style: Style,
}

impl Report {
    /// As the flags say.
    pub(crate) fn new(args: &DoctorArgs) -> Self {
        let bundle_to_stdout = args
            .bundle
            .as_ref()
            .is_some_and(|path| path.as_os_str() == "-");
        let (screen, style) = if bundle_to_stdout {
            (Screen::Stderr, Style::of(&io::stderr(), args.details))
        } else if args.json {
            (Screen::None, Style::default())
        } else {
            (Screen::Stdout, Style::of(&io::stdout(), args.details))
        };
        Self {
            checkup: Checkup::new("zohorelay-sidecar", env!("CARGO_PKG_VERSION")),
            secrets: Secrets::default(),
            screen,
            style,
        }
    }

    /// Shows a finding and keeps it. A server may repeat what it was told, so all of it is searched
    /// for secrets.
    pub(crate) fn add(&mut self, mut finding: Finding) {
        let hide = |text: &mut String| *text = self.secrets.hide(text);
        hide(&mut finding.found);
        finding.remedy.iter_mut().for_each(hide);
        finding
            .details
            .iter_mut()
            .for_each(|(_, value)| hide(value));
        self.show(&self.style.line(&finding));
        self.checkup.add(finding);
    }

    /// The last line.
    pub(crate) fn end(&self) {
        self.show(&format!("\n{}\n", self.checkup.summary()));
    }

    /// What takes a while now; for somebody who watches.
    pub(crate) fn progress(&self, what: &str) {
        if self.screen != Screen::None && io::stderr().is_terminal() {
            let _ = writeln!(io::stderr(), "         … {what}");
        }
    }

    /// Whoever reads may go away: that is no failure of what was looked at.
    fn show(&self, text: &str) {
        let _ = match self.screen {
            Screen::Stdout => write!(io::stdout(), "{text}").and_then(|()| io::stdout().flush()),
            Screen::Stderr => write!(io::stderr(), "{text}"),
            Screen::None => Ok(()),
        };
    }
}
