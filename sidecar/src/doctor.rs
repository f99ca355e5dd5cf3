//! `doctor`: finds out why mail does not go, and says what to do about it.
//!
//! It looks in the order in which things depend on each other: the `document`, the sidecar that runs
//! beside, the `network`, TLS and greeting (`dialog`), the login (`auth`) where that was asked for,
//! the From (`sender`), the DNS records of the domain (`domain`), the `route`. It sends no mail, and
//! every step has an end. What it says goes through `report`, which takes secrets out; `bundle` is
//! all of it in a file.

mod auth;
mod bundle;
mod certificate;
mod check;
mod dialog;
mod document;
mod domain;
mod network;
mod patient;
mod report;
mod route;
mod running;
mod secret;
mod sender;

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::RootCertStore;
use serde_json::Value;
use zohorelay_config::Document;
use zohorelay_process::checkup::Finding;
use zohorelay_process::{Refusal, chain, exit};
use zohorelay_upstream::{Class, Resolver, system_roots};

pub use self::check::ALL as CHECKS;
use self::patient::{Port, Server};
use self::report::Report;
use crate::args::DoctorArgs;

/// Looks at everything that the flags name. Gives the exit code.
pub async fn doctor(args: &DoctorArgs) -> Result<u8, Refusal> {
    let mut doctor = Doctor::new(args)?;
    match &args.host {
        Some(host) => {
            let server = Server::alone(host, args);
            doctor.look_at_server("", &server).await;
        }
        None => doctor.look_at_identities().await,
    }
    doctor.end().await
}

/// What to do about a class of failure, by its name.
fn remedy(class: &str) -> &'static str {
    Class::parse(class).map_or("", Class::remedy)
}

struct Doctor<'a> {
    args: &'a DoctorArgs,
    report: Report,
    resolver: Arc<Resolver>,
    roots: Arc<RootCertStore>,
    documents: Vec<Document>,
    /// The servers that were looked at, each with the identity it was for.
    known: HashMap<Server, String>,
}

impl<'a> Doctor<'a> {
    fn new(args: &'a DoctorArgs) -> Result<Self, Refusal> {
        let roots = system_roots().map_err(|error| {
            let why = chain(&error);
            Refusal::new(
                exit::SOFTWARE,
                format!("reading the system's trust anchors: {why}"),
            )
        })?;
        let resolver = args
            .name_server
            .map_or_else(Resolver::from_system, Resolver::of);
        Ok(Self {
            args,
            report: Report::new(args),
            resolver: Arc::new(resolver),
            roots: Arc::new(roots),
            documents: Vec::new(),
            known: HashMap::new(),
        })
    }

    async fn look_at_identities(&mut self) {
        let folder = &self.args.identities;
        let summary = running::summary(self.args.admin).await;
        let mut names = self.args.names.clone();
        if names.is_empty() {
            let mut found = document::names_in(folder);
            found.extend(summary.iter().flat_map(running::names));
            names.extend(found);
        }
        if names.is_empty() {
            self.report.add(document::none(folder));
        }
        for name in names {
            self.look_at_identity(&name, &summary).await;
        }
    }

    async fn look_at_identity(&mut self, name: &str, summary: &Result<Value, String>) {
        let now = Timestamp::now();
        let (document, finding) = document::read(&self.args.identities, name, now);
        if let Some(document) = &document {
            self.report.secrets.add(document);
        }
        self.report.add(finding);
        self.report
            .add(running::judge(name, summary, document.as_ref()));
        let Some(document) = document else { return };
        let held = running::held(summary.as_ref().ok(), name, &document, now);
        let server = Server::of(&document, self.args);
        let is_reached = match self.known.get(&server).cloned() {
            Some(other) => {
                let found = format!("the same server as for {other}: see there");
                self.report
                    .add(Finding::skipped(check::CONNECT, name, found));
                true
            }
            None => self.look_at_server(name, &server).await,
        };
        let refused = auth::refuse(name, self.args.auth, held.as_ref());
        let finding = match refused {
            Some(finding) => finding,
            None if !is_reached => {
                Finding::skipped(check::AUTH, name, "not tried: the server is out of reach")
            }
            None => self.log_in(name, &document).await,
        };
        self.report.add(finding);
        let sender = sender::check(name, &document, self.args.from.as_ref());
        self.report.add(sender);
        self.look_at_domain(name, &document).await;
        self.documents.push(document);
    }

    async fn log_in(&self, name: &str, document: &Document) -> Finding {
        self.report
            .progress("logging in once; a refused login counts at Zoho");
        let resolver = self.resolver.clone();
        auth::log_in(name, document, &self.args.ehlo_name, resolver, &self.roots).await
    }

    /// Whether the port that mail needs could be secured.
    async fn look_at_server(&mut self, subject: &str, server: &Server) -> bool {
        let (addresses, finding) = network::resolve(subject, &server.host, &self.resolver).await;
        self.report.add(finding);
        if addresses.is_empty() {
            return false;
        }
        self.known.insert(server.clone(), subject.to_owned());
        self.report.progress("connecting to both ports");
        let [first, second] = server.ports;
        let (attempts, others) = tokio::join!(
            network::attempt(&addresses, first.number),
            network::attempt(&addresses, second.number)
        );
        let open = |port: Port, is_open: bool| is_open.then_some(port);
        let first = open(first, network::is_open(&attempts));
        let second = open(second, network::is_open(&others));
        let [one, two] = server.ports;
        self.report
            .add(network::judge(subject, server, one, &attempts, second));
        self.report
            .add(network::judge(subject, server, two, &others, first));
        let is_secured = self.look_at_dialogs(subject, server, first, second).await;
        self.trace(subject, server, &addresses, first.or(second).unwrap_or(one))
            .await;
        is_secured
    }

    async fn look_at_dialogs(
        &mut self,
        subject: &str,
        server: &Server,
        first: Option<Port>,
        second: Option<Port>,
    ) -> bool {
        let look = async |port: Option<Port>| match port {
            None => None,
            Some(port) => {
                let resolver = self.resolver.clone();
                let ehlo_name = &self.args.ehlo_name;
                let seen = dialog::look(server, port, ehlo_name, resolver, &self.roots).await;
                Some((port, seen))
            }
        };
        let (first, second) = tokio::join!(look(first), look(second));
        let is_secured = |seen: &zohorelay_upstream::examine::Seen| seen.ehlo.is_some();
        let needed = first.as_ref().or(second.as_ref());
        let is_reached = needed.is_some_and(|(_, seen)| seen.as_ref().is_ok_and(is_secured));
        for (port, seen) in [first, second].into_iter().flatten() {
            for finding in dialog::judge(subject, server, port, &seen) {
                self.report.add(finding);
            }
        }
        is_reached
    }

    async fn trace(&mut self, subject: &str, server: &Server, addresses: &[IpAddr], port: Port) {
        let Some(address) = addresses.first() else {
            return;
        };
        self.report.progress("tracing the route");
        let address = SocketAddr::new(*address, port.number);
        self.report
            .add(route::trace(subject, &server.host, address).await);
    }

    async fn look_at_domain(&mut self, name: &str, document: &Document) {
        let from = self
            .args
            .from
            .as_ref()
            .filter(|from| document.addresses.owns(from));
        let domain = from.unwrap_or(&document.addresses.primary).domain();
        let (host, selectors) = (&document.upstream.host, &self.args.dkim_selectors);
        self.report.progress("asking DNS about the sender's domain");
        for finding in domain::check(name, domain, host, selectors, &self.resolver).await {
            self.report.add(finding);
        }
    }

    async fn end(self) -> Result<u8, Refusal> {
        self.report.end();
        let checkup = &self.report.checkup;
        if let Some(path) = &self.args.bundle {
            let text =
                bundle::make(self.args, checkup, &self.documents, &self.report.secrets).await;
            if path.as_os_str() == "-" {
                let _ = write!(io::stdout(), "{text}");
            } else {
                bundle::write(path, &text)?;
            }
        }
        if self.args.json {
            let _ = write!(io::stdout(), "{}", checkup.json());
        }
        Ok(checkup.exit_code())
    }
}
