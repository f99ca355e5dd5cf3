//! Zoho's side of the dialogue, command by command (`docs/zoho.md session`).

use crate::account::{Account, Credentials, Refusal};
use crate::action::Action;
use crate::command::{Command, Path};
use crate::fault::{Point, Stage};
use crate::login::{decode, parse_plain};
use crate::session::{End, Session, Transaction};
use crate::texts;

impl Session {
    pub(crate) async fn command(&mut self, line: &str) -> Result<(), End> {
        let command = Command::parse(line);
        self.note(|record| record.line('C', &without_credentials(line)));
        match command.verb.as_str() {
            "EHLO" | "HELO" => self.ehlo(&command).await,
            "QUIT" => {
                self.write(texts::BYE.as_bytes()).await?;
                Err(End::Quit)
            }
            "RSET" => {
                self.set_transaction(None);
                self.write(texts::RESET_OK.as_bytes()).await
            }
            "NOOP" => self.write(texts::NOOP_OK.as_bytes()).await,
            "STARTTLS" if !self.secure => self.starttls(&command).await,
            "AUTH" => self.auth(command.arguments).await,
            "MAIL" => self.mail(command.arguments).await,
            "RCPT" => self.rcpt(command.arguments).await,
            "DATA" if command.arguments.is_empty() => self.data().await,
            verb => self.write(texts::unrecognized(verb).as_bytes()).await,
        }
    }

    async fn ehlo(&mut self, command: &Command<'_>) -> Result<(), End> {
        let name = command.arguments;
        let limit = self.world.options.size_limit_bytes;
        let usual = match (name, command.verb.as_str()) {
            ("", verb) => texts::needs_domain(verb),
            (_, "EHLO") => texts::ehlo(name, self.peer, self.secure, limit),
            _ => texts::helo(name, self.peer),
        };
        let action = self.strike(Stage::Ehlo);
        if takes_effect(action.as_ref(), &usual) {
            self.greeted = true;
            self.set_transaction(None);
        }
        self.perform(action, &usual).await
    }

    async fn starttls(&mut self, command: &Command<'_>) -> Result<(), End> {
        if !self.input.is_empty() {
            return Err(End::ProtocolError("bytes in clear after STARTTLS"));
        }
        let usual = match (self.greeted, command.arguments) {
            (false, _) => texts::NEEDS_EHLO.to_owned(),
            (true, "") => texts::TLS_READY.to_owned(),
            (true, _) => texts::unrecognized("STARTTLS"),
        };
        let action = self.strike(Stage::Starttls);
        let goes_ahead = takes_effect(action.as_ref(), &usual);
        self.perform(action, &usual).await?;
        if goes_ahead {
            self.handshake().await
        } else {
            Ok(())
        }
    }

    async fn auth(&mut self, arguments: &str) -> Result<(), End> {
        if !self.secure {
            self.note(|record| record.auth_in_clear = true);
        }
        let refusal = match (self.greeted, self.secure) {
            (false, _) => Some(texts::NEEDS_EHLO),
            (true, false) => Some(texts::NEEDS_TLS),
            _ if self.login.is_some() => Some(texts::ALREADY_AUTHENTICATED),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return self.write(refusal.as_bytes()).await;
        }
        match self.credentials(arguments).await? {
            Ok(credentials) => self.log_in(&credentials).await,
            Err(refusal) => self.write(refusal.as_bytes()).await,
        }
    }

    /// Asks for what LOGIN or PLAIN still lacks.
    async fn credentials(
        &mut self,
        arguments: &str,
    ) -> Result<Result<Credentials, &'static str>, End> {
        let (mechanism, initial) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let initial = Some(initial.trim()).filter(|initial| !initial.is_empty());
        match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let answer = self.challenge(initial, texts::ASK_PLAIN).await?;
                Ok(answer.and_then(|text| parse_plain(&text).ok_or(texts::AUTH_MALFORMED)))
            }
            "LOGIN" => {
                let username = match self.challenge(initial, texts::ASK_USERNAME).await? {
                    Ok(username) => username,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                let password = self.challenge(None, texts::ASK_PASSWORD).await?;
                let authorisation = String::new();
                Ok(password.map(|password| Credentials {
                    authorisation,
                    username,
                    password,
                }))
            }
            _ => Ok(Err(texts::AUTH_MECHANISM)),
        }
    }

    async fn challenge(
        &mut self,
        initial: Option<&str>,
        challenge: &str,
    ) -> Result<Result<String, &'static str>, End> {
        let line = if let Some(initial) = initial {
            initial.to_owned()
        } else {
            self.write(challenge.as_bytes()).await?;
            let line = self.next_line(false).await?;
            self.note(|record| record.line('C', "*"));
            line
        };
        Ok(match line.as_str() {
            "*" => Err(texts::AUTH_CANCELLED),
            line => decode(line).ok_or(texts::AUTH_MALFORMED),
        })
    }

    async fn log_in(&mut self, given: &Credentials) -> Result<(), End> {
        let rules = self.world.block_rules();
        let nth = self.visit(Stage::Auth);
        let account = Some(given.username.as_str());
        let action = self.strike_point(&Point {
            account,
            ..self.point(Stage::Auth, nth)
        });
        let (usual, said_ok) = {
            let mut accounts = self.world.accounts();
            let verdict = accounts.judge_login(given, self.data_centre);
            let usual = match verdict {
                Ok(()) => texts::AUTH_OK,
                Err(Refusal::Blocked) => texts::SENDER_BLOCKED,
                Err(_) => texts::AUTH_FAILED,
            };
            let heard = Action::heard(action.as_ref(), usual);
            let said_ok = heard.first().map(|first| *first == b'2');
            accounts.count_login(given, said_ok, verdict, rules);
            (usual, said_ok == Some(true))
        };
        if said_ok {
            self.login = Some(given.username.to_ascii_lowercase());
            self.note(|record| record.login = Some(given.username.to_ascii_lowercase()));
        }
        self.perform(action, usual).await
    }

    async fn mail(&mut self, arguments: &str) -> Result<(), End> {
        let (usual, transaction) = match self.judge_mail(arguments) {
            Ok(path) => {
                let usual = texts::sender_ok(&path.address);
                (usual, Some(path))
            }
            Err(refusal) => (refusal, Path::parse(arguments, "FROM:")),
        };
        let action = self.strike(Stage::Mail);
        if let (true, Some(path)) = (takes_effect(action.as_ref(), &usual), transaction) {
            self.set_transaction(Some(Transaction {
                reverse_path: path.address,
                parameters: path.parameters,
                ..Transaction::default()
            }));
        }
        self.perform(action, &usual).await
    }

    fn judge_mail(&self, arguments: &str) -> Result<Path, String> {
        if !self.greeted {
            return Err(texts::NEEDS_EHLO.to_owned());
        }
        if !self.secure {
            return Err(texts::NEEDS_TLS.to_owned());
        }
        if self.login.is_none() {
            return Err(texts::NEEDS_AUTH.to_owned());
        }
        if self.transaction.is_some() {
            return Err(texts::NESTED_MAIL.to_owned());
        }
        let path = Path::parse(arguments, "FROM:").ok_or(texts::BAD_PATH)?;
        if !path.address.is_empty() && !path.is_mailbox() {
            return Err(texts::BAD_PATH.to_owned());
        }
        for parameter in &path.parameters {
            let size = parameter
                .split_once('=')
                .filter(|(key, _)| key.eq_ignore_ascii_case("SIZE"));
            let size = size.and_then(|(_, bytes)| bytes.parse::<u64>().ok());
            match size {
                Some(size) if size > self.world.options.size_limit_bytes => {
                    return Err(texts::TOO_LARGE.to_owned());
                }
                Some(_) => {}
                None => return Err(texts::unknown_parameter(parameter)),
            }
        }
        Ok(path)
    }

    async fn rcpt(&mut self, arguments: &str) -> Result<(), End> {
        if let Some(transaction) = &mut self.transaction {
            transaction.rcpt_commands += 1;
        }
        let path = Path::parse(arguments, "TO:");
        let usual = self
            .judge_rcpt(path.as_ref())
            .unwrap_or_else(|refusal| refusal);
        let recipient = path.map(|path| path.address);
        let nth = self
            .transaction
            .as_ref()
            .map_or(1, |mail| mail.rcpt_commands);
        let recipients = recipient.as_deref().into_iter().collect();
        let action = self.strike_point(&Point {
            recipients,
            ..self.point(Stage::Rcpt, nth)
        });
        if let (true, Some(recipient), Some(transaction)) = (
            takes_effect(action.as_ref(), &usual),
            recipient,
            &mut self.transaction,
        ) {
            transaction.recipients.push(recipient);
        }
        self.perform(action, &usual).await
    }

    fn judge_rcpt(&self, path: Option<&Path>) -> Result<String, String> {
        let transaction = self.transaction.as_ref().ok_or(texts::NEEDS_MAIL)?;
        let path = path.ok_or(texts::BAD_PATH)?;
        if !path.is_mailbox() && !path.address.eq_ignore_ascii_case("postmaster") {
            return Err(texts::BAD_PATH.to_owned());
        }
        if let Some(parameter) = path.parameters.first() {
            return Err(texts::unknown_parameter(parameter));
        }
        let accounts = self.world.accounts();
        let account = self.login.as_deref().and_then(|login| accounts.find(login));
        let limit = account.map_or(usize::MAX, Account::recipients_limit);
        if transaction.recipients.len() >= limit {
            return Err(texts::TOO_MANY_RECIPIENTS.to_owned());
        }
        Ok(texts::recipient_ok(&path.address))
    }
}

/// A command took effect when its reply, scripted or not, starts with 2.
pub(crate) fn takes_effect(action: Option<&Action>, usual: &str) -> bool {
    Action::heard(action, usual).starts_with(b"2")
}

/// Of AUTH the mechanism and nothing of what follows, however the line is spelled.
fn without_credentials(line: &str) -> String {
    let auth = line
        .split_at_checked(4)
        .filter(|(verb, _)| verb.eq_ignore_ascii_case("AUTH"));
    let Some((_, rest)) = auth else {
        return line.to_owned();
    };
    let mut words = rest.split_whitespace();
    // A lone long word may be a credential that came without its mechanism.
    match (words.next(), words.next()) {
        (Some(mechanism), None) if mechanism.len() <= 16 => format!("AUTH {mechanism}"),
        (Some(mechanism), Some(_)) if mechanism.len() <= 16 => format!("AUTH {mechanism} *"),
        (Some(_), _) => "AUTH *".to_owned(),
        (None, _) => "AUTH".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_auth_brings_credentials_into_a_transcript() {
        let rows = [
            ("AUTH LOGIN", "AUTH LOGIN"),
            ("auth plain AGEAYg==", "AUTH plain *"),
            ("AUTH\tPLAIN\tAGEAYg==", "AUTH PLAIN *"),
            ("AUTH AGJpbGxpbmdAZXhhbXBsZS5jb20AYXBw", "AUTH *"),
            ("AUTHAGJpbGxpbmdAZXhhbXBsZS5jb20AYXBw", "AUTH *"),
            ("MAIL FROM:<auth@b>", "MAIL FROM:<auth@b>"),
            ("éé", "éé"),
        ];
        for (line, shown) in rows {
            assert_eq!(without_credentials(line), shown);
        }
    }
}
