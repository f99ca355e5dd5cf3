//! Refusals of single messages, each only when it was asked for.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::from_check::header_values;
use crate::texts;

/// The start of the EICAR test file, split so that this source is not taken for it.
const EICAR: [&str; 2] = [
    "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
    "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!",
];

/// A message policy of Zoho's, off unless asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessagePolicy {
    /// R16: a mail without a Subject is refused.
    Subject,
    /// R15: a mail with the EICAR test string is refused.
    Virus,
    /// R12: a mail that names a `.cmd`, `.exe` or `.bat` attachment is refused.
    Executable,
}

impl MessagePolicy {
    /// The refusal of a mail that breaks this policy.
    pub(crate) fn refusal(self, content: &[u8]) -> Option<&'static str> {
        match self {
            Self::Subject => header_values(content, "Subject")
                .concat()
                .is_empty()
                .then_some(texts::NO_SUBJECT),
            Self::Virus => contains(content, EICAR.concat().as_bytes()).then_some(texts::VIRUS),
            Self::Executable => {
                let text = String::from_utf8_lossy(content).to_ascii_lowercase();
                let names_one = text
                    .split_inclusive("name=")
                    .skip(1)
                    .filter_map(|rest| rest.trim_start_matches('"').split(['"', ';', '\r']).next())
                    .any(|name| {
                        [".cmd", ".exe", ".bat"]
                            .iter()
                            .any(|end| name.ends_with(end))
                    });
                names_one.then_some(texts::EXECUTABLE)
            }
        }
    }
}

impl FromStr for MessagePolicy {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "subject" => Ok(Self::Subject),
            "virus" => Ok(Self::Virus),
            "executable" => Ok(Self::Executable),
            _ => Err(format!(
                "no policy {name}: use subject, virus or executable"
            )),
        }
    }
}

fn contains(content: &[u8], wanted: &[u8]) -> bool {
    content.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_refuses_its_own_kind_of_mail_only() {
        let virus = format!("Subject: x\r\n\r\n{}\r\n", EICAR.concat());
        let rows: [(&[u8], Option<MessagePolicy>); 5] = [
            (b"Subject: x\r\n\r\nbody\r\n", None),
            (
                b"From: a@b\r\n\r\nSubject: x\r\n",
                Some(MessagePolicy::Subject),
            ),
            (b"Subject:\r\n\r\nx\r\n", Some(MessagePolicy::Subject)),
            (virus.as_bytes(), Some(MessagePolicy::Virus)),
            (
                b"Subject: x\r\n\r\nContent-Disposition: attachment; filename=\"RUN.CMD\"\r\n",
                Some(MessagePolicy::Executable),
            ),
        ];
        let all = [
            MessagePolicy::Subject,
            MessagePolicy::Virus,
            MessagePolicy::Executable,
        ];
        for (content, breaks) in rows {
            let refused = all
                .into_iter()
                .filter(|policy| policy.refusal(content).is_some());
            assert_eq!(refused.collect::<Vec<_>>(), Vec::from_iter(breaks));
        }
    }
}
