//! Text within HTML, and times and names as people read them.

use std::fmt::{self, Display, Formatter, Write as _};
use std::time::Duration;

use jiff::Timestamp;

/// Text of anybody within an element or a quoted attribute. Characters that cannot be seen, or that
/// turn the direction of what follows, are shown as a replacement.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(pub &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    f.write_char(char::REPLACEMENT_CHARACTER)?;
                }
                control if control.is_control() => f.write_char(char::REPLACEMENT_CHARACTER)?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A time in UTC, to the second, for a page of `now`: without the date where it is less than half a
/// day away.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// The time.
    pub at: Timestamp,
    /// When the page is made.
    pub now: Timestamp,
}

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let at = self.at.to_string();
        let (date, time) = (at.get(..10).unwrap_or(&at), at.get(11..19).unwrap_or(""));
        write!(f, "<time datetime=\"{date}T{time}Z\">")?;
        if self.now.duration_since(self.at).unsigned_abs().as_secs() >= 12 * 3600 {
            write!(f, "{date} ")?;
        }
        write!(f, "{time}</time>")
    }
}

/// How long ago something was, or how long it takes, in one unit.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How many seconds ago `at` is at `now`; 0 where it lies ahead.
pub fn since(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0)
}

/// A time ahead by so many seconds, which the script counts down.
#[derive(Clone, Copy, Debug)]
pub struct Countdown {
    /// Seconds to go.
    pub left: u64,
    /// When the page is made.
    pub now: Timestamp,
}

impl Display for Countdown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { left, now } = *self;
        let at = now.checked_add(Duration::from_secs(left)).unwrap_or(now);
        write!(
            f,
            "{} UTC, <span data-left=\"{left}\" role=\"timer\">in {}</span>",
            Time { at, now },
            span(left)
        )
    }
}

/// A label value as words: `relay_denied` is "Relay denied".
#[derive(Clone, Copy, Debug)]
pub struct Name<'a>(pub &'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, character) in self.0.chars().enumerate() {
            let shown = match character {
                '_' => ' ',
                first if index == 0 => first.to_ascii_uppercase(),
                other => other,
            };
            Text(shown.encode_utf8(&mut [0; 4])).fmt(f)?;
        }
        Ok(())
    }
}

/// The step and the server's code of a failure, in brackets.
#[derive(Clone, Copy, Debug)]
pub struct At<'a>(pub Option<&'a str>, pub Option<u16>);

impl Display for At<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.0.map(Text), self.1) {
            (Some(stage), Some(code)) => write!(f, " ({code} at {stage})"),
            (Some(stage), None) => write!(f, " (at {stage})"),
            (None, Some(code)) => write!(f, " ({code})"),
            (None, None) => Ok(()),
        }
    }
}

/// Where the documentation says more of a class.
#[derive(Clone, Copy, Debug)]
pub struct Docs<'a>(pub &'a str);

impl Display for Docs<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let anchor = Text(self.0);
        write!(
            f,
            "<p class=\"dim\"><code>docs/troubleshooting.md<wbr>#{anchor}</code></p>"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_of_a_text_is_markup_or_turns_the_text_around_it() {
        let hostile = "<b onx='1' y=\"2\">&\u{202e}gpj\u{2066}\u{200f}\0\r\n";
        let shown = Text(hostile).to_string();
        assert_eq!(
            shown,
            "&lt;b onx=&#39;1&#39; y=&quot;2&quot;&gt;&amp;\u{fffd}gpj\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn a_time_has_its_date_where_the_hour_does_not_say_which_day() {
        let now = "2026-11-23T11:40:43.5Z".parse().unwrap();
        let shown = |at: &str| {
            let at = at.parse().unwrap();
            Time { at, now }.to_string()
        };
        assert_eq!(
            shown("2026-11-23T08:00:01.169428456Z"),
            "<time datetime=\"2026-11-23T08:00:01Z\">08:00:01</time>"
        );
        for day in ["2026-11-22", "2026-11-24"] {
            let at = format!("{day}T23:00:00Z");
            assert_eq!(
                shown(&at),
                format!("<time datetime=\"{at}\">{day} 23:00:00</time>")
            );
        }
    }

    #[test]
    fn a_name_and_a_place_are_text_too() {
        assert_eq!(Name("relay_denied").to_string(), "Relay denied");
        assert_eq!(Name("<b>").to_string(), "&lt;b&gt;");
        assert_eq!(
            At(Some("<b>"), Some(553)).to_string(),
            " (553 at &lt;b&gt;)"
        );
        assert_eq!(At(None, None).to_string(), "");
    }

    #[test]
    fn a_countdown_says_when_without_the_script() {
        let now = "2026-11-23T11:40:43Z".parse().unwrap();
        let shown = Countdown { left: 90, now }.to_string();
        let time = "<time datetime=\"2026-11-23T11:42:13Z\">11:42:13</time> UTC";
        assert_eq!(
            shown,
            format!("{time}, <span data-left=\"90\" role=\"timer\">in 90 s</span>")
        );
        assert_eq!(since(now, now + Duration::from_secs(3)), 3);
        assert_eq!(since(now + Duration::from_secs(3), now), 0);
    }

    #[test]
    fn a_span_has_one_unit() {
        let spans = [1, 119, 120, 7199, 7200, 200_000].map(span);
        assert_eq!(spans, ["1 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
    }
}
