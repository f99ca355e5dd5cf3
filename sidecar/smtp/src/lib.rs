//! The receiving side of SMTP (RFC 5321), without I/O.
//!
//! Bytes go in, events and bytes come out; sockets, clocks and files belong to the caller. Every
//! decision about framing stands here, so that no caller ever looks for a line end itself.
//!
//! ```
//! use zohorelay_smtp::reply::{EnhancedCode, Reply};
//! use zohorelay_smtp::session::{Event, ServerSession, SessionOptions};
//!
//! let mut session = ServerSession::new(SessionOptions {
//!     hostname: "localhost".to_owned(),
//!     size_limit_bytes: 40 << 20,
//!     authenticate: false,
//!     recipients_limit: 100,
//! });
//! let mut content = Vec::new();
//! session.receive(b"EHLO app\r\nMAIL FROM:<billing@example.com>\r\n");
//! loop {
//!     match session.next_event(&mut content) {
//!         Event::Mail { reverse_path } => {
//!             assert_eq!(reverse_path.as_str(), "billing@example.com");
//!             session.answer(Reply::new(250, Some(EnhancedCode(2, 1, 0)), "sender ok"));
//!         }
//!         Event::NeedInput => break,
//!         event => panic!("not expected here: {event:?}"),
//!     }
//! }
//! assert!(session.output().ends_with(b"250 2.1.0 sender ok\r\n"));
//! assert!(session.in_transaction());
//! ```

pub mod address;
pub mod data;
pub mod reply;
pub mod session;

mod auth;
mod base64;
mod command;
mod line;
mod scan;
mod wiped;
