//! What the pages for people share: the frame, style and script, and [`Text`] for whatever is not ours.
//!
//! A page is one answer with all in it. It needs no network, and says the same without its script,
//! which counts down and renews it.

mod form;
mod text;

use std::fmt::{self, Display, Formatter, Write as _};

pub use form::field;
pub use text::{At, Countdown, Docs, Name, Text, Time, since, span};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// Lets through this style and this script, by their SHA-256, and no other; and the script may fetch
/// from where the page came.
macro_rules! policy {
    ($form:literal) => {
        concat!(
            "default-src 'none'; style-src 'sha256-ac39Fh24KqdlFs9oqFDILVndPnGQmBxTfbx13LfkUrk='; ",
            "script-src 'sha256-x7A9He0KsQGkfZ6mfc+eoSV06mJy9Vrjiw3+ggKEqyY='; ",
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action ",
            $form,
            "; frame-ancestors 'none'"
        )
    };
}

/// `Content-Security-Policy` of a page.
pub const POLICY: &str = policy!("'none'");
/// The same of a page that has a form.
pub const POLICY_WITH_FORM: &str = policy!("'self'");

/// How something looks, as a class of the style. The gravest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Mail does not flow.
    Bad,
    /// It is worth a look.
    Warn,
    /// Switched off on purpose.
    Off,
    /// Mail flows, or would.
    Good,
}

impl Display for Tone {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Off => "off",
        })
    }
}

/// Whether somebody has to act, of several that stand so.
pub fn verdict(tones: &[Tone]) -> (Tone, String) {
    let all = tones.len();
    for (tone, words) in [
        (Tone::Bad, "in trouble"),
        (Tone::Warn, "worth a look"),
        (Tone::Off, "suspended"),
    ] {
        let some = tones.iter().filter(|it| **it == tone).count();
        if some > 0 {
            return (tone, format!("{some} of {all} identities {words}."));
        }
    }
    (Tone::Good, "All is well.".to_owned())
}

/// What stands around the body of a page.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Whose page it is: the heading.
    pub heading: &'a str,
    /// Whether somebody has to act, in a few words.
    pub verdict: &'a str,
    /// How that looks.
    pub tone: Tone,
    /// Said while nobody answers any more.
    pub gone: &'a str,
}

impl Frame<'_> {
    /// The page. `note` is HTML below the verdict, `form` HTML that is not renewed, `body` the rest.
    pub fn render(
        &self,
        note: impl Display,
        form: impl Display,
        body: impl FnOnce(&mut String),
    ) -> String {
        let Self { tone, .. } = self;
        let (heading, verdict) = (Text(self.heading), Text(self.verdict));
        let mut page = String::with_capacity(16 * 1024);
        let _ = write!(
            page,
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>{verdict} zohorelay</title><link rel=\"icon\" href=\"data:,\">\
             <style>{STYLE}</style></head><body>{form}<main><header class=\"{tone}\">\
             <h1>{heading}</h1><p class=\"sum\">{verdict}</p><p class=\"dim\">{note}</p></header>"
        );
        body(&mut page);
        let _ = write!(
            page,
            "</main><footer><p><button type=\"button\" hidden>Stop renewing</button> \
             <output data-gone=\"{}\"></output></p><noscript><p>Load the page again for news.</p></noscript>\
             </footer><script>{SCRIPT}</script></body></html>",
            Text(self.gone)
        );
        page
    }
}
