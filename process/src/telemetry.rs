//! Log lines on stderr: JSON for machines, text for people.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use thiserror::Error;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// How a log line is written. JSON has `timestamp` (RFC 3339, UTC), `level`, `target`, `message`, and
/// the fields of the event beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// For eyes.
    Text,
}

/// Why logging cannot start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TelemetryError {
    /// A part of the filter is neither a level nor a target with a level.
    #[error(
        "reading the log filter: {part:?} is neither a level nor target=level; write for example \
         info,zohorelay_upstream=debug, with a level of off, error, warn, info, debug, trace"
    )]
    BadFilter {
        /// The part, of those between commas.
        part: String,
    },
    /// It was started before in this process.
    #[error("starting logs: they were started before")]
    Started,
}

/// Starts logging to stderr for the whole process, once. `filter` is a level and exceptions by
/// target, as in `info,zohorelay_upstream=debug`; what no part names is off.
pub fn init(filter: &str, format: Format) -> Result<(), TelemetryError> {
    let filter = parse_filter(filter)?;
    let ansi = format == Format::Text && io::stderr().is_terminal();
    subscriber(filter, format, ansi, io::stderr)
        .try_init()
        .map_err(|_| TelemetryError::Started)
}

/// Reads a filter. Stricter than [`Targets`], which takes a misspelt level for a target.
pub fn parse_filter(filter: &str) -> Result<Targets, TelemetryError> {
    let mut targets = Targets::new();
    for part in filter.split(',') {
        let part = part.trim();
        let bad = || TelemetryError::BadFilter {
            part: part.to_owned(),
        };
        targets = match part.split_once('=') {
            None => targets.with_default(level(part).ok_or_else(bad)?),
            Some((target, word)) if is_target(target) => {
                targets.with_target(target, level(word).ok_or_else(bad)?)
            }
            Some(_) => return Err(bad()),
        };
    }
    Ok(targets)
}

fn is_target(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte))
}

fn level(word: &str) -> Option<LevelFilter> {
    match word.to_ascii_lowercase().as_str() {
        "off" => Some(LevelFilter::OFF),
        "error" => Some(LevelFilter::ERROR),
        "warn" => Some(LevelFilter::WARN),
        "info" => Some(LevelFilter::INFO),
        "debug" => Some(LevelFilter::DEBUG),
        "trace" => Some(LevelFilter::TRACE),
        _ => None,
    }
}

fn subscriber<W>(
    filter: Targets,
    format: Format,
    ansi: bool,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer).with_ansi(ansi);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
        Format::Text => lines.boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use clap::ValueEnum as _;
    use tracing_subscriber::fmt::MakeWriter;

    use super::{Format, TelemetryError, parse_filter, subscriber};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(filter: &str, format: Format, events: impl FnOnce()) -> String {
        let lines = Lines::default();
        let filter = parse_filter(filter).unwrap();
        let subscriber = subscriber(filter, format, false, lines.clone());
        tracing::subscriber::with_default(subscriber, events);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_has_the_fields_of_the_event_beside_time_level_target_and_message() {
        let line = logged("info", Format::Json, || {
            tracing::info!(target: "mail", identity = "billing", bytes = 42, "sent\nmail");
        });
        let rest = line
            .strip_prefix("{\"timestamp\":\"20")
            .expect("starts with the time");
        assert_eq!(&rest[8..9], "T", "RFC 3339: {line}");
        let (time, rest) = rest.split_once('"').unwrap();
        assert!(time.ends_with('Z'), "UTC: {line}");
        assert_eq!(
            rest,
            ",\"level\":\"INFO\",\"message\":\"sent\\nmail\",\"identity\":\"billing\",\"bytes\":42,\
             \"target\":\"mail\"}\n"
        );
    }

    #[test]
    fn a_filter_lets_one_target_say_more_than_the_others() {
        let lines = logged("warn,zohorelay_upstream=debug", Format::Text, || {
            tracing::info!(target: "zohorelay_smtp", "hidden");
            tracing::warn!(target: "zohorelay_smtp", "shown warning");
            tracing::debug!(target: "zohorelay_upstream::pool", "shown detail");
            tracing::trace!(target: "zohorelay_upstream::pool", "hidden");
        });
        assert!(
            lines.contains("shown warning") && lines.contains("shown detail"),
            "{lines}"
        );
        assert!(!lines.contains("hidden"), "{lines}");
    }

    #[test]
    fn a_misspelt_filter_is_refused_with_the_part_that_is_wrong() {
        for (filter, part) in [
            ("inof", "inof"),
            ("", ""),
            ("info,a=b", "a=b"),
            ("info,=debug", "=debug"),
        ] {
            let error = parse_filter(filter).unwrap_err();
            assert_eq!(
                error,
                TelemetryError::BadFilter {
                    part: part.to_owned()
                }
            );
        }
        assert_eq!(
            parse_filter("inof").unwrap_err().to_string(),
            "reading the log filter: \"inof\" is neither a level nor target=level; write for \
             example info,zohorelay_upstream=debug, with a level of off, error, warn, info, debug, \
             trace"
        );
    }

    #[test]
    fn a_format_is_json_or_text() {
        assert_eq!(Format::from_str("json", false), Ok(Format::Json));
        assert_eq!(Format::from_str("text", false), Ok(Format::Text));
        assert!(Format::from_str("yaml", false).is_err());
    }
}
